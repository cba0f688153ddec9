"""Evidence as a file: JSON, written at once or not at all, 0600 because a student's Secrets may be in it.

Objects keep the order of their keys as the API server gave it. Sorting would be as deterministic, but an explanation
that names the labels of a Pod would then name them in another order after a regrade.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import orjson

from grader.model import (
    EVIDENCE_FORMAT,
    Call,
    Evidence,
    EvidenceError,
    ObjectList,
    Observation,
    Outcome,
    Probed,
    Reply,
    Snapshot,
)

T = TypeVar("T")
_HEAD = b'{"format":'


def dump(evidence: Evidence) -> bytes:
    """One JSON document, the same bytes for the same evidence, ending in a newline."""
    document = {"format": EVIDENCE_FORMAT, **{f.name: getattr(evidence, f.name) for f in fields(evidence)}}
    document["capabilities"] = sorted(evidence.capabilities)
    return orjson.dumps(document) + b"\n"


def load(data: bytes) -> Evidence:
    """Read what `dump` wrote. Raises EvidenceError for what is truncated, newer, or something else."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        if data.startswith(_HEAD):
            raise EvidenceError(
                "the evidence is damaged or truncated; use another copy, or grade the cluster again"
            ) from None
        raise _foreign() from None
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise _foreign()
    if document["format"] > EVIDENCE_FORMAT:
        raise EvidenceError(
            f"the evidence has format {document['format']}, and this seatrial reads up to {EVIDENCE_FORMAT}; "
            "install a newer seatrial"
        )
    try:
        return _evidence(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EvidenceError(
            "the evidence is damaged: it lacks parts that it must have; use another copy, or grade again"
        ) from None


def save(path: Path, evidence: Evidence) -> None:
    """Write a file (0600), at once or not at all. Raises EvidenceError for a full disk and the like."""
    import tempfile

    data = dump(evidence)
    try:
        # A temporary file of a name nobody can guess, made 0600.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
        try:
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise EvidenceError(
            f"The evidence could not be written to {path} ({fault.strerror}); "
            "make room or name another file, and grade again."
        ) from None


def open_file(path: Path) -> Evidence:
    """Read a file. Raises EvidenceError, with the file's name."""
    try:
        return load(path.read_bytes())
    except OSError as fault:
        raise EvidenceError(f"The evidence {path} cannot be read: {fault.strerror}.") from None
    except EvidenceError as fault:
        raise EvidenceError(f"{path} cannot be graded: {fault}.") from None


def _foreign() -> EvidenceError:
    return EvidenceError("this is no evidence; `seatrial grade LAB --evidence FILE` writes one")


def _evidence(document: Mapping[str, Any]) -> Evidence:
    calls = document["calls"]
    return Evidence(
        lab=_typed(document["lab"], str),
        namespace=_typed(document["namespace"], str),
        student=_typed(document["student"], str),
        params=_typed(document["params"], dict),
        kubernetes=_typed(document["kubernetes"], str),
        capabilities=frozenset(_typed(word, str) for word in _typed(document["capabilities"], list)),
        now=_snapshot(document["now"]),
        earlier=_each(document["earlier"], _snapshot),
        calls=None if calls is None else _each(calls, lambda call: Call(**_typed(call, dict))),
        observations={
            key: Observation(Outcome(value["outcome"]), _typed(value["message"], str), _typed(value["detail"], dict))
            for key, value in _typed(document["observations"], dict).items()
        },
        lab_digest=_typed(document["lab_digest"], str),
        down=_each(document.get("down", []), lambda name: _typed(name, str)),
    )


def _snapshot(document: Mapping[str, Any]) -> Snapshot:
    # Evidence of format 1 has no probes.
    probes = document.get("probes")
    return Snapshot(
        _typed(document["at"], str),
        float(document["seconds"]),
        _each(document["lists"], _list),
        None if probes is None else {key: _probed(one) for key, one in _typed(probes, dict).items()},
    )


def _probed(document: Mapping[str, Any]) -> Probed:
    seconds = document.get("seconds")
    answered = None if seconds is None else float(seconds)
    return Probed(_typed(document["question"], str), _each(document["replies"], _reply), answered)


def _reply(document: Mapping[str, Any]) -> Reply:
    """Every field is of its type: a judgement relies on it."""
    texts = {name: _typed(document[name], str) for name in ("state", "reason", "said", "pod", "text", "cut")}
    code = document["code"]
    return Reply(
        **texts,
        port=_typed(document["port"], int),
        code=None if code is None else _typed(code, int),
        addresses=_each(document["addresses"], lambda one: _typed(one, str)),
    )


def _list(document: Mapping[str, Any]) -> ObjectList:
    if not all(isinstance(item, dict) for item in _typed(document["items"], list)):
        raise TypeError("an object is a mapping")
    return ObjectList(**document)


def _each(value: Any, one: Callable[[Any], T]) -> Sequence[T]:
    return tuple(one(item) for item in _typed(value, list))


def _typed(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{kind.__name__} expected")
    return value
