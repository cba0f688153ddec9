"""Hostile texts, paths, sizes, headers, addresses and cookies, and what every answer carries."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.webapp.attacks.conftest import REPORT, SECRET, Victim, Workspace, routes
from tests.webapp.attacks.markup import HOSTILE, dangers
from tests.webapp.conftest import Browser
from webapp.accounts import hub, signin
from webapp.accounts.models import BrowserSession, Role, User
from webapp.database import Database
from webapp.database.base import now
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import LabSession, Observed
from webapp.settings import PREFIX

LAB = """\
title: {title}
summary: {text}
minutes: 5
level: beginner
concepts: [{text}]
namespace: shop
tasks:
- id: one
  title: {text}
  points: 1
  hint: {text}
  checks:
  - match: {{apiVersion: v1, kind: Service, metadata: {{name: web}}}}
    message: {text}
"""
README = """\
# {title}

{text}

## {text}

```sh
kubectl get {text}
```

[x](javascript:evil()) <{text}>

| {text} |
|---|
"""


@pytest.fixture
def hostile_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only lab there is: its author writes scripts wherever text goes."""
    folder = tmp_path / "labs" / "01-services"
    folder.mkdir(parents=True)
    (folder / "lab.yaml").write_text(LAB.format(text=json.dumps(HOSTILE), title=json.dumps(HOSTILE)))
    (folder / "README.md").write_text(README.format(text=HOSTILE, title=HOSTILE))
    monkeypatch.chdir(tmp_path)
    return "services"


def hostile_report() -> dict[str, Any]:
    task = {**REPORT["tasks"][0], "title": HOSTILE, "id": HOSTILE}
    check = {"kind": HOSTILE, "outcome": "failed", "message": HOSTILE, "why": HOSTILE, "hidden": False}
    return {**REPORT, "tasks": [{**task, "checks": [check]}]}


def test_no_text_of_a_student_or_an_author_becomes_markup(
    app: Flask, database: Database, sign_in: Callable[..., Browser], workspace: Workspace, hostile_lab: str
) -> None:
    author = sign_in("mallory", display_name=HOSTILE)
    assert author.user is not None
    with database.transaction() as db:
        common = {"user_id": author.user.id, "lab": hostile_lab}
        session = LabSession(
            **common, observed=Observed.FAILED, fault=HOSTILE, hand_raised_at=now(), observed_generation=1
        )
        graded = [Grade(lab_digest=HOSTILE[:80], score=s, points=4.0, report=hostile_report()) for s in (1.0, 0.0)]
        done = Submission(**common, state=SubmissionState.GRADED, fault=HOSTILE, grades=graded)
        failed = Submission(**common, state=SubmissionState.FAILED, fault=HOSTILE)
        gone = Submission(user_id=author.user.id, lab=HOSTILE[:80], state=SubmissionState.FAILED, fault=HOSTILE)
        db.add_all([session, done, failed, gone])
        db.flush()
        ids = [done.id, failed.id, gone.id]
    teacher = sign_in("ida", Role.INSTRUCTOR)
    own = ["/", f"/labs/{hostile_lab}", "/results", *(f"/results/{id}" for id in ids)]
    taught = [
        "/class",
        "/class/table",
        f"/class/{author.user.id}/{hostile_lab}",
        f"/class/{author.user.id}/{hostile_lab}/now",
    ]
    taught += [f"/class/regrade/{hostile_lab}", *(f"/class/submissions/{id}" for id in ids)]
    for browser, paths in ((author, own), (teacher, [*taught, *own[3:]])):
        for path in paths:
            page = browser.get(path)
            assert page.status_code == 200, path
            assert "evil" in page.text, f"{path} shows none of it, so it proves nothing"
            assert dangers(page.text) == [], path


