"""The ticket for one's own workspace: who gets it, for which paths, and where one is led with it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes.hub import FakeHub
from tests.webapp.conftest import Browser
from webapp.accounts import ticket
from webapp.accounts.models import Role, User
from webapp.settings import PREFIX, Settings

VIEW = f"{PREFIX}/workspace"


def arrive(client: FlaskClient, hub: FakeHub, name: str, **headers: str) -> list[str]:
    """Sign in through the Hub; the tickets that the browser is then told to keep or forget."""
    gone = client.get(f"{PREFIX}/sign-in", query_string={"next": f"{PREFIX}/"})
    asked = {key: value[0] for key, value in parse_qs(urlsplit(gone.headers["Location"]).query).items()}
    hub.codes["code-" + name] = (name, asked["code_challenge"])
    answer = client.get(
        f"{PREFIX}/oauth_callback", query_string={"code": "code-" + name, "state": asked["state"]}, headers=headers
    )
    assert answer.status_code == 302
    return [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(ticket.COOKIE)]


def test_signing_in_hands_it_out_for_ones_own_path(
    app: Flask, settings: Settings, hub: FakeHub, add_user: Callable[..., User]
) -> None:
    ada = add_user("ada")
    (cookie,) = arrive(app.test_client(), hub, "ada")
    assert cookie.startswith(f"{ticket.COOKIE}={ticket.make(settings.key(ticket.KEY), ada.id)};")
    for flag in ("; Path=/user/ada/", "; HttpOnly", "; SameSite=Lax"):
        assert flag in cookie
    assert "Secure" not in cookie
    (cookie,) = arrive(app.test_client(), hub, "ada", **{"X-Forwarded-Proto": "https"})
    assert "; Secure" in cookie


def test_a_name_is_written_in_several_ways(app: Flask, hub: FakeHub, add_user: Callable[..., User]) -> None:
    add_user("ada+b@example.edu")
    found = arrive(app.test_client(), hub, "ada+b@example.edu")
    assert sorted(one.partition("Path=")[2].partition(";")[0] for one in found) == [
        "/user/ada%2Bb%40example.edu/",
        "/user/ada%2Bb@example.edu/",
    ]


def test_signing_out_takes_it_away(sign_in: Callable[..., Browser]) -> None:
    answer = sign_in("ada").post("/logout")
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(ticket.COOKIE)]
    assert cookie.startswith(f"{ticket.COOKIE}=;") and "Max-Age=0" in cookie and "Path=/user/ada/" in cookie


@pytest.mark.parametrize(
    ("page", "there", "path"),
    [
        ("/user/ada/lab?a=1&b=%2F", "/user/ada/lab?a=1&b=%2F", "/user/ada/"),
        ("/user/%61da/files/%C3%A4%20b?next=//x", "/user/%61da/files/%C3%A4%20b?next=//x", "/user/%61da/"),
        ("/user/ada", "/user/ada/", "/user/ada/"),
        ("/user/ada?x", "/user/ada/?x", "/user/ada/"),
    ],
)
def test_ones_own_page_is_led_to_with_it(
    sign_in: Callable[..., Browser], settings: Settings, page: str, there: str, path: str
) -> None:
    browser = sign_in("ada")
    assert browser.user is not None
    answer = browser.get("/workspace", query_string={"next": page})
    assert (answer.status_code, answer.headers["Location"]) == (303, there)
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{ticket.COOKIE}={ticket.make(settings.key(ticket.KEY), browser.user.id)};")
    assert f"; Path={path};" in cookie or cookie.endswith(f"; Path={path}")


@pytest.mark.parametrize("who", [Role.STUDENT, Role.INSTRUCTOR, Role.ADMIN])
@pytest.mark.parametrize(
    "page", ["/user/eve/", "/user/eve", "/user/ADA/", "/user/ada2/lab", "/user/ada%2f/", "/user/ad/a"]
)
def test_nobody_is_let_in_at_anothers(sign_in: Callable[..., Browser], who: Role, page: str) -> None:
    answer = sign_in("ada", who).get("/workspace", query_string={"next": page})
    assert answer.status_code == 403
    assert "belongs to somebody else; only its owner can open it" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "page",
    [
        "", "/", "//evil.example/user/ada/", "https://evil.example/user/ada/", "/user/", "/user//ada/", "user/ada/",
        "/user/ada//evil.example", "/\\user/ada/", "/user/ada/\\evil", "/user/ada/%5cevil", "/user/ada/\r\nX: y",
        "/user/ada/ä", "/user/ada/../eve/", "/user/ada/%2e%2e/eve/", "/user/ada/..%2feve/", "/hub/logout",
        "/user/ada/\t", "/users/ada/", " /user/ada/",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere(sign_in: Callable[..., Browser], page: str) -> None:
    answer = sign_in("ada").get("/workspace", query_string={"next": page})
    assert answer.status_code == 400
    assert not {"Set-Cookie", "Location"} & set(answer.headers.keys())


def test_who_is_not_signed_in_goes_there_first(app: Flask) -> None:
    answer = app.test_client().get(VIEW, query_string={"next": "/user/ada/lab?x=1&y=%2F"})
    assert answer.status_code == 302
    first = urlsplit(answer.headers["Location"])
    assert first.path == f"{PREFIX}/sign-in"
    then = urlsplit(parse_qs(first.query)["next"][0])
    assert (then.path, parse_qs(then.query)) == (VIEW, {"next": ["/user/ada/lab?x=1&y=%2F"]})
    fetched = app.test_client().get(VIEW, query_string={"next": "/user/ada/"}, headers={"Sec-Fetch-Mode": "no-cors"})
    assert fetched.status_code == 401


def test_tickets_differ_by_user_and_by_secret() -> None:
    made = {ticket.make(secret, number) for secret in ("a" * 64, "b" * 64) for number in (1, 2, 11)}
    assert len(made) == 6
    one = ticket.make("a" * 64, 1)
    assert ticket.is_one(one, one.encode())
    for given in (b"", one[:-1].encode(), one.upper().encode() + b" ", b"\xff" * 64, (one + "0").encode()):
        assert not ticket.is_one(one, given)
