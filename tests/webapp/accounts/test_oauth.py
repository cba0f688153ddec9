"""Coming in through the Hub: only the browser that left comes back, as whom the Hub says, to a page of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.fakes.hub import FakeHub
from tests.webapp.conftest import Browser
from webapp.accounts import services
from webapp.accounts.hub import CALLBACK, inside
from webapp.accounts.models import AuditEntry, BrowserSession, Role, User
from webapp.accounts.signin import COOKIE, digest
from webapp.app import create_app
from webapp.database import Database
from webapp.settings import PREFIX, Settings


def leave(client: FlaskClient, page: str = f"{PREFIX}/labs/services") -> dict[str, str]:
    """Begin to sign in, in a browser that is not yet; gives what the Hub is asked."""
    client.delete_cookie(COOKIE, path=f"{PREFIX}/")
    answer = client.get(f"{PREFIX}/sign-in", query_string={"next": page})
    assert answer.status_code == 302
    split = urlsplit(answer.headers["Location"])
    assert (split.netloc, split.path) == ("", "/hub/api/oauth2/authorize")
    return {key: value[0] for key, value in parse_qs(split.query).items()}


def signed(hub: FakeHub, asked: dict[str, str], name: str) -> dict[str, str]:
    """The Hub signs somebody in; gives what it sends the browser back with."""
    code = f"code-{len(hub.codes)}-{name}"
    hub.codes[code] = (name, asked["code_challenge"])
    return {"code": code, "state": asked["state"]}


def come_back(client: FlaskClient, answer: dict[str, str]) -> TestResponse:
    return client.get(CALLBACK, query_string=answer)


def test_sign_in_leads_back_to_the_page(
    app: Flask, hub: FakeHub, add_user: Callable[..., User], database: Database
) -> None:
    ada = add_user("ada", Role.INSTRUCTOR)
    client = app.test_client()
    asked = leave(client)
    assert asked["client_id"] == "service-portal" and asked["code_challenge_method"] == "S256"
    answer = come_back(client, signed(hub, asked, "ada"))
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PREFIX}/labs/services")
    cookie = client.get_cookie(COOKIE, path=f"{PREFIX}/")
    assert cookie is not None and cookie.http_only and cookie.same_site == "Lax" and cookie.path == f"{PREFIX}/"
    with database.reading() as db:
        row = db.get(BrowserSession, digest(cookie.value))
        assert row is not None and row.user_id == ada.id
        assert cookie.value not in {row.token_digest, row.csrf}
        assert [entry.action for entry in db.scalars(select(AuditEntry))][-1] == "signed in"
    # The token's secret is in nothing that the address shows.
    assert cookie.value not in answer.text and cookie.value not in answer.headers["Location"]


def test_the_cookie_is_for_https_alone_where_the_browser_came_by_it(
    app: Flask, hub: FakeHub, add_user: Callable[..., User]
) -> None:
    add_user("ada")
    client = app.test_client()
    answer = come_back(client, signed(hub, leave(client), "ada"))
    assert "Secure" not in answer.headers.getlist("Set-Cookie")[-1]
    https = {"X-Forwarded-Proto": "https"}
    asked = leave(client)
    answer = client.get(CALLBACK, query_string=signed(hub, asked, "ada"), headers=https)
    assert all("Secure" in one or "Max-Age=0" in one for one in answer.headers.getlist("Set-Cookie"))


def test_two_tabs_sign_in_at_once(app: Flask, hub: FakeHub, add_user: Callable[..., User]) -> None:
    add_user("ada")
    client = app.test_client()
    first, second = leave(client, f"{PREFIX}/results"), leave(client, f"{PREFIX}/class")
    assert come_back(client, signed(hub, first, "ada")).headers["Location"] == f"{PREFIX}/results"
    assert come_back(client, signed(hub, second, "ada")).headers["Location"] == f"{PREFIX}/class"


def test_another_browser_cannot_come_back_in_its_place(app: Flask, hub: FakeHub, add_user: Callable[..., User]) -> None:
    """The forged sign-in: an attacker's code handed to somebody else's browser would sign it in as the attacker."""
    add_user("mallory")
    answer = signed(hub, leave(app.test_client()), "mallory")
    victim = app.test_client()
    leave(victim)
    refused = come_back(victim, answer)
    assert refused.status_code == 403 and "was not begun in this browser" in refused.text
    assert victim.get_cookie(COOKIE, path=f"{PREFIX}/") is None


def test_a_code_works_once(app: Flask, hub: FakeHub, add_user: Callable[..., User]) -> None:
    add_user("ada")
    client = app.test_client()
    asked = leave(client)
    answer = signed(hub, asked, "ada")
    come_back(client, answer)
    assert come_back(client, answer).status_code == 403


@pytest.mark.parametrize(
    "answer",
    [{}, {"code": "x"}, {"state": "x"}, {"code": "x", "state": "y"}, {"error": "access_denied"}, {"state": "é"}],
)
def test_nonsense_from_the_address_bar_is_refused(app: Flask, answer: dict[str, str]) -> None:
    client = app.test_client()
    leave(client)
    assert come_back(client, answer).status_code == 403


def test_an_answer_with_a_nul_in_it_is_no_page(app: Flask) -> None:
    client = app.test_client()
    leave(client)
    assert come_back(client, {"code": "x", "state": "\x00"}).status_code == 404


def test_a_code_that_the_hub_does_not_know_is_refused(app: Flask, hub: FakeHub) -> None:
    client = app.test_client()
    asked = leave(client)
    refused = come_back(client, {"code": "made-up", "state": asked["state"]})
    assert refused.status_code == 403 and "does not know this sign-in" in refused.text


def test_a_hub_that_fails_is_told(app: Flask, hub: FakeHub) -> None:
    client = app.test_client()
    asked = leave(client)
    hub.broken = True
    told = come_back(client, signed(hub, asked, "ada"))
    assert told.status_code == 503 and "wait a few seconds" in told.text


def test_a_service_of_the_hub_is_no_user(app: Flask, hub: FakeHub, add_user: Callable[..., User]) -> None:
    add_user("ada")
    hub.kind = "service"
    client = app.test_client()
    assert come_back(client, signed(hub, leave(client), "ada")).status_code == 403


def test_who_is_disabled_or_unknown_is_refused(app: Flask, hub: FakeHub, database: Database) -> None:
    with database.transaction() as db:
        services.disable(db, services.add_user(db, "ada", None))
    client = app.test_client()
    for name in ("ada", "nobody"):
        refused = come_back(client, signed(hub, leave(client), name))
        assert refused.status_code == 403 and "ask your instructor" in refused.text
    with database.reading() as db:
        assert [user.name for user in services.users(db)] == ["ada"]


def test_who_signs_in_elsewhere_comes_to_be_a_student(settings: Settings, hub: FakeHub, database: Database) -> None:
    app = create_app(dataclasses.replace(settings, authenticator="github"))
    app.testing = True
    client = app.test_client()
    for _ in range(2):
        assert come_back(client, signed(hub, leave(client), "octo-cat")).status_code == 302
    refused = come_back(client, signed(hub, leave(client), "Octo Cat/../x"))
    app.extensions["seatrial.database"].close()
    assert refused.status_code == 403 and "is no name for a user" in refused.text
    with database.reading() as db:
        assert [(user.name, user.role, user.password_hash) for user in services.users(db)] == [
            ("octo-cat", Role.STUDENT, None)
        ]


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        f"{PREFIX}/../../hub/logout",
        f"{PREFIX}/\r\nSet-Cookie: x",
        f"{PREFIX}evil",
        "javascript:alert(1)",
        "",
        None,
    ],
)
def test_no_link_of_ours_leads_elsewhere(page: str | None) -> None:
    assert inside(page) == f"{PREFIX}/"


def test_who_is_signed_in_already_goes_on(student: Browser) -> None:
    answer = student.get("/sign-in", query_string={"next": f"{PREFIX}/results?lab=x"})
    assert answer.headers["Location"] == f"{PREFIX}/results?lab=x"


def test_signing_out_ends_this_browser_and_no_other(
    sign_in: Callable[..., Browser], database: Database, student: Browser
) -> None:
    other = sign_in("sam")
    answer = student.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hub/logout")
    assert student.client.get_cookie(COOKIE, path=f"{PREFIX}/") is None
    with database.reading() as db:
        assert [row.csrf for row in db.scalars(select(BrowserSession))] == [other.csrf]
