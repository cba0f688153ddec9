"""Processes told apart by pid, start time and boot, since pids are used again."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
# The environment variable that every process of a portal has, with the portal's data folder; sandboxes have none.
MARK = "SEATRIAL_PORTAL_PROCESS"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine. `start` is in clock ticks since the boot `boot`."""

    pid: int
    start: int
    boot: str

    def alive(self) -> bool:
        """Whether it runs still. One that has ended and waits to be collected does not."""
        found = stat(self.pid)
        return found is not None and found.start == self.start and boot() == self.boot

    def signal(self, number: int) -> bool:
        """Send a signal; False where the process is gone. It never reaches another one with the same pid."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Held by the descriptor, the pid cannot be given away between this look and the signal.
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def document(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stat:
    """Of /proc/PID/stat: who started it, when, and how much memory of its own and others' it has mapped, in bytes."""

    parent: int
    start: int
    resident: int


def stat(pid: int) -> Stat | None:
    """Look at a process; None where it is gone or only waits to be collected."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything; what follows the last bracket is numbers.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Stat(int(fields[1]), int(fields[19]), int(fields[21]) * PAGE)


def boot() -> str:
    """The id of the time since the machine was started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def named(pid: int) -> Process | None:
    """The process that has this pid now."""
    found = stat(pid)
    return None if found is None else Process(pid, found.start, boot())


def recorded(document: Mapping[str, object]) -> Process | None:
    """The process of a document; None where it names none."""
    pid, start, booted = document.get("pid"), document.get("start"), document.get("boot")
    if isinstance(pid, int) and isinstance(start, int) and isinstance(booted, str):
        return Process(pid, start, booted)
    return None


def table() -> dict[int, Stat]:
    """Every process of the machine."""
    names = os.listdir("/proc")  # noqa: PTH208 - names are all that is needed, and this is done often
    found = ((int(name), stat(int(name))) for name in names if name.isdigit())
    return {pid: seen for pid, seen in found if seen is not None}


def below(pid: int, every: Mapping[int, Stat]) -> list[int]:
    """A process and all that it started, directly or not. In a sandbox orphans fall to its first process."""
    children: dict[int, list[int]] = {}
    for child, seen in every.items():
        children.setdefault(seen.parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        if one in every:
            found.append(one)
        waiting += children.get(one, [])
    return found


def end(process: Process) -> bool:
    """Kill a process and all below it; False where it is gone. A sandbox's would end with it, any other's would not."""
    if not process.alive():
        return False
    children = [found for pid in below(process.pid, table()) if pid != process.pid and (found := named(pid))]
    gone = process.signal(signal.SIGKILL)
    for child in children:
        child.signal(signal.SIGKILL)
    return gone


def proportional(pid: int) -> int:
    """The memory of a process in bytes, what it shares counted in parts (PSS); 0 where it is gone.

    A process may forbid its own user to look (PR_SET_DUMPABLE): then what it shares counts in full.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        found = stat(pid)
        return found.resident if found else 0
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