@pytest.mark.parametrize("path", ["/{h}", "/labs/{h}", "/results/{h}", "/class/1/{h}", "/class/{h}/x", "/sign-in/{h}"])
@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_a_fault_repeats_nothing_as_markup(instructor: Browser, path: str, accept: str) -> None:
    for headers in ({"Accept": accept}, {"Accept": accept, "HX-Request": "true"}):
        answer = instructor.get(path.format(h=quote(HOSTILE, safe="")), headers=headers)
        assert answer.status_code == 404
        assert answer.mimetype in ("text/html", "application/json")
        assert answer.mimetype == "application/json" or dangers(answer.text) == []


PATHS = [
    "/labs/..%2f..%2f..%2fetc%2fpasswd",
    "/labs/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/labs/....//....//etc/passwd",
    "/labs/..%5c..%5cwindows",
    "/labs/services%00.html",
    "/labs/%00",
    "/labs/09-services",
    "/labs/services%2f..%2fservices",
    "/labs/SERVICES",
    "/labs/" + "a" * 5000,
    "/labs/%ff%fe",
    "/labs/%f0%9f%9a%a2",
    "/labs/lab.schema.json",
    "/labs/services/events?user=%00",
    "/labs/%00/events",
    "/labs/services%00/events",
    "/results/..%2f..%2fportal.db",
    "/results/%00",
    "/results/%00/evidence",
    "/results/' OR '1'='1",
    "/static/..%2f..%2fsettings.py",
    "/static/../../settings.py",
    "/static/%2e%2e/%2e%2e/settings.py",
    "/static//etc/passwd",
    "/static/..%00/x",
    "/static/vendor/",
    "/static/",
    "/class/0/services",
    "/class/-1/services",
    "/class/99999999999999999999999/services",
    "/class/1e3/services",
    "/class/submissions/%00",
    "/class/1/%00",
    "/class/regrade/%00",
    "/class/regrade/..%2f09-services",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_nowhere_but_to_a_page(instructor: Browser, path: str) -> None:
    answer = instructor.get(path)
    assert answer.status_code in (308, 404), path
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text
    assert "SEATRIAL_" not in answer.text


@pytest.mark.parametrize(
    "path", ["/labs/%00/start", "/labs/..%2fservices/start", "/labs/no-such-lab/start", "/labs/{h}/start"]
)
def test_a_lab_that_is_none_is_not_started(database: Database, student: Browser, path: str) -> None:
    assert student.post(path.format(h=quote(HOSTILE, safe=""))).status_code == 404
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(LabSession)) == 0


@pytest.mark.parametrize(
    "query", ["before=1-1", "before=%00", "before=-", "before=9999999999999999999999-1", "before=" + "1" * 9000]
)
def test_a_place_in_a_timeline_is_only_a_place(instructor: Browser, victim: Victim, query: str) -> None:
    expected = 404 if "%00" in query else 200
    assert instructor.get(f"/class/{victim.user.id}/services?{query}").status_code == expected


def test_a_megabyte_in_a_form_is_refused_and_nothing_is_changed(
    app: Flask, database: Database, victim: Victim, workspace: Workspace
) -> None:
    big = "x" * 2**20
    for method, address in routes(app, victim, changing=True):
        if method != "POST":
            continue
        answer = victim.browser.post(address, {"note": big})
        assert answer.status_code == 413, address
        assert "too large" in answer.text
        answer = victim.browser.client.post(PREFIX + address, data=big, content_type="text/plain")
        assert answer.status_code == 413, address
    many = {f"f{i}": "x" for i in range(1500)}
    assert victim.browser.post("/labs/services/stop", many, content_type="multipart/form-data").status_code == 413
    assert workspace.asked == []
    with database.reading() as db:
        row = db.get(LabSession, victim.session)
        assert row is not None
        assert row.desired.value == "running"


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/\u00e9"]
)
def test_a_body_of_any_kind_is_no_fault_of_ours(victim: Victim, kind: str) -> None:
    for body in (b"", b"\xff\xfe\x00", b'{"csrf_token":', b"--\r\n\r\n", b"csrf_token=%ff%00&csrf_token=b"):
        answer = victim.browser.client.post(f"{PREFIX}/labs/services/hand", data=body, content_type=kind)
        assert answer.status_code in (400, 403), (kind, body)


