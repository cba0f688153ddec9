"""Every page and form against those who are not signed in, signed in as another, or not by their own will."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.webapp.attacks.conftest import SECRET, Victim, Workspace, routes
from tests.webapp.conftest import Browser
from webapp.accounts.models import AuditEntry
from webapp.database import Database
from webapp.grading.models import Grade, Submission
from webapp.sessions.models import HintTaken, LabSession
from webapp.settings import PREFIX

# What answers everybody: the styles and scripts, whether the portal is well, and the way in.
OPEN = ("/static/", "/healthz", "/sign-in", "/oauth_callback")


def state(database: Database) -> list[object]:
    """All that a form can change."""
    with database.reading() as db:
        sessions = [
            (s.id, s.desired, s.generation, s.hand_raised_at, s.living)
            for s in db.scalars(select(LabSession).order_by(LabSession.id)).unique()
        ]
        counts = [db.scalar(select(func.count()).select_from(t)) for t in (Submission, Grade, HintTaken, AuditEntry)]
        return [sessions, counts]


def test_no_page_is_for_who_is_not_signed_in(
    app: Flask, victim: Victim, stranger: Browser, workspace: Workspace
) -> None:
    checked = 0
    for method, address in routes(app, victim, changing=False):
        if address.startswith(OPEN):
            continue
        answer = stranger.client.open(PREFIX + address, method=method)
        assert answer.status_code in (302, 401), (method, address)
        if answer.status_code == 302:
            assert answer.location.startswith(f"{PREFIX}/sign-in?next=")
        assert "Vera" not in answer.text
        checked += 1
    assert checked > 20
    assert workspace.asked == []


def test_no_form_is_for_who_is_not_signed_in(
    app: Flask, database: Database, victim: Victim, stranger: Browser, workspace: Workspace
) -> None:
    before = state(database)
    for method, address in routes(app, victim, changing=True):
        answer = stranger.client.open(PREFIX + address, method=method, data={"csrf_token": victim.browser.csrf})
        assert answer.status_code == 401, (method, address)
    assert state(database) == before
    assert workspace.asked == []


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"csrf_token": ""},
        {"csrf_token": "x"},
        {"csrf_token": "é\u0000"},
        {"csrf_token": "{other}"},
        {"X-CSRF-Token": "{other}"},
        {"X-CSRF-Token": ""},
        {"query": "{own}"},
        {"cookie": "{own}"},
        {"json": "{own}"},
    ],
)
def test_no_form_is_taken_without_its_own_token(  # noqa: PLR0917 - fixtures
    app: Flask,
    database: Database,
    victim: Victim,
    sign_in: Callable[..., Browser],
    workspace: Workspace,
    forged: dict[str, str],
) -> None:
    """A page elsewhere can make Vera's browser send a form with her cookie. It does not know her token."""
    other = sign_in("mallory")
    filled = {k: v.format(other=other.csrf, own=victim.browser.csrf) for k, v in forged.items()}
    before = state(database)
    client = victim.browser.client
    if "cookie" in filled:
        client.set_cookie("csrf_token", filled["cookie"], path="/")
    headers = {"Origin": "http://evil.example", "Referer": "http://evil.example/"}
    if "X-CSRF-Token" in filled:
        headers["X-CSRF-Token"] = filled["X-CSRF-Token"]
    for method, address in routes(app, victim, changing=True):
        path = PREFIX + address + (f"?csrf_token={filled['query']}" if "query" in filled else "")
        if "json" in filled:
            answer = client.open(path, method=method, json={"csrf_token": filled["json"]}, headers=headers)
        else:
            form = {k: v for k, v in filled.items() if k == "csrf_token"}
            answer = client.open(path, method=method, data=form, headers=headers)
        assert answer.status_code == 403, (method, address)
    assert state(database) == before
    assert workspace.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "http://localhost/user/mallory/lab"},
        {"Referer": "http://localhost/user/mallory/files/evil.html", "Sec-Fetch-Site": "same-origin"},
        {"Referer": "http://localhost/hub/home"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_a_workspace_presses_no_button_even_with_the_token(
    app: Flask, database: Database, victim: Victim, workspace: Workspace, headers: dict[str, str]
) -> None:
    """It is of the same origin, so that it could read the token."""
    before = state(database)
    for method, address in routes(app, victim, changing=True):
        answer = victim.browser.client.open(
            PREFIX + address, method=method, headers={"X-CSRF-Token": victim.browser.csrf, **headers}
        )
        assert answer.status_code == 403, (method, address)
        assert "not sent from a page of the portal" in answer.text
    assert state(database) == before
    assert workspace.asked == []


@pytest.mark.parametrize("referer", ["", "http://localhost/services/portal/labs/services", "http://[", "/users/"])
def test_our_own_pages_buttons_work(victim: Victim, database: Database, referer: str) -> None:
    before = state(database)
    answer = victim.browser.client.post(
        f"{PREFIX}/labs/services/hand",
        headers={"X-CSRF-Token": victim.browser.csrf, "Referer": referer, "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 303
    assert state(database) != before


def test_a_token_of_another_sign_in_of_the_same_user_is_none(victim: Victim, sign_in: Callable[..., Browser]) -> None:
    elsewhere = sign_in("vera")
    assert elsewhere.csrf != victim.browser.csrf
    assert victim.browser.post("/labs/services/hand", {"csrf_token": elsewhere.csrf}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("override", ["header", "field", "query"])
def test_a_safe_method_stays_safe_whatever_else_it_says(  # noqa: PLR0917 - fixtures
    app: Flask, database: Database, victim: Victim, workspace: Workspace, method: str, override: str
) -> None:
    before = state(database)
    names = ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method")
    headers = dict.fromkeys(names, "POST") if override == "header" else {}
    for _, address in routes(app, victim, changing=True):
        path = PREFIX + address + ("?_method=POST&method=POST" if override == "query" else "")
        data = {"_method": "POST", "csrf_token": victim.browser.csrf} if override == "field" else None
        answer = victim.browser.client.open(path, method=method, headers=headers, data=data)
        assert answer.status_code in (200, 403, 404, 405), (method, path)
    assert state(database) == before
    assert not [call for call in workspace.asked if call[1] != "GET"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "PUT", "PATCH", "get", "FOO\x7f"])
def test_a_method_that_nobody_serves(app: Flask, victim: Victim, method: str) -> None:
    for address in ("/", "/class", "/labs/services/start", "/results"):
        answer = victim.browser.client.open(
            PREFIX + address, method=method, headers={"X-CSRF-Token": victim.browser.csrf}
        )
        # werkzeug's client sends a method's name in capitals.
        assert answer.status_code in ((200, 403, 405) if method == "get" else (405,)), (method, address)


def test_head_and_options_tell_no_more_than_get(app: Flask, victim: Victim, student: Browser) -> None:
    for path in (
        f"/results/{victim.submission}",
        f"/results/{victim.submission}/evidence",
        "/class",
        "/class/scores.csv",
    ):
        got = student.get(path)
        head = student.client.head(PREFIX + path)
        assert got.status_code == head.status_code
        assert got.status_code in (403, 404)
        assert head.data == b""
        asked = student.client.options(PREFIX + path)
        assert asked.data == b""
        assert "Content-Disposition" not in asked.headers


def test_another_students_things_are_not_there(victim: Victim, student: Browser) -> None:
    for path in (f"/results/{victim.submission}", f"/results/{victim.submission}/evidence"):
        mine, nobody = student.get(path), student.get(path.replace(victim.submission, "0" * 32))
        assert mine.status_code == nobody.status_code == 404
        assert mine.data == nobody.data, "whether there is such a submission is not told either"
    assert student.get("/labs/services/events?user=vera").status_code == 403
    assert student.get("/labs/services/events?user=nobody").status_code == 403
    assert "Vera" not in student.get("/results").text
    assert SECRET not in victim.browser.get(f"/results/{victim.submission}").text


def test_what_one_presses_concerns_ones_own_session(
    database: Database, victim: Victim, student: Browser, workspace: Workspace
) -> None:
    """The address names a lab, never a session: there is nothing to put another one's id into."""
    before = state(database)
    for action in ("reset", "stop", "submit", "hand", "hints/mend"):
        fields = {"user": "vera", "user_id": victim.user.id, "session": victim.session, "session_id": victim.session}
        answer = student.post(f"/labs/services/{action}?user=vera&session={victim.session}", fields)
        assert answer.status_code == 409, action
    for method in ("GET", "POST"):
        answer = student.client.open(
            f"{PREFIX}/labs/services/terminals?user=vera", method=method, headers={"X-CSRF-Token": student.csrf}
        )
        assert answer.status_code == 409
    gone = student.client.delete(
        f"{PREFIX}/labs/services/terminals/services_abcdef", headers={"X-CSRF-Token": student.csrf}
    )
    assert gone.status_code == 409
    assert state(database) == before
    assert workspace.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../../users/vera",
        "..%2f..%2f..%2fusers%2fvera",
        "%2e%2e%2f%2e%2e",
        "a?x=1",
        "a%3fx",
        "a%23",
        "a%00",
        "a b",
        "é",
    ],
)
def test_a_terminals_name_leads_nowhere_else(victim: Victim, workspace: Workspace, name: str) -> None:
    victim.browser.client.delete(
        f"{PREFIX}/labs/services/terminals/{name}", headers={"X-CSRF-Token": victim.browser.csrf}
    )
    for owner, method, path in workspace.asked:
        assert owner == "vera"
        assert (method, path) == ("DELETE", "api/terminals/a"), "only what was meant as a query is cut off"
