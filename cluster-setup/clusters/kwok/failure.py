"""Why a process of a cluster ended, in one sentence, out of what it printed last."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator

from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.exec import CommandError
from clusters.kwok.layout import Layout

# What every program says of a full disk.
FULL = "no space left on device"
# A disk with less left is full, in bytes: its log is then no witness, as it could not be written either.
LEAST_FREE = 1 << 20
# How much of a log's end is read, in bytes.
TAIL = 8192


class PortTaken(TransientError):
    """Another process has taken a port since it was chosen."""


@contextlib.contextmanager
def disk_full_told(layout: Layout) -> Iterator[None]:
    """Raises PermanentError where a file of ours meets a full disk, as the programs do with theirs."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise PermanentError(
            f"cluster {layout.name} cannot run: the disk below {layout.folder} is full; free some and try again"
        ) from fault


def refused(layout: Layout, fault: CommandError) -> ClusterError:
    """The error to raise where kwokctl gave up. It prints a JSON document a line."""
    if FULL in fault.output:
        return PermanentError(
            f"cluster {layout.name} cannot be made: the disk below {layout.folder} is full; free some and try again"
        )
    if fault.code is None:
        return TransientError(f"cluster {layout.name} did not start in time; the machine may be too busy, try again")
    return PermanentError(f"kwokctl cannot start cluster {layout.name}: {_message(fault.output) or fault}")


def explain(layout: Layout, component: str) -> ClusterError:
    """The error to raise for a component that has ended."""
    tail = _tail(layout, component)
    if "address already in use" in tail:
        return PortTaken(
            f"a port of cluster {layout.name} ({component}) is taken by another process; end that one, or make the "
            "cluster anew"
        )
    if FULL in tail or _is_full(layout):
        return PermanentError(
            f"{component} of cluster {layout.name} ended: the disk below {layout.folder} is full; "
            "free some and try again"
        )
    last = _message(tail) or "it printed nothing"
    return PermanentError(f"{component} of cluster {layout.name} ended: {last} (more in {layout.log(component)})")


def _is_full(layout: Layout) -> bool:
    try:
        return shutil.disk_usage(layout.folder).free < LEAST_FREE
    except OSError:
        return False


def _tail(layout: Layout, component: str) -> str:
    try:
        with layout.log(component).open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - TAIL))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def _message(tail: str) -> str:
    """The last line that says something; etcd and kwok print JSON."""
    for line in reversed(tail.splitlines()):
        text = line.strip()
        if not text or text.startswith(("goroutine", "\t", "main.", "exit status")) or ".go:" in text[-30:]:
            continue
        try:
            fields = json.loads(text)
        except json.JSONDecodeError:
            return text
        if isinstance(fields, dict):
            return " ".join(str(fields[k]) for k in ("msg", "error", "err") if k in fields)
    return ""
