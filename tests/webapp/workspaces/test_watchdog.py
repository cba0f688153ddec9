"""What the watchdog sees and ends, on processes of the test's own in place of sandboxes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from webapp.workspaces import faults, homes, places, processes
from webapp.workspaces.limits import MIB, Limits
from webapp.workspaces.places import Place
from webapp.workspaces.watchdog import GRACE, Watchdog

# Says that it is ready, and then does nothing.
IDLE = "import signal; print('ready', flush=True); signal.pause()"
NOBODY = 65534
# What a program does that wants nobody of its own user to look into it (PR_SET_DUMPABLE).
SHY = f"""
import ctypes, os, signal
if os.geteuid() == 0:
    os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
{IDLE}
"""

Opened = Callable[..., tuple[Place, subprocess.Popen[bytes]]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Makes a workspace of a script's process; each is ended at the end."""
    made: list[subprocess.Popen[bytes]] = []

    def start(number: int, limits: Limits, script: str = IDLE) -> object:
        place = places.of(tmp_path, number)
        place.make()
        place.home.mkdir(exist_ok=True)
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        made.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        known = processes.named(child.pid)
        assert known is not None
        place.state.write_text(json.dumps({**known.document(), "limits": asdict(limits)}))
        return place, child

    yield start  # type: ignore[misc]
    for child in made:
        child.kill()
        child.communicate()


@contextmanager
def as_nobody() -> Iterator[None]:
    """As root all may be seen: look as a user who runs a portal without being root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether it was killed, which is so a moment later."""
    return child.wait(10) == -signal.SIGKILL


def test_a_process_that_lets_nobody_look_counts_in_full(opened: Opened) -> None:
    _, shy = opened(1, Limits(), SHY)
    with as_nobody():
        with pytest.raises(PermissionError):
            Path(f"/proc/{shy.pid}/smaps_rollup").read_text()
        counted = processes.proportional(shy.pid)
    seen = processes.stat(shy.pid)
    assert seen is not None
    assert counted == seen.resident > 0


def test_what_cannot_be_written_of_one_workspace_saves_nobody(opened: Opened, tmp_path: Path) -> None:
    small = Limits(memory=1 * MIB)
    first, one = opened(1, small)
    _, other = opened(2, small)
    first.fault.mkdir()  # stands for a disk that takes nothing
    Watchdog(tmp_path).look()
    assert ended(one)
    assert ended(other)
    assert "memory" in str(faults.told(tmp_path, 2))


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / str(number)).touch()


def test_a_large_file_is_not_hidden_behind_empty_ones(opened: Opened, tmp_path: Path) -> None:
    limits = Limits(disk=4 * MIB)
    place, child = opened(1, limits)
    watchdog = Watchdog(tmp_path)
    watchdog.measure_homes()
    assert child.poll() is None
    most = (2 * limits.disk + GRACE) // homes.ENTRY
    fill(place.home / "many", most + 1)
    assert homes.used(place.home, 2 * limits.disk) <= 2 * limits.disk + homes.ENTRY, "the walk is bounded"
    watchdog.measure_homes()
    assert ended(child)
    assert "filled its home" in str(faults.told(tmp_path, 1))


def test_whoever_comes_with_a_full_home_may_clean_up_and_not_with_one_twice_too_full(
    opened: Opened, tmp_path: Path
) -> None:
    limits = Limits(disk=4 * MIB)
    place, child = opened(1, limits)
    fill(place.home / "many", 3 * limits.disk // 2 // homes.ENTRY)
    watchdog = Watchdog(tmp_path)
    watchdog.measure_homes()
    watchdog.measure_homes()
    assert child.poll() is None
    fill(place.home / "more", (2 * limits.disk + GRACE) // homes.ENTRY)
    again = Watchdog(tmp_path)  # the relay was killed, and knows nothing of before
    again.measure_homes()
    assert ended(child)