def policy(text: str) -> dict[str, str]:
    return {name: rest for name, _, rest in (rule.strip().partition(" ") for rule in text.split(";"))}


@pytest.mark.parametrize(
    "path",
    ["/", "/labs/services", "/results", "/class", "/class/scores.csv", "/nothing", "/static/portal.css", "/healthz"],
)
def test_every_answer_carries_its_headers(instructor: Browser, stranger: Browser, path: str) -> None:
    for browser in (instructor, stranger):
        answer = browser.get(path, buffered=True)
        answer.close()
        rules = policy(answer.headers["Content-Security-Policy"])
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self'"
        assert "unsafe-inline" not in rules.get("style-src", "")
        assert rules["frame-ancestors"] == "'none'"
        assert rules["base-uri"] == "'none'"
        assert rules["form-action"] == "'self'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        if not path.startswith("/static/"):
            assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "host", ["evil.example; script-src *", 'x"><script>evil()</script>', "evil.example", "a b", "%0d%0aX: y"]
)
def test_a_host_that_the_browser_made_up(student: Browser, host: str) -> None:
    answer = student.client.get(f"{PREFIX}/labs/services", headers={"Host": host, "X-Forwarded-Host": host})
    assert answer.status_code in (200, 302, 400)
    rules = policy(answer.headers.get("Content-Security-Policy", "script-src 'self'"))
    assert rules["script-src"] == "'self'"
    assert dangers(answer.text) == []
    moved = student.post("/labs/services/start", headers={"Host": host, "X-Forwarded-Host": host})
    assert moved.status_code == 400 or not urlsplit(moved.location).netloc


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "///evil.example",
    "javascript:alert(1)",
    "/services/portal/../../evil",
    "/services/portal/..;/evil",
    "/services/portal/\r\nSet-Cookie: a=b",
    "/services/portal/\t//evil.example",
    "/services/portalevil",
    "/services/portal@evil.example/",
    "/services/portal\\@evil.example",
    "https:evil.example",
    "http:/services/portal/",
    " /services/portal/",
    "/hub/logout",
    "",
]


@pytest.mark.parametrize("there", ELSEWHERE)
def test_signing_in_leads_to_our_own_pages_only(student: Browser, stranger: Browser, there: str) -> None:
    answer = student.client.get(f"{PREFIX}/sign-in", query_string={"next": there})
    assert answer.status_code == 302
    led = urlsplit(urljoin("http://portal.example:8000/services/portal/sign-in", answer.location))
    assert (led.scheme, led.netloc) == ("http", "portal.example:8000")
    assert led.path.startswith(f"{PREFIX}/")
    assert "Set-Cookie" not in answer.headers
    away = stranger.client.get(f"{PREFIX}/sign-in", query_string={"next": there})
    assert away.status_code == 302
    assert away.location.startswith("/hub/api/oauth2/authorize?")
    assert "evil" not in away.location


def test_a_callback_that_this_browser_did_not_ask_for_signs_nobody_in(
    app: Flask, database: Database, stranger: Browser, monkeypatch: pytest.MonkeyPatch, add_user: Callable[..., User]
) -> None:
    """Else somebody could sign a student in as themselves, and read what the student then hands in."""
    add_user("mallory")
    monkeypatch.setattr(hub, "_who", lambda code, verifier: "mallory")
    mallory = app.test_client()
    begun = mallory.get(f"{PREFIX}/sign-in")
    state = dict(part.split("=", 1) for part in urlsplit(begun.location).query.split("&"))["state"]
    for query in ({}, {"code": "c"}, {"code": "c", "state": ""}, {"code": "c", "state": state}, {"error": HOSTILE}):
        answer = stranger.client.get(f"{PREFIX}/oauth_callback", query_string=query)
        assert answer.status_code == 403
        assert signin.COOKIE not in answer.headers.get("Set-Cookie", "")
        assert dangers(answer.text) == []
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0
    arrived = mallory.get(f"{PREFIX}/oauth_callback", query_string={"code": "c", "state": state})
    assert arrived.status_code == 302
    again = mallory.get(f"{PREFIX}/oauth_callback", query_string={"code": "c", "state": state})
    assert again.status_code == 403, "a state is used once"


