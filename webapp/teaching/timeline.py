"""What a student changed in a cluster and when, newest first, out of the API server's audit log.

The log is as long as the student wants it to be. It is read backwards from its end, a page at a time, and never more
than a bounded piece of it for one page. The order is the log's own, so a clock that jumps changes nothing.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import orjson

from clusters.model import PLATFORM_NAMESPACE
from grader.collect import kubeconfig
from grader.model import ClusterUnreachable
from webapp.errors import PortalError

# Changes of a page; how much of the log is read for it at most, how much of it at once, and how long a line may be, in
# bytes. Nothing that kubectl does makes a longer one.
PAGE = 50
BUDGET = 24 * 1024 * 1024
BLOCK = 256 * 1024
LONGEST = 4 * 1024 * 1024
# Characters of a name or a message that are shown; a request may carry a name of any length.
SHOWN = 300

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Questions that are asked by POST: `kubectl auth can-i`, `kubectl auth whoami`.
QUESTIONS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
_CURSOR = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")


class NoTimeline(PortalError):
    """There is nothing to read: the cluster keeps no audit log, or its file is gone. One sentence for the page."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write of the student's and its answer. `times` is how often it was made in a row, `at` the latest of them.

    `tool` is the program that wrote, as it names itself ("kubectl edit"); `message` is the API server's refusal.
    """

    at: datetime.datetime | None
    verb: str
    resource: str  # "deployments", with a sub-resource "pods/exec"
    group: str
    namespace: str
    name: str
    code: int
    message: str
    tool: str
    times: int = 1

    @property
    def accepted(self) -> bool:
        """Whether the API server did as it was told; 101 is a shell that was opened."""
        return self.code == 101 or 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Page:
    """Changes, newest first. `older` is where the next page begins, None after the oldest.

    `begun` is True where the page reaches the lab's start.
    """

    changes: tuple[Change, ...]
    older: str | None = None
    begun: bool = False


def read(admin: Path, slug: str, *, before: str | None = None, size: int = PAGE) -> Page:
    """A page of the student's writes since the lab was started, out of the log that an admin kubeconfig names.

    `before` is an earlier page's `older`; another text reads from the end. Raises NoTimeline.
    """
    try:
        extension = kubeconfig.read(admin).extension
    except ClusterUnreachable as fault:
        raise NoTimeline("The cluster's files are not there, so its log of changes is not either.") from fault
    log, student = extension.get("auditLog"), extension.get("student")
    if not isinstance(log, str) or not isinstance(student, str):
        raise NoTimeline("This cluster keeps no log of changes.")
    return page(Path(log), student, slug, before=before, size=size)


def page(log: Path, student: str, slug: str, *, before: str | None = None, size: int = PAGE) -> Page:
    """As `read`, for a log file and a user's name. Raises NoTimeline."""
    user, mark = orjson.dumps(student), orjson.dumps(f"lab-{slug}")
    changes: list[Change] = []
    left, place = BUDGET, before
    with closing(_backwards(log, before)) as lines:
        for line, place in lines:
            left -= len(line)
            if mark in line or user in line:
                event = _event(line)
                if event is not None and _starts_lab(event, slug):
                    return Page(tuple(changes), begun=True)
                change = _change(event, student) if event is not None else None
                if change is not None:
                    _add(changes, change)
            if len(changes) >= size or left <= 0:
                return Page(tuple(changes), older=place)
    return Page(tuple(changes))


def _add(changes: list[Change], change: Change) -> None:
    """One that only repeats the next later one is counted there."""
    if changes and replace(changes[-1], at=change.at, times=1) == change:
        changes[-1] = replace(changes[-1], times=changes[-1].times + 1)
    else:
        changes.append(change)


