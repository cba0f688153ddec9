"""The student's API calls since the lab began, out of the API server's audit log (JSON lines, audit.k8s.io/v1).

The log is as long as the student wants it to be, so it is read as a stream and only what the lab's checks could ask for
is kept, a call that repeats another once. "Since" is a place in the log and not a time: a clock may jump.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from grader.collect.record import PLATFORM_NAMESPACE
from grader.labfile.schema import CallPattern
from grader.model import Call, GraderError

# At most so many different calls are kept, the latest of them: about 25 MB.
MOST = 50_000
_WRITES = (b'"create"', b'"update"', b'"patch"')


class AuditUnreadable(GraderError):
    """The audit log cannot be read, so nobody knows what the student called."""


def calls(log: Path, *, student: str, slug: str, patterns: Iterable[CallPattern]) -> list[Call]:
    """The student's calls since the last write of the lab's record, in the log's order.

    Only those whose verb and resource one of `patterns` names. Time grows with the log's length, memory does not.
    Raises AuditUnreadable.
    """
    asked = list(patterns)
    mark, user = orjson.dumps(f"lab-{slug}"), orjson.dumps(student)
    found: OrderedDict[tuple[str | int, ...], Call] = OrderedDict()
    for line in _lines(log):
        # Bytes are looked at before JSON: most of a log is controllers talking.
        ours = mark in line and any(verb in line for verb in _WRITES)
        if not ours and user not in line:
            continue
        event = _event(line)
        if event is None:
            continue
        call = _call(event)
        if _is_record(call, slug):
            found.clear()
        elif call.user == student and any(_names(pattern, call) for pattern in asked):
            found.setdefault(_same(call), call)
            if len(found) > MOST:
                found.popitem(last=False)
    return list(found.values())


def _lines(log: Path) -> Iterator[bytes]:
    """Every whole line of the rotated files, oldest first, and of the log itself."""
    try:
        # Opened before its older parts are listed: rotated in between, it is one of them, and is not read twice.
        with log.open("rb") as current:
            same = os.fstat(current.fileno()).st_ino
            older = [(path.stat(), path) for path in log.parent.glob(f"{log.stem}-*{log.suffix}")]
            for _, path in sorted((stat.st_mtime_ns, path) for stat, path in older if stat.st_ino != same):
                with path.open("rb") as file:
                    yield from file
            yield from current
    except OSError as fault:
        raise AuditUnreadable(
            f"The audit log {log} cannot be read ({fault.strerror}), so it is unknown which calls were made; "
            "grade with the administrator's kubeconfig on the machine that runs the cluster."
        ) from None


def _event(line: bytes) -> dict[str, Any] | None:
    """A call that has been answered; None for its other stages, for one that was only tried (`--dry-run=server`), and
    for a line that is being written at this moment."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict) or event.get("stage") not in ("ResponseComplete", "ResponseStarted", "Panic"):
        return None
    return None if "dryRun=" in str(event.get("requestURI")) else event


def _call(event: dict[str, Any]) -> Call:
    target = event.get("objectRef") or {}
    return Call(
        at=str(event.get("requestReceivedTimestamp") or ""),
        user=str((event.get("user") or {}).get("username") or ""),
        verb=str(event.get("verb") or ""),
        group=str(target.get("apiGroup") or ""),
        resource=str(target.get("resource") or ""),
        subresource=str(target.get("subresource") or ""),
        namespace=str(target.get("namespace") or ""),
        name=str(target.get("name") or ""),
        user_agent=str(event.get("userAgent") or ""),
        code=int((event.get("responseStatus") or {}).get("code") or 0),
    )


def _same(call: Call) -> tuple[str | int, ...]:
    """Equal for two calls that differ in nothing but their time."""
    where = (call.verb, call.group, call.resource, call.subresource, call.namespace, call.name)
    return (*where, call.user_agent, call.code)


def _is_record(call: Call, slug: str) -> bool:
    """Whether the call is the write of the lab's record. Nobody but the platform may, so an answer of 2xx says all."""
    return (
        call.resource == "configmaps"
        and call.namespace == PLATFORM_NAMESPACE
        and call.name == f"lab-{slug}"
        and call.verb in ("create", "update", "patch")
        and not call.subresource
        and 200 <= call.code < 300
    )


def _names(pattern: CallPattern, call: Call) -> bool:
    return all(
        want is None or value == want or (isinstance(want, tuple) and value in want)
        for want, value in ((pattern.verb, call.verb), (pattern.resource, call.resource))
    )
