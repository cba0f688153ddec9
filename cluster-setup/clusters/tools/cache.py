"""The folder of installed programs, `NAME-VERSION/NAME`: a program is there whole or not at all.

Whoever changes it holds its lock. What is being made lies in `.staging` (an install that was killed leaves its rest
there for the next one to sweep), broken-off downloads in `.partial` (the next one resumes them).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from clusters.tools.pins import Program


def folder() -> Path:
    """Where the user's programs are kept; it need not exist yet."""
    return Path(platformdirs.user_cache_dir("seatrial")) / "tools"


def place(root: Path, program: Program) -> Path:
    """Where a program lies once it is installed."""
    return root / f"{program.name}-{program.version}" / program.name


def put(root: Path, program: Program, made: Path) -> Path:
    """Move a finished file of `.staging` to its place, in one step, as an executable."""
    made.chmod(0o755)
    # Its bytes are on the disk before its name is: a machine that loses power leaves no half program either.
    with made.open("rb") as file:
        os.fsync(file.fileno())
    goal = place(root, program)
    goal.parent.mkdir(parents=True, exist_ok=True)
    made.replace(goal)
    return goal


def staging(root: Path) -> Path:
    """The folder for what is being made."""
    return root / ".staging"


def partial(root: Path) -> Path:
    """The folder of broken-off downloads."""
    return root / ".partial"


@contextmanager
def locked(root: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache for one install, with an empty `.staging`.

    Where somebody else holds it `on_wait` is told who, once, and this waits for as long as it takes. The kernel gives
    the lock back when its holder dies, however it dies.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            on_wait(f"Waiting for another install to finish: {lock.read().strip() or 'it has only just begun'}.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()}, since {time.strftime('%H:%M:%S')}")
        lock.flush()
        try:
            _sweep(staging(root))
            staging(root).mkdir()
            yield
        finally:
            _sweep(staging(root))


def _sweep(place: Path) -> None:
    """Remove a folder, also where it holds folders without write permission (Go makes such)."""
    if not place.exists():
        return
    for inside, _, _ in os.walk(place):
        Path(inside).chmod(0o700)
    shutil.rmtree(place)