def _backwards(log: Path, before: str | None) -> Generator[tuple[bytes, str]]:
    """Every whole line, the last one first, with the place at which it begins: "inode-offset"."""
    match = _CURSOR.fullmatch(before or "")
    wanted = (int(match[1]), int(match[2])) if match else None
    for file, inode in _files(log):
        with file:
            end = file.seek(0, os.SEEK_END)
            if wanted is not None:
                if inode != wanted[0]:
                    continue
                end, wanted = min(end, wanted[1]), None
            for line, offset in _lines(file, end):
                yield line, f"{inode}-{offset}"


def _files(log: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The log and its older parts, the newest first."""
    try:
        # Opened before the older parts are listed: rotated in between, it is one of them, and is not read twice.
        current = log.open("rb")
        same = os.fstat(current.fileno()).st_ino
        older = sorted(((p.stat().st_mtime_ns, p) for p in log.parent.glob(f"{log.stem}-*{log.suffix}")), reverse=True)
    except OSError as fault:
        raise NoTimeline(f"The cluster's log of changes cannot be read: {fault.strerror}.") from fault
    yield current, same
    for _, path in older:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # Rotated out at this moment: it is older than what is kept.
            continue
        inode = os.fstat(file.fileno()).st_ino
        if inode == same:
            file.close()
            continue
        yield file, inode


def _lines(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    """The lines that end before `end`, backwards. What stands behind the last line break is still being written."""
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        rest = file.read(end - start) + rest
        end = start
        first, tail = 0, rest
        if start > 0:
            # The first line may begin in the block before.
            head, found, tail = rest.partition(b"\n")
            first, rest = start + len(head) + 1, head + found
            if len(rest) > LONGEST:
                rest = b""
        yield from _cut(tail, first)


def _cut(text: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
    """The whole lines of a piece that begins at `offset`, the last one first."""
    end = text.rfind(b"\n")
    while end >= 0:
        start = text.rfind(b"\n", 0, end) + 1
        yield text[start:end], offset + start
        end = start - 1


def _event(line: bytes) -> dict[str, Any] | None:
    """An answered request that was meant; None for the others, and for what is not whole."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict) or event.get("stage") not in ("ResponseComplete", "Panic"):
        return None
    return None if "dryRun=" in str(event.get("requestURI")) else event


def _starts_lab(event: dict[str, Any], slug: str) -> bool:
    """Whether this is the platform's write of the lab's record: what came before belongs to no lab."""
    target, code = event.get("objectRef") or {}, (event.get("responseStatus") or {}).get("code") or 0
    return (
        target.get("resource") == "configmaps"
        and target.get("namespace") == PLATFORM_NAMESPACE
        and target.get("name") == f"lab-{slug}"
        and event.get("verb") in ("create", "update", "patch")
        and 200 <= code < 300
    )


def _change(event: dict[str, Any], student: str) -> Change | None:
    target, status = event.get("objectRef") or {}, event.get("responseStatus") or {}
    group = str(target.get("apiGroup") or "")
    if (event.get("user") or {}).get("username") != student or event.get("verb") not in WRITES or group in QUESTIONS:
        return None
    resource = "/".join(str(target[key]) for key in ("resource", "subresource") if target.get(key))
    code = status.get("code")
    return Change(
        at=_moment(event.get("requestReceivedTimestamp")),
        verb=str(event["verb"]),
        resource=_short(resource or urlsplit(str(event.get("requestURI") or "")).path),
        group=_short(group),
        namespace=_short(str(target.get("namespace") or "")),
        name=_short(str(target.get("name") or "")),
        code=code if isinstance(code, int) else 0,
        message=_short(str(status.get("message") or "")),
        tool=_tool(event),
    )


def _tool(event: dict[str, Any]) -> str:
    """The program: kubectl's commands name themselves in `fieldManager` ("kubectl-edit")."""
    query = parse_qs(urlsplit(str(event.get("requestURI") or "")).query)
    manager = (query.get("fieldManager") or [""])[0]
    program = str(event.get("userAgent") or "").split("/", 1)[0]
    if manager.startswith("kubectl-"):
        return _short(manager.replace("-client-side-apply", "-apply").replace("kubectl-", "kubectl ", 1))
    return _short(manager or program)


def _moment(text: Any) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text)).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
