"""The watch over what workspaces use: all processes of a sandbox together, and homes that have no size of their own.

The kernel keeps each process to its limits; only together may they pass the workspace's. Then the sandbox is ended, and
a sentence left that the portal shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from webapp.workspaces import faults, homes, limits, places, processes
from webapp.workspaces.limits import MIB, Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process, Stat

# In seconds.
MEMORY_EVERY, DISK_EVERY = 0.5, 5.0
# A home that is over its limit when its owner comes, so as to clean up, may grow by this much.
GRACE = 16 * MIB
# More processes than any lab needs: from then on the sandbox yields the processor to everybody else.
CROWD, YIELDING = 60, 15

log = logging.getLogger("relay")


class Watchdog:
    """Looks at every running workspace again and again."""

    def __init__(self, workspaces: Path) -> None:
        """Look at the workspaces below this folder."""
        self._workspaces = workspaces
        self._disk: dict[Process, int] = {}
        self._disk_at = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.look()
            if loop.time() >= self._disk_at:
                self._disk_at = loop.time() + DISK_EVERY
                await asyncio.to_thread(self.measure_homes)
            await asyncio.sleep(MEMORY_EVERY)

    def look(self) -> None:
        """End each sandbox whose processes take too much memory together."""
        running = self._running()
        if not running:
            return
        every = processes.table()
        for place, process, own in running:
            with _alone(place):
                self._weigh(place, process, own, every)

    def _weigh(self, place: Place, process: Process, own: Limits, every: Mapping[int, Stat]) -> None:
        found = processes.below(process.pid, every)
        if len(found) > CROWD:
            _yield(found)
        taken = memory(found, every, own.memory)
        if taken > own.memory:
            most = own.memory // MIB
            self._end(place, process, f"used {taken // MIB} MB of memory, of which it may have {most}")

    def measure_homes(self) -> None:
        """End each sandbox whose home, a folder, has grown too large."""
        running = [each for each in self._running() if not each[0].image.exists()]
        self._disk = {process: self._disk[process] for _, process, _ in running if process in self._disk}
        for place, process, own in running:
            with _alone(place):
                self._measure(place, process, own)

    def _measure(self, place: Place, process: Process, own: Limits) -> None:
        # Whoever has twice too much has no grace: a walk that was cut short has come to more than anybody may have.
        double = 2 * own.disk
        taken = homes.used(place.home, double + GRACE)
        most = max(own.disk, self._disk.setdefault(process, min(taken, double)) + GRACE)
        if taken > most:
            self._end(place, process, f"filled its home with {taken // MIB} MB, of which it may have {most // MIB}")

    def _running(self) -> list[tuple[Place, Process, Limits]]:
        found = []
        for place in places.every(self._workspaces):
            document = places.read_json(place.state)
            process = processes.recorded(document)
            if process is not None and process.alive():
                found.append((place, process, limits.recorded(document)))
        return found

    def _end(self, place: Place, process: Process, why: str) -> None:
        sentence = f"Your workspace was ended because it {why}. Your files are kept; open it again and carry on."
        try:
            faults.leave(place, sentence)
        finally:
            processes.end(process)  # also where the disk, which it may have filled, does not take the sentence
        log.warning("workspace %d ended: it %s", place.user_id, why)


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """What cannot be seen or written of one workspace is not the others' trouble."""
    try:
        yield
    except OSError as fault:
        log.warning("workspace %d is not watched: %s", place.user_id, fault)


def memory(found: Sequence[int], every: Mapping[int, Stat], limit: int) -> int:
    """The bytes that processes take together. What they share is counted but once where that decides."""
    resident = sum(every[one].resident for one in found)
    return resident if resident <= limit else sum(processes.proportional(one) for one in found)


def _yield(found: Sequence[int]) -> None:
    for pid in found:
        # What has ended since needs no priority. What it starts from now on has the same one.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, pid, YIELDING)
