"""Attacks from inside a workspace on the machine's room: processes, memory, disk. The others go on working."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.workspaces.conftest import House, Inside, until
from webapp.workspaces import faults, homes, processes
from webapp.workspaces.limits import MIB, Limits

pytestmark = pytest.mark.portal

SMALL = Limits(memory=160 * MIB, processes=64, disk=96 * MIB, file=64 * MIB, temporary=16 * MIB, shared_memory=8 * MIB)
ATTACKERS = itertools.count(10)


def sentence(house: House, inside: Inside) -> str:
    return faults.told(house.settings.workspaces, inside.place.user_id) or ""


@pytest.fixture
def attacker(house: House) -> Iterator[Inside]:
    """A student with little room, in a sandbox that the test may ruin."""
    opened = house.open(next(ATTACKERS), SMALL)
    yield opened
    opened.end()


def test_a_fork_bomb_stays_inside(attacker: Inside, ada: Inside) -> None:
    told = attacker.run(
        "bomb() { bomb | bomb & }; for i in {1..300}; do sleep 30 > /dev/null 2>&1 & done; bomb > /dev/null 2>&1"
    )
    assert "retry" in told.output or "Resource temporarily unavailable" in told.output
    count = len(processes.below(attacker.process.pid, processes.table()))
    assert count <= SMALL.processes
    assert ada.run("echo works").output == "works\n"
    attacker.end()
    assert processes.below(attacker.process.pid, processes.table()) == []


def test_a_crowd_yields_the_processor(house: House, ada: Inside) -> None:
    before = os.getpriority(os.PRIO_PROCESS, ada.process.pid)
    crowd = house.open(next(ATTACKERS), Limits(processes=200))
    crowd.run("for i in {1..100}; do sleep 300 > /dev/null 2>&1 & done")
    found = processes.below(crowd.process.pid, processes.table())
    assert len(found) > 100
    until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) >= 15 for pid in found), "the crowd yields")
    assert os.getpriority(os.PRIO_PROCESS, ada.process.pid) == before < 15
    crowd.end()


def test_one_process_gets_no_more_memory_than_its_own(attacker: Inside) -> None:
    assert "MemoryError" in attacker.python("x = bytearray(600 * 1024 * 1024)").output
    assert attacker.process.alive()


def test_many_processes_together_end_the_sandbox_and_the_student_is_told(attacker: Inside, house: House) -> None:
    hog = "import time; x = bytearray(100 * 1024 * 1024); x[::4096] = b'x' * len(x[::4096]); time.sleep(600)"
    with pytest.raises(OSError, match=r"ended|reset|closed|Errno"):
        attacker.run(f'for i in 1 2 3 4 5 6; do python3 -c "{hog}" & done; wait')
    assert attacker.ends()
    until(lambda: "memory" in sentence(house, attacker), "a sentence is left")
    assert "Your files are kept" in sentence(house, attacker)
    again = house.open(attacker.place.user_id, SMALL)
    assert "memory" in sentence(house, attacker), "whoever was cut off sees why in the workspace that came back"
    again.end()


def test_memory_that_is_no_processes_own_is_bounded(attacker: Inside) -> None:
    assert "No space left" in attacker.run("head -c 64M /dev/zero > /tmp/fill").output
    assert "No space left" in attacker.run("head -c 64M /dev/zero > /dev/shm/fill").output
    for place in ("/run", "/dev", "/", "/etc", "/home"):
        assert attacker.run(f"head -c 1M /dev/zero > {place}/fill").code != 0
    assert "Operation not permitted" in attacker.python("import os; os.memfd_create('x')").output


def test_a_full_home_is_full_and_no_more(attacker: Inside, house: House, ada: Inside) -> None:
    before = os.statvfs(house.settings.data).f_bavail
    told = attacker.run("for i in {1..8}; do head -c 60M /dev/urandom > ~/fill$i || true; done", timeout=120)
    if attacker.place.image.exists():
        assert "No space left" in told.output
        assert attacker.place.image.stat().st_size == SMALL.disk
        taken = (before - os.statvfs(house.settings.data).f_bavail) * os.statvfs(house.settings.data).f_frsize
        assert attacker.place.image.stat().st_blocks * 512 <= SMALL.disk, taken
        assert attacker.run("head -c 8M /dev/urandom > ~/more").code != 0
    else:
        assert attacker.ends()
        until(lambda: "filled its home" in sentence(house, attacker), "a sentence is left")
    assert ada.run("echo works > ~/works; cat ~/works").output == "works\n"
    attacker.end()
    # A workspace with a full home still opens, so that its owner can clean up.
    again = house.open(attacker.place.user_id, SMALL)
    assert again.run("rm -f ~/fill*; echo room > ~/room; cat ~/room").output == "room\n"
    again.end()


def test_one_file_is_not_as_large_as_it_likes(attacker: Inside) -> None:
    assert attacker.run("truncate -s 65M ~/large").code != 0
    assert attacker.run("head -c 65M /dev/zero > ~/large").code != 0
    attacker.run("rm -f ~/large")


def test_many_small_files_fill_nothing_of_the_machines(attacker: Inside, house: House) -> None:
    if not attacker.place.image.exists():
        pytest.skip("homes are folders here: their size is measured, their number is not")
    inodes = os.statvfs(house.settings.data).f_ffree
    told = attacker.python(
        "import os\nos.makedirs(os.path.expanduser('~/many'), exist_ok=True)\n"
        "try:\n    for n in range(200000):\n        os.close(os.open(os.path.expanduser(f'~/many/{n}'), os.O_CREAT))\n"
        "except OSError as fault:\n    print('full', fault.errno)\n",
        timeout=120,
    )
    assert "full 28" in told.output
    assert inodes - os.statvfs(house.settings.data).f_ffree < 1000
    attacker.run("rm -rf ~/many")


def test_what_a_home_takes_is_measured_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(b"x" * 4 * MIB)
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path / "elsewhere")
    (home / "loop").symlink_to(home)
    (home / "file").write_bytes(b"x" * MIB)
    os.link(home / "file", home / "same")
    assert MIB <= homes.used(home, 4 * MIB) < 2 * MIB
