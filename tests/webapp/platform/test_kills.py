"""Each process may be killed at any moment, and comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.webapp.platform.conftest import Portal, until
from webapp.platform.programs import PROGRAMS

pytestmark = pytest.mark.portal


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_process_comes_back(running: Portal, name: str) -> None:
    until("all is well", lambda: running.status()["healthy"])
    before = running.process(name)
    os.kill(before["pid"], signal.SIGKILL)

    def back() -> bool:
        now = running.process(name)
        return bool(now["state"] == "running" and now["pid"] != before["pid"] and running.answers())

    until(f"{name} is back", back)
    assert running.process(name)["restarts"] >= 1


def test_a_killed_worker_comes_back(running: Portal) -> None:
    master = running.process("portal")["pid"]
    (worker,) = _children(master)
    os.kill(worker, signal.SIGKILL)
    until("another worker answers", lambda: worker not in _children(master) and running.answers())


def test_a_killed_gunicorn_takes_its_worker_along(running: Portal) -> None:
    until("the portal answers", running.answers)
    master = running.process("portal")["pid"]
    workers = _children(master)
    os.kill(master, signal.SIGKILL)
    until("no worker is left", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_process_that_goes_in_circles_is_told(running: Portal) -> None:
    for _ in range(3):
        until("it runs", lambda: running.process("relay")["pid"])
        pid = running.process("relay")["pid"]
        os.kill(pid, signal.SIGKILL)
        until("it was noticed", lambda pid=pid: running.process("relay")["pid"] != pid)
    told = running.process("relay")["fault"]
    assert told is not None
    assert told.startswith("relay has ended ")
    assert "times in five minutes" in told


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
