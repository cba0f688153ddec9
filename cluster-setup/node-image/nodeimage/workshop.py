"""Where images are made: a folder in the user's cache, in which each step's result carries the digest of what went
into it.

NAME-DIGEST.tar       a finished result; a step whose result is there is not done again
NAME-DIGEST.tar.part  one that is being made; whoever begins that step again writes over it
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from clusters.tools.watch import Watch
from nodeimage.errors import of_disk

# How much of a file is read at a time, in bytes.
CHUNK = 1 << 20


def folder() -> Path:
    """Where images are made; it need not exist."""
    return Path(platformdirs.user_cache_dir("seatrial")) / "node-image"


def digest(*parts: str | bytes) -> str:
    """Sixteen hexadecimal digits over the parts, in which no two different lists agree by their seams."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()[:16]


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Workshop:
    """One build's place and its onlooker. Only one at a time may hold it; see `opened`."""

    root: Path
    watch: Watch

    def made(self, name: str, told: str, inputs: Iterable[str | bytes], make: Callable[[Path], None]) -> Path:
        """The result of a step, made now or found. `make` writes it to the path that it is given.

        `name` has letters, digits and dashes; `told` says what happens, as "Fetching …".
        """
        goal = self.root / f"{name}-{digest(name, *inputs)}.tar"
        if goal.is_file():
            return goal
        self.watch.begin(name, told)
        part = goal.with_name(f"{goal.name}.part")
        try:
            make(part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(goal)
        except OSError as fault:
            raise of_disk(fault, self.root) from fault
        finally:
            part.unlink(missing_ok=True)
        self._forget_older(name, goal)
        self.watch.end(name, f"{told}: {goal.stat().st_size / 1e6:.0f} MB")
        return goal

    def _forget_older(self, name: str, goal: Path) -> None:
        """What the same step made of other inputs is of no more use, and large."""
        for path in self.root.glob(f"{name}-*.tar"):
            if path != goal and re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}\.tar", path.name):
                path.unlink()


@contextmanager
def opened(watch: Watch, root: Path | None = None) -> Iterator[Workshop]:
    """Hold the folder for one build; wait where another holds it. A build that dies holds nothing."""
    place = root or folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = (place / ".lock").open("a+")
    except OSError as fault:
        raise of_disk(fault, place) from fault
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            watch.say("Waiting for another build of images to finish.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Workshop(place, watch)
