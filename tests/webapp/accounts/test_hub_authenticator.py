"""The Hub's sign-in: what it takes from the form, what it tells, and when it lets nobody stay."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select
from tornado.web import HTTPError

from webapp.accounts import limits, services
from webapp.accounts.hub_authenticator import PortalAuthenticator
from webapp.accounts.models import BrowserSession, Role, SignInAttempt
from webapp.accounts.signin import begin
from webapp.database import Database
from webapp.settings import Settings

T = TypeVar("T")
GOOD = "correct horse"


@dataclass
class Request:
    remote_ip: str = "192.0.2.7"


@dataclass
class Handler:
    request: Request


@dataclass
class HubUser:
    """As the Hub knows them: a name, and what the Authenticator keeps of the sign-in."""

    name: str
    state: dict[str, Any] | None

    async def get_auth_state(self) -> dict[str, Any] | None:
        return self.state


@pytest.fixture
def authenticator(database: Database) -> Iterator[PortalAuthenticator]:
    with database.transaction() as db:
        services.add_user(db, "ada", GOOD, Role.ADMIN)
    made = PortalAuthenticator(database)
    yield made
    made.sign_ins.shutdown()
    made.looks.shutdown()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def enter(authenticator: PortalAuthenticator, name: str = "ada", password: str = GOOD) -> Any:
    data = {"username": name, "password": password}
    return run(authenticator.get_authenticated_user(Handler(Request()), data))


def test_a_user_comes_in_and_is_never_the_hubs_administrator(authenticator: PortalAuthenticator) -> None:
    found = enter(authenticator, "Ada ")
    assert (found["name"], found["admin"]) == ("ada", False)
    assert GOOD not in str(found)


def test_a_wrong_password_does_not(authenticator: PortalAuthenticator, database: Database) -> None:
    assert enter(authenticator, password="wrong wrong") is None
    with database.reading() as db:
        assert db.scalars(select(SignInAttempt.address)).all() == ["192.0.2.7"]


@pytest.mark.parametrize("data", [{}, {"username": "ada"}, {"username": "", "password": "x"}])
def test_an_empty_form_says_what_is_missing(authenticator: PortalAuthenticator, data: dict[str, str]) -> None:
    with pytest.raises(HTTPError, match="Type your name and your password") as told:
        run(authenticator.authenticate(Handler(Request()), data))
    assert told.value.status_code == 400


def test_too_many_failures_are_told_on_the_form(authenticator: PortalAuthenticator) -> None:
    for _ in range(limits.SAME_NAME_AND_ADDRESS):
        assert enter(authenticator, password="wrong wrong") is None
    with pytest.raises(HTTPError, match="try again in 15 minutes") as told:
        enter(authenticator)
    assert told.value.status_code == 429


def test_a_database_that_is_gone_is_told(settings: Settings) -> None:
    authenticator = PortalAuthenticator(Database(f"sqlite:///{settings.data / 'nowhere.db'}"))
    with pytest.raises(HTTPError, match=r"You cannot be signed in just now: .* is gone") as told:
        enter(authenticator)
    assert told.value.status_code == 503
    # Who is in stays in: a database that is locked for a moment ends nobody's work.
    assert run(authenticator.refresh_user(HubUser("ada", {"stamp": "x"}))) is True
    authenticator.sign_ins.shutdown()
    authenticator.looks.shutdown()


def test_who_is_in_stays_in_until_the_password_changes(authenticator: PortalAuthenticator, database: Database) -> None:
    user = HubUser("ada", enter(authenticator)["auth_state"])
    assert run(authenticator.refresh_user(user)) is True
    with database.transaction() as db:
        found = services.by_name(db, "ada")
        assert found is not None
        services.set_password(db, found, "another one")
    assert run(authenticator.refresh_user(user)) is False
    assert (
        run(authenticator.refresh_user(HubUser("ada", enter(authenticator, "ada", "another one")["auth_state"])))
        is True
    )


def test_who_is_disabled_or_gone_does_not_stay(authenticator: PortalAuthenticator, database: Database) -> None:
    user = HubUser("ada", enter(authenticator)["auth_state"])
    with database.transaction() as db:
        found = services.by_name(db, "ada")
        assert found is not None
        services.disable(db, found)
    assert run(authenticator.refresh_user(user)) is False
    assert run(authenticator.refresh_user(HubUser("nobody", None))) is False


def test_what_is_kept_of_a_sign_in_is_needed(authenticator: PortalAuthenticator) -> None:
    assert run(authenticator.refresh_user(HubUser("ada", None))) is False


def test_signing_out_of_the_hub_signs_out_of_the_portal(authenticator: PortalAuthenticator, database: Database) -> None:
    with database.transaction() as db:
        found = services.by_name(db, "ada")
        assert found is not None
        begin(db, found)
    run(authenticator.sign_out("ada"))
    run(authenticator.sign_out("nobody"))
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0


def test_the_hub_is_asked_to_let_in_whom_we_let_in_and_nobody_for_long(authenticator: PortalAuthenticator) -> None:
    assert authenticator.allow_all and authenticator.enable_auth_state and authenticator.auth_refresh_strict
    assert authenticator.auth_refresh_age == 1
    assert next(path for path, _ in authenticator.get_handlers(None)) == "/logout"
