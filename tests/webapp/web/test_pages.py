"""What every page has: its headers, its token, its faults told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, render_template_string, request
from sqlalchemy import text

from tests.webapp.conftest import Browser
from webapp.accounts import services
from webapp.accounts.models import BrowserSession, Role, User
from webapp.accounts.signin import COOKIE, current_user, role, signed_in
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import PortalError, Refused
from webapp.settings import PREFIX
from webapp.web.context import reading
from webapp.web.errors import LARGEST
from webapp.web.headers import allow_terminal_styles

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def app(app: Flask) -> Flask:
    """The application with pages that do what a view may do."""

    def page(path: str, view: Callable[..., Any], *methods: str) -> None:
        app.add_url_rule(f"{PREFIX}/test/{path}", path, view, methods=methods or None)

    def refuse() -> str:
        raise Refused(f"Not this: {SCRIPT}", 409)

    def fault() -> str:
        raise PortalError("the clusters are all away")

    def bug() -> str:
        raise RuntimeError("a secret of ours")

    def terminal() -> str:
        allow_terminal_styles()
        return "x"

    def broken_read() -> str:
        with reading() as db:
            db.execute(text("SELECT * FROM no_such_table"))
        return "x"

    page("mine", signed_in(lambda: current_user().name))
    page("class", role(Role.INSTRUCTOR)(lambda: "the class"))
    page("admin", role(Role.ADMIN)(lambda: "the machine"))
    page("form", signed_in(lambda: request.form.get("text", "")), "POST", "PUT", "DELETE", "PATCH")
    page("refuse", refuse)
    page("fault", fault)
    page("bug", bug)
    page("terminal", terminal)
    page("read", broken_read)
    page("teapot", lambda: abort(418))
    page("hostile", lambda: render_template_string("{{ x }}|{{ csrf_field() }}", x=SCRIPT))
    return app


class TestHeaders:
    """On every answer, faults and files too."""

    @pytest.mark.parametrize(
        "path", ["/sign-in", "/test/mine", "/nothing", "/test/bug", "/healthz", "/static/portal.css"]
    )
    def test_every_answer_has_them(self, student: Browser, path: str) -> None:
        headers = student.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["frame-src"] == rules["form-action"] == "'self'"
        assert "unsafe" not in headers["Content-Security-Policy"]

    def test_only_a_page_with_a_terminal_may_make_style_elements(self, student: Browser) -> None:
        policy = student.get("/test/terminal").headers["Content-Security-Policy"]
        assert "style-src-elem 'self' 'unsafe-inline'" in policy and "script-src 'self';" in policy
        assert "unsafe" not in student.get("/test/mine").headers["Content-Security-Policy"]

    def test_sockets_go_to_the_host_that_was_asked(self, student: Browser) -> None:
        policy = student.get("/test/mine", base_url="http://lab.example:8000").headers["Content-Security-Policy"]
        assert "connect-src 'self' ws://lab.example:8000 wss://lab.example:8000;" in policy

    @pytest.mark.parametrize("host", ["x; script-src *", "a b", "x'", "<x>", "é"])
    def test_a_hostile_host_writes_no_policy(self, app: Flask, host: str) -> None:
        environment = {"HTTP_HOST": host.encode().decode("latin-1")}
        headers = app.test_client().get(f"{PREFIX}/nothing", environ_overrides=environment).headers
        assert headers["Content-Security-Policy"].count("script-src") == 1
        assert "ws:" not in headers["Content-Security-Policy"]

    def test_pages_are_kept_nowhere_and_files_for_long(self, student: Browser) -> None:
        assert student.get("/test/mine").headers["Cache-Control"] == "no-store"
        assert student.get("/nothing").headers["Cache-Control"] == "no-store"
        address = re.search(r'href="([^"]+portal\.css\?v=[0-9a-f]+)"', student.get("/nothing").text)
        assert address is not None
        assert "immutable" in student.client.get(address[1], buffered=True).headers["Cache-Control"]
        assert student.get("/static/portal.css", buffered=True).headers["Cache-Control"] == "no-cache"
        assert student.get("/static/nothing.css").headers["Cache-Control"] == "no-store"

    def test_no_page_of_ours_has_an_inline_script_or_style(self) -> None:
        templates = Path(__file__).parents[3] / "webapp" / "web" / "templates"
        files = list(templates.rglob("*.html"))
        assert files
        for file in files:
            content = file.read_text()
            assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", content), file
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", content), file
            assert not re.search(r"\|\s*safe\b", content), file
            for form in re.findall(r"<form\b.*?</form>", content, re.DOTALL):
                if 'method="post"' in form:
                    assert "csrf_field()" in form or "_xsrf" in form, f"{file}: a form without its token"


class TestWhoIsSignedIn:
    """The cookie, its row, and the role."""

    def test_a_page_leads_to_the_sign_in_and_back(self, stranger: Browser) -> None:
        answer = stranger.get("/test/mine?a=b&c=d")
        assert answer.headers["Location"] == f"{PREFIX}/sign-in?next={PREFIX}/test/mine%3Fa%3Db%26c%3Dd"

    @pytest.mark.parametrize(
        "headers", [{"HX-Request": "true"}, {"Accept": "text/event-stream"}, {"Sec-Fetch-Mode": "cors"}]
    )
    def test_a_script_is_told_instead(self, stranger: Browser, headers: dict[str, str]) -> None:
        answer = stranger.get("/test/mine", headers=headers)
        assert answer.status_code == 401 and "You are not signed in" in answer.text

    def test_a_signed_in_user_has_a_name(self, student: Browser) -> None:
        assert student.get("/test/mine").text == "sam"

    @pytest.mark.parametrize(
        ("who", "path", "status"),
        [
            (Role.STUDENT, "class", 403),
            (Role.STUDENT, "admin", 403),
            (Role.INSTRUCTOR, "class", 200),
            (Role.INSTRUCTOR, "admin", 403),
            (Role.ADMIN, "class", 200),
            (Role.ADMIN, "admin", 200),
        ],
    )
    def test_each_role_sees_its_own(self, sign_in: Callable[..., Browser], who: Role, path: str, status: int) -> None:
        assert sign_in("someone", who).get(f"/test/{path}").status_code == status

    def test_a_session_ends(self, student: Browser, database: Database) -> None:
        with database.transaction() as db:
            for row in db.query(BrowserSession):
                row.expires_at = now()
        assert student.get("/test/mine").status_code == 302

    def test_who_is_disabled_is_out_at_once(self, student: Browser, database: Database) -> None:
        with database.transaction() as db:
            user = services.by_name(db, "sam")
            assert user is not None
            user.active = False
        assert student.get("/test/mine").status_code == 302

    def test_a_role_that_was_taken_away_is_gone_at_once(self, instructor: Browser, database: Database) -> None:
        assert instructor.get("/test/class").status_code == 200
        with database.transaction() as db:
            user = services.by_name(db, "ida")
            assert user is not None
            services.set_role(db, user, Role.STUDENT)
        assert instructor.get("/test/class").status_code == 403

    @pytest.mark.parametrize("token", ["", "x", "x" * 3_000, "' OR 1=1 --", "\xff", "../../etc"])
    def test_a_made_up_cookie_is_nobody(self, app: Flask, token: str) -> None:
        client = app.test_client()
        client.set_cookie(COOKIE, token, path=f"{PREFIX}/")
        assert client.get(f"{PREFIX}/test/mine").status_code == 302

    def test_the_stored_digest_is_no_cookie(self, app: Flask, student: Browser, database: Database) -> None:
        with database.reading() as db:
            stored = db.query(BrowserSession).one().token_digest
        client = app.test_client()
        client.set_cookie(COOKIE, stored, path=f"{PREFIX}/")
        assert client.get(f"{PREFIX}/test/mine").status_code == 302


class TestForms:
    """No form is taken without the token of its browser."""

    def test_with_its_token_as_a_field_or_a_header(self, student: Browser) -> None:
        assert student.post("/test/form", {"text": "hello"}).text == "hello"
        answer = student.client.post(f"{PREFIX}/test/form", data={"text": "x"}, headers={"X-CSRF-Token": student.csrf})
        assert answer.text == "x"

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    @pytest.mark.parametrize("token", [None, "", "x", "é", "\ud800"])
    def test_without_it_nothing_is_done(self, student: Browser, method: str, token: str | None) -> None:
        data = {} if token is None else {"csrf_token": token.encode("utf-8", "surrogatepass")}
        answer = student.client.open(f"{PREFIX}/test/form", method=method, data=data)
        assert answer.status_code == 403 and "reload the page" in answer.text

    def test_the_token_in_the_address_does_not_count(self, student: Browser) -> None:
        answer = student.client.post(f"{PREFIX}/test/form?csrf_token={student.csrf}")
        assert answer.status_code == 403

    def test_the_token_of_another_does_not_count(self, student: Browser, instructor: Browser) -> None:
        assert student.post("/test/form", {"csrf_token": instructor.csrf}).status_code == 403

    def test_nobody_has_no_form(self, stranger: Browser) -> None:
        assert stranger.post("/test/form").status_code == 401
        assert stranger.post("/test/form", {"csrf_token": ""}).status_code == 401

    def test_a_form_for_no_page_is_refused_before_it_is_looked_for(self, student: Browser) -> None:
        assert student.client.post(f"{PREFIX}/nothing").status_code == 403

    def test_the_pages_carry_it(self, student: Browser) -> None:
        page = student.get("/nothing").text
        assert f'<input type="hidden" name="csrf_token" value="{student.csrf}">' in page
        assert f'<meta name="csrf-token" content="{student.csrf}">' in page


class TestFaults:
    """Every fault is a page that says what to do."""

    @pytest.mark.parametrize(
        ("path", "status", "sentence"),
        [
            ("/nothing", 404, "There is no such page"),
            ("/test/form", 405, "cannot be used in that way"),
            ("/test/refuse", 409, "Not this: &lt;script&gt;alert(1)&lt;/script&gt;."),
            ("/test/fault", 503, "The clusters are all away."),
            ("/test/read", 503, "from an earlier version; run `seatrial up`"),
            ("/test/teapot", 418, "teapot"),
            ("/test/bug", 500, "The portal has a fault here"),
            ("/../../../etc/passwd", 404, "There is no such page"),
            ("/static/../app.py", 404, "There is no such page"),
            ("/static/..%2f..%2fapp.py", 404, "There is no such page"),
            ("/%00", 404, "There is no such page"),
            ("/%ff%fe", 404, "There is no such page"),
            ("/" + "a" * 8000, 404, "There is no such page"),
        ],
    )
    def test_as_a_page(self, student: Browser, path: str, status: int, sentence: str) -> None:
        answer = student.get(path)
        assert answer.status_code == status
        assert sentence in answer.text and "<h1>" in answer.text
        assert SCRIPT not in answer.text and "Traceback" not in answer.text and "secret" not in answer.text

    def test_as_a_fragment_for_a_script_of_ours(self, student: Browser) -> None:
        answer = student.get("/test/refuse", headers={"HX-Request": "true"})
        assert answer.status_code == 409
        assert answer.text.startswith('<p class="notice notice-error" role="alert">Not this: &lt;script')

    def test_as_json_where_it_is_asked_for(self, student: Browser) -> None:
        answer = student.get("/test/refuse", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json) == (409, {"error": f"Not this: {SCRIPT}"})

    def test_a_bug_has_a_number_that_the_log_has_too(self, student: Browser, caplog: pytest.LogCaptureFixture) -> None:
        number = re.search(r"<code>([0-9a-f]{8})</code>", student.get("/test/bug").text)
        assert number is not None
        assert f"fault {number[1]} at GET {PREFIX}/test/bug for sam" in caplog.text
        assert "a secret of ours" in caplog.text

    @pytest.mark.parametrize("size", [LARGEST + 1, 1024**2, 5 * 1024**2])
    def test_a_form_that_is_too_large(self, student: Browser, size: int) -> None:
        answer = student.post("/test/form", {"text": "x" * size})
        assert answer.status_code == 413 and "at most 256 KiB" in answer.text

    def test_a_form_that_is_too_large_with_its_token_in_the_header(self, student: Browser) -> None:
        headers = {"X-CSRF-Token": student.csrf}
        answer = student.client.post(f"{PREFIX}/test/form", data={"text": "x" * 1024**2}, headers=headers)
        assert answer.status_code == 413

    def test_a_form_within_the_limit(self, student: Browser) -> None:
        assert len(student.post("/test/form", {"text": "x" * 200_000}).text) == 200_000

    def test_a_thousand_fields_too_many(self, student: Browser) -> None:
        answer = student.post("/test/form", {f"field{number}": "" for number in range(5000)})
        assert answer.status_code in {200, 413}

    @pytest.mark.parametrize("body", [b"\xff\xfe%%%=&&&", b"", b"csrf_token", b"\x00" * 100])
    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a/b", ""]
    )
    def test_nonsense_in_a_form_is_refused(self, student: Browser, body: bytes, kind: str) -> None:
        answer = student.client.post(f"{PREFIX}/test/form", data=body, content_type=kind)
        assert answer.status_code in {400, 403}

    def test_text_is_escaped_whatever_the_template_is_called(self, student: Browser) -> None:
        assert student.get("/test/hostile").text.startswith("&lt;script&gt;alert(1)&lt;/script&gt;|<input")


class TestDatabaseFaults:
    """What the database has is told on the page, and over when it is over."""

    def test_a_file_that_is_gone(self, student: Browser, database: Database) -> None:
        if database.file is None:
            pytest.skip("a file of SQLite's")
        away = database.file.rename(database.file.with_name("away.db"))
        answer = student.get("/test/mine")
        assert answer.status_code == 503 and "is gone; put back a copy" in answer.text
        assert answer.headers["Retry-After"] == "5"
        health = student.get("/healthz")
        assert health.status_code == 503 and health.json and health.json["database"] is False
        away.rename(database.file)
        assert student.get("/test/mine").text == "sam"
        assert student.get("/healthz").json == {"database": True, "reconciler": None}

    def test_a_later_versions(self, student: Browser, database: Database) -> None:
        with database.transaction() as db:
            db.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
        health = student.get("/healthz")
        assert health.status_code == 503 and "from a later version" in health.text
        answer = student.get("/test/mine")
        assert answer.status_code == 503 and "from a later version of seatrial" in answer.text
        with database.reading() as db:
            assert db.query(BrowserSession).count() == 1

    def test_a_name_of_every_plane_is_shown(self, sign_in: Callable[..., Browser]) -> None:
        planes = "".join(chr(plane * 0x10000 + 0x41) for plane in range(4)) + " \"'<b>&"
        page = sign_in("ada", Role.STUDENT, planes).get("/nothing").text
        assert "<b>" not in page and "&lt;b&gt;&amp;" in page
        assert f"{chr(0x10041)}" in page


def test_the_health_page_needs_nobody_and_tells_the_last_pass(
    stranger: Browser, database: Database, add_user: Callable[..., User]
) -> None:
    assert stranger.get("/healthz").json == {"database": True, "reconciler": None}
    from webapp.sessions.models import Pass

    with database.transaction() as db:
        db.add(Pass(process="reconciler", at=now()))
    answer = stranger.get("/healthz").json
    assert answer is not None and answer["reconciler"] >= 0
