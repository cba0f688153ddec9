"""The portal's application over a database of its own, and browsers that are signed in to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.webapp.postgres import execute, fresh, named, server
from webapp.accounts import services, signin
from webapp.accounts.models import BrowserSession, Role, User
from webapp.app import create_app
from webapp.database import Database, migrate, upgrade
from webapp.settings import PREFIX, Settings, from_environment


@dataclass(frozen=True)
class Browser:
    """One browser, signed in as `user` (None: nobody). Paths are below the portal's prefix."""

    client: FlaskClient
    user: User | None
    csrf: str

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        """Ask for a page."""
        return self.client.get(PREFIX + path, **kwargs)

    def post(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """Send a form with its token; `csrf_token` in data overrides it."""
        return self.client.post(PREFIX + path, data={"csrf_token": self.csrf, **(data or {})}, **kwargs)


# On which databases this run proves the portal: "sqlite,postgres" for both. The database's own suite always does both.
BACKENDS = os.environ.get("SEATRIAL_TEST_DATABASES", "sqlite").split(",")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database: sqlite or postgres."""
    return str(request.param)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that this process has for itself, with the tables in its database `template`."""
    with server() as url:
        execute(url, "CREATE DATABASE template")
        database = Database(named(url, "template"))
        migrate(database, "head")
        database.close()
        yield url


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, the test's own; SQLite's file is not there yet."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'portal' / 'portal.db'}"
        return
    with fresh(request.getfixturevalue("postgres"), "template0") as url:
        yield url


@pytest.fixture
def settings(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A portal that keeps everything in the test's folder, or in a database of the test's own."""
    environment = {"SEATRIAL_DATA": str(tmp_path / "portal"), "SEATRIAL_CLUSTERS": "4", "SEATRIAL_PROVIDER": "kwok"}
    if backend == "sqlite":
        yield from_environment(environment)
        return
    with fresh(request.getfixturevalue("postgres"), "template") as url:
        yield from_environment({**environment, "SEATRIAL_DATABASE_URL": url})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The portal's database with this version's tables."""
    upgrade(settings)
    found = Database(settings.database_url)
    yield found
    found.close()


@pytest.fixture
def app(settings: Settings, database: Database) -> Iterator[Flask]:
    """The portal's application."""
    made = create_app(settings)
    made.testing = True
    made.config["PROPAGATE_EXCEPTIONS"] = False
    yield made
    made.extensions["seatrial.database"].close()


@pytest.fixture
def add_user(database: Database) -> Callable[..., User]:
    """Add a user without a password: add_user("ada", Role.INSTRUCTOR, "Ada L.")."""

    def add(name: str, role: Role = Role.STUDENT, display_name: str = "") -> User:
        with database.transaction() as db:
            return services.by_name(db, name) or services.add_user(db, name, None, role, display_name)

    return add


@pytest.fixture
def sign_in(app: Flask, database: Database, add_user: Callable[..., User]) -> Callable[..., Browser]:
    """A browser signed in as a user, added where there is none: sign_in("ada", Role.INSTRUCTOR)."""

    def enter(name: str, role: Role = Role.STUDENT, display_name: str = "") -> Browser:
        user = add_user(name, role, display_name)
        client = app.test_client()
        with database.transaction() as db:
            token = signin.begin(db, user)
            row = db.get(BrowserSession, signin.digest(token))
            assert row is not None
            csrf = row.csrf
        client.set_cookie(signin.COOKIE, token, path=f"{PREFIX}/")
        return Browser(client, user, csrf)

    return enter


@pytest.fixture
def student(sign_in: Callable[..., Browser]) -> Browser:
    """A student's browser."""
    return sign_in("sam", Role.STUDENT, "Sam Student")


@pytest.fixture
def instructor(sign_in: Callable[..., Browser]) -> Browser:
    """An instructor's browser."""
    return sign_in("ida", Role.INSTRUCTOR, "Ida Instructor")


@pytest.fixture
def stranger(app: Flask) -> Browser:
    """A browser that nobody signed in."""
    return Browser(app.test_client(), None, "")
