"""What runs for a data folder, as the kernel knows it: also what nobody watches any more.

Every process that the portal starts has the folder in its environment (MARK), and so has all that those start. A
sandbox has an environment of its own: it is found by its command line, which names the folder of the workspaces, and by
the record that its starter keeps of it.
Processes of clusters are told apart: they are ended by their provider, who keeps their state.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clusters import store
from webapp.workspaces import places, processes
from webapp.workspaces.processes import MARK, Process, below, named, table

PROC = Path("/proc")
# How long processes may take to end after SIGTERM, and to be gone after SIGKILL, in seconds.
GRACE, GONE_WITHIN = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Remains:
    """Living processes of a data folder."""

    platform: tuple[Process, ...]
    clusters: tuple[Process, ...]
    names: frozenset[str]  # the clusters that those belong to


def find(data: Path) -> Remains:
    """Everything that runs for a data folder, but for this process and those that it was started by."""
    every = table()
    spared = {os.getpid(), *_above(os.getpid(), {pid: seen.parent for pid, seen in every.items()})}
    found = {pid for pid in every if _marked(pid, data)} | _sandboxes(data)
    for pid in tuple(found):
        found.update(below(pid, every))
    platform, clusters, names = [], [], set()
    for pid in sorted(found - spared):
        process = named(pid)
        if process is None:
            continue
        cluster = _cluster(pid)
        if cluster is None:
            platform.append(process)
        else:
            clusters.append(process)
            names.add(cluster)
    return Remains(tuple(platform), tuple(clusters), frozenset(names))


def end(found: Iterable[Process]) -> list[Process]:
    """End processes: SIGTERM, after GRACE seconds SIGKILL. Returns those that the kernel does not let go of."""
    left = list(found)
    for number, within in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GONE_WITHIN)):
        left = [process for process in left if process.signal(number)]
        left = wait(left, within)
    return left


def wait(found: Iterable[Process], within: float) -> list[Process]:
    """Wait at most `within` seconds until they are gone. Returns those that are not."""
    deadline = time.monotonic() + within
    left = []
    for process in found:
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if process.alive() and not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                left.append(process)
        finally:
            os.close(handle)
    return left


def command_line(pid: int) -> list[str]:
    """The words of a process's command line, [] where it is gone."""
    return _words(pid, "cmdline")


def _sandboxes(data: Path) -> set[int]:
    """The first processes of sandboxes, as the workspaces' own records have them: bubblewrap itself may be gone."""
    recorded = (processes.recorded(places.read_json(place.state)) for place in places.every(data / "workspaces"))
    return {process.pid for process in recorded if process is not None and process.alive()}


def _marked(pid: int, data: Path) -> bool:
    if f"{MARK}={data}" in _words(pid, "environ"):
        return True
    words = _words(pid, "cmdline")
    inside = f"{data / 'workspaces'}/"
    return bool(words) and Path(words[0]).name == "bwrap" and any(word.startswith(inside) for word in words)


def _cluster(pid: int) -> str | None:
    """The cluster whose own program a process runs: each is started through a link in the cluster's folder."""
    root = f"{store.root()}/"
    program = next(iter(_words(pid, "cmdline")), "")
    return program.removeprefix(root).split("/")[0] if program.startswith(root) else None


def _above(pid: int, parents: dict[int, int]) -> list[int]:
    found = []
    while (pid := parents.get(pid, 0)) > 1 and pid not in found:
        found.append(pid)
    return found


def _words(pid: int, file: str) -> list[str]:
    """What stands in a file of /proc/PID, which may be gone or another user's."""
    try:
        return (PROC / str(pid) / file).read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return []
