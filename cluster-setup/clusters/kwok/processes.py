"""The processes of a cluster, as the kernel knows them.

kwokctl remembers pids in files and asks only whether such a pid exists: after a reboot, or under a parent that does not
reap its children, that is somebody else's process or a dead one. So we look for the programs themselves: each is
started through a link in the cluster's own folder.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection
from pathlib import Path

from clusters.errors import ClusterError
from clusters.kwok.layout import Layout

# How long a killed process may take to be gone, in seconds; it holds a port until then.
GONE_WITHIN = 10.0
PROC = Path("/proc")


def _words(pid: Path, file: str) -> list[str]:
    """What stands in a file of /proc/PID, which may be gone or another user's."""
    try:
        return (pid / file).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def running(layout: Layout) -> dict[str, int]:
    """The cluster's living components: their names, as kwokctl has them, and pids."""
    prefix = f"{layout.home / 'bin'}/"
    found = {}
    for pid in PROC.iterdir():
        if pid.name.isdigit():
            program = _words(pid, "cmdline")[:1]
            if program and program[0].startswith(prefix):
                found[program[0].removeprefix(prefix)] = int(pid.name)
    return found


def drivers(layout: Layout) -> list[int]:
    """The pids of every kwokctl that is at work on this cluster, such as one whose parent was killed."""
    mine = f"KWOK_WORKDIR={layout.workdir}"
    return [
        int(pid.name)
        for pid in PROC.iterdir()
        if pid.name.isdigit()
        and Path(next(iter(_words(pid, "cmdline")), "")).name == "kwokctl"
        and mine in _words(pid, "environ")
    ]


def _kill(pid: int, within: float) -> bool:
    """Kill a process; whether it is gone in time. Its command line is empty before its ports are free, so we wait for
    the kernel to say that its last thread has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(within * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def end(layout: Layout) -> None:
    """End everything that runs for a cluster, whoever started it; returns once it is gone and its ports are free."""
    deadline = time.monotonic() + GONE_WITHIN
    # Whoever starts others comes first; what they started meanwhile is found by the next look.
    while left := drivers(layout) or list(running(layout).values()):
        gone = [_kill(pid, deadline - time.monotonic()) for pid in left]
        if not all(gone):
            stuck = ", ".join(str(pid) for pid, went in zip(left, gone, strict=True) if not went)
            raise ClusterError(f"processes {stuck} of cluster {layout.name} do not end; they are stuck in the kernel")
    for file in layout.pids.glob("*.pid"):
        file.unlink(missing_ok=True)


def correct_pid_files(layout: Layout, *, keep: Collection[str] = ()) -> None:
    """Make kwokctl's pid files say what is so; but keep the files of these, that it is seen when one has ended."""
    alive = running(layout)
    for file in layout.pids.glob("*.pid"):
        if file.stem not in alive and file.stem not in keep:
            file.unlink(missing_ok=True)
    for component, pid in alive.items():
        (layout.pids / f"{component}.pid").write_text(str(pid))


def pretend(layout: Layout, components: Collection[str]) -> None:
    """Let kwokctl believe that these components run."""
    layout.pids.mkdir(parents=True, exist_ok=True, mode=0o700)
    for component in components:
        (layout.pids / f"{component}.pid").write_text(str(os.getpid()))


def dead(layout: Layout) -> list[str]:
    """The components that kwokctl started and that have ended since. Asks after the pids in its files only."""
    prefix = f"{layout.home / 'bin'}/"
    ended = []
    for file in layout.pids.glob("*.pid"):
        try:
            pid = file.read_text()
        except FileNotFoundError:  # kwokctl writes and removes them meanwhile
            continue
        if pid in ("", str(os.getpid())):
            continue
        program = _words(PROC / pid, "cmdline")[:1]
        if not program or not program[0].startswith(prefix):
            ended.append(file.stem)
    return sorted(ended)
