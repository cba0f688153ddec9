"""A portal whose clusters are files and whose reconciler waits for the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.sessions import LAMP, World, lab_of
from webapp.accounts import services as accounts
from webapp.accounts.models import User
from webapp.database import Database
from webapp.sessions import labs
from webapp.settings import Settings


@pytest.fixture
def lamps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every lab is the lamp, and clusters lie in the test's folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(labs, "folder", lambda _: LAMP)
    monkeypatch.setattr(labs, "load", lab_of)


@pytest.fixture(autouse=True)
def _lamps_but_on_a_real_cluster(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("cluster") is None:
        request.getfixturevalue("lamps")


@pytest.fixture
def world(settings: Settings, database: Database) -> Iterator[World]:
    """A pool of two, and room for four clusters."""
    made = World(replace(settings, pool=2, clusters=4, idle_minutes=100_000))
    yield made
    made.database.close()


@pytest.fixture
def user(world: World) -> Callable[[str], User]:
    """A user by name."""

    def found(name: str) -> User:
        with Database.transaction(world.database) as db:
            return accounts.by_name(db, name) or accounts.add_user(db, name, None)

    return found