def test_a_session_that_somebody_planted_is_not_taken_over(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch, add_user: Callable[..., User], victim: Victim
) -> None:
    add_user("ann")
    monkeypatch.setattr(hub, "_who", lambda code, verifier: "ann")
    browser = app.test_client()
    browser.set_cookie(signin.COOKIE, "planted", path=f"{PREFIX}/")
    state = dict(p.split("=", 1) for p in urlsplit(browser.get(f"{PREFIX}/sign-in").location).query.split("&"))["state"]
    arrived = browser.get(f"{PREFIX}/oauth_callback", query_string={"code": "c", "state": state})
    (cookie,) = (c for c in arrived.headers.getlist("Set-Cookie") if c.startswith(signin.COOKIE))
    assert "planted" not in cookie
    for flag in ("HttpOnly", "SameSite=Lax", f"Path={PREFIX}/"):
        assert flag in cookie
    attacker = app.test_client()
    attacker.set_cookie(signin.COOKIE, "planted", path=f"{PREFIX}/")
    assert attacker.get(f"{PREFIX}/").status_code == 302
    over_tls = victim.browser.client.post(
        f"{PREFIX}/logout", data={"csrf_token": victim.browser.csrf}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "Secure" in over_tls.headers["Set-Cookie"]


def test_what_ends_a_sign_in_ends_it(database: Database, sign_in: Callable[..., Browser]) -> None:
    def alive(browser: Browser) -> bool:
        return browser.get("/results").status_code == 200

    def change(browser: Browser, **fields: Any) -> None:
        assert browser.user is not None
        with database.transaction() as db:
            for row in db.scalars(select(BrowserSession).where(BrowserSession.user_id == browser.user.id)).unique():
                if "active" in fields:
                    row.user.active = fields["active"]
                else:
                    row.expires_at = fields["expires_at"]

    out, old, off = sign_in("out"), sign_in("old"), sign_in("off")
    assert alive(out)
    assert alive(old)
    assert alive(off)
    token = out.client.get_cookie(signin.COOKIE, path=f"{PREFIX}/")
    assert token is not None
    out.post("/logout")
    out.client.set_cookie(signin.COOKIE, token.value, path=f"{PREFIX}/")
    change(old, expires_at=now() - datetime.timedelta(seconds=1))
    change(off, active=False)
    assert not alive(out)
    assert not alive(old)
    assert not alive(off)


@pytest.mark.parametrize("value", ["", "0", "x" * 3000, "\"'<script>", "é", "{digest}", "../../", "null", "[]"])
def test_a_cookie_that_we_never_gave_signs_nobody_in(
    app: Flask, database: Database, victim: Victim, value: str
) -> None:
    """Nor does what stands in the database, for whoever has read it."""
    with database.reading() as db:
        row = db.scalars(select(BrowserSession)).unique().one()
        digest = row.token_digest
    client = app.test_client()
    client.set_cookie(signin.COOKIE, value.replace("{digest}", digest), path=f"{PREFIX}/")
    assert client.get(f"{PREFIX}/results").status_code == 302


def test_a_fault_of_ours_says_a_number_and_nothing_else(
    student: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("webapp.grading.services.history", broken)
    answer = student.get("/results")
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "RuntimeError" not in answer.text
    assert SECRET in caplog.text
