"""What keeps workspaces in is settled when the portal comes up, whatever comes to be on the machine meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.engine import FakeEngine
from webapp.platform.supervision import handed_on
from webapp.settings import Settings, from_environment
from webapp.workspaces import bare, keeping, places, processes, programs
from webapp.workspaces.containers import image
from webapp.workspaces.containers.spawner import ContainerSpawner


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """One that answers, and has no image for workspaces yet."""
    made = FakeEngine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path / "data"), "SEATRIAL_PROVIDER": "kind"})


def test_an_image_that_is_built_while_the_portal_runs_is_for_its_next_start(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "sandbox_fault", lambda: "none here")
    given = handed_on(settings, os.environ)
    engine.has(image.reference())
    assert keeping.spawner(settings) == keeping.CONTAINER, "as the next `up` finds it"
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert keeping.spawner(settings) == keeping.SANDBOX
    assert bare.needed(settings)
    assert bare.notice(settings) is not None


def test_an_engine_that_is_away_while_the_hub_starts_again_changes_nothing(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.has(image.reference())
    for name, value in handed_on(settings, os.environ).items():
        monkeypatch.setenv(name, value)
    engine.gone()
    assert keeping.spawner(settings) == keeping.CONTAINER
    assert keeping.fault(replace(settings, host="0.0.0.0")) is None


def test_a_workspace_that_is_no_container_asks_for_no_image(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody has settled anything: the Hub's spawner is what it is."""
    monkeypatch.setattr(programs, "sandbox_fault", lambda: "none here")
    engine.has(image.reference())
    assert bare.needed(settings)


def test_a_sandbox_that_the_spawner_of_containers_finds_is_ended(settings: Settings) -> None:
    place = places.of(settings.workspaces, 7)
    place.make()
    sandbox = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        known = processes.named(sandbox.pid)
        assert known is not None
        place.state.write_text(json.dumps(known.document()))
        user = SimpleNamespace(name="7", id=7, settings={})
        spawner: Any = ContainerSpawner(user=user, settings=settings, numbers=int)
        spawner.load_state({"pid": known.pid, "process": known.document(), "user_id": 7})
        assert asyncio.run(spawner.poll()) is None
        asyncio.run(spawner.stop())
        assert sandbox.poll() == -signal.SIGKILL
        assert not place.state.exists()
        assert asyncio.run(spawner.poll()) == 0
    finally:
        sandbox.kill()
        sandbox.wait()
