"""The students' pages as they leave the server: for whom, in which words, and with nothing in them that could run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.webapp.conftest import Browser
from webapp.accounts.models import Role
from webapp.catalog import services as catalog
from webapp.database import Database
from webapp.database.base import now
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import Because, Desired, HintTaken, LabSession, Observed
from webapp.workspaces import terminals

SCRIPT = "<script>alert(1)</script>"
NAME = f"{SCRIPT} \u202e\U0001d508\U0001f9ed\u0301\u0627\ufdfa\u200d\U000e0041"
REPORT: dict[str, Any] = {
    "lab": "services",
    "score": 3.0,
    "points": 4.0,
    "skipped_points": 0.0,
    "tasks": [
        {
            "id": "one",
            "title": f"A title {SCRIPT}",
            "score": 3.0,
            "points": 4.0,
            "outcome": "failed",
            "checks": [
                {
                    "kind": "match",
                    "outcome": "failed",
                    "message": f"m \u202e{SCRIPT}",
                    "why": f"w {SCRIPT}",
                    "hidden": False,
                },
                {"kind": "match", "outcome": "failed", "message": "secret", "why": "secret", "hidden": True},
            ],
        }
    ],
}


class Parsed(HTMLParser):
    """What a policy without inline scripts and styles would refuse, and forms without a token."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.words = ""
        self.ids: list[str] = []
        self._script = False
        self._form: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"] or "")
        self._script = tag == "script"
        if tag == "script" and not (attributes.get("src") or "").startswith("/services/portal/static/"):
            self.faults.append(f"a script of {attributes.get('src')}")
        if tag == "style" or "style" in attributes:
            self.faults.append(f"a style at {tag}")
        self.faults += [f"{name} at {tag}" for name in attributes if name.startswith("on")]
        if (attributes.get("href") or "").lower().startswith(("javascript:", "data:")):
            self.faults.append(f"a link to {attributes['href']}")
        if tag == "form" and attributes.get("method") == "post":
            self._form = attributes.get("action")
        if tag == "input" and attributes.get("name") == "csrf_token" and attributes.get("value"):
            self._form = None
        if tag == "img" and "alt" not in attributes:
            self.faults.append("a picture without words")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.faults.append(f"a form without a token: {self._form}")
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.faults.append("an inline script")
        self.words += data


def page(browser: Browser, path: str, status: int = 200) -> Parsed:
    """A page, looked through."""
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    seen = Parsed(answer.text)
    assert seen.faults == []
    assert len(seen.ids) == len(set(seen.ids))
    return seen


@pytest.fixture
def put(database: Database) -> Callable[..., str]:
    """Write a session of a browser's user: put(student, "services", Desired.RUNNING, Observed.RUNNING)."""

    def write(
        browser: Browser,
        lab: str,
        desired: Desired = Desired.RUNNING,
        observed: Observed = Observed.RUNNING,
        **more: Any,
    ) -> str:
        assert browser.user is not None
        with database.transaction() as db:
            row = LabSession(user_id=browser.user.id, lab=lab, desired=desired, observed=observed)
            row.observed_generation = more.pop("seen", 1)
            for name, value in more.items():
                setattr(row, name, value)
            db.add(row)
            db.flush()
            return row.id

    return write


@pytest.fixture
def hand_in(database: Database) -> Callable[..., str]:
    """Write a submission with a grade for each score."""

    def write(browser: Browser, lab: str, *scores: float, **more: Any) -> str:
        assert browser.user is not None
        with database.transaction() as db:
            state = SubmissionState.GRADED if scores else SubmissionState.WAITING
            row = Submission(user_id=browser.user.id, lab=lab, state=state)
            for name, value in more.items():
                setattr(row, name, value)
            db.add(row)
            db.flush()
            for score in scores:
                db.add(Grade(submission_id=row.id, lab_digest="", score=score, points=4.0, report=REPORT))
                db.flush()
            return row.id

    return write


def test_who_is_not_signed_in_is_sent_to_sign_in(stranger: Browser) -> None:
    for path in ("/", "/labs/services", "/results"):
        answer = stranger.get(path)
        assert answer.status_code == 302
        assert "/sign-in?next=" in answer.headers["Location"]


def test_who_is_not_signed_in_changes_nothing(stranger: Browser) -> None:
    for path in ("start", "stop", "reset", "hand", "submit", "hints/one", "terminals"):
        assert stranger.post(f"/labs/services/{path}").status_code == 401


def test_the_catalogue_of_a_newcomer(student: Browser) -> None:
    words = page(student, "/").words
    assert "Begin here" in words
    for lab in catalog.labs():
        assert lab.title in words
        assert f"{lab.minutes} min" in words
    assert "after Your first Pod" in words


def test_the_catalogue_tells_what_comes_next(
    student: Browser, put: Callable[..., str], hand_in: Callable[..., str]
) -> None:
    hand_in(student, "first-pod", 4.0)
    words = page(student, "/").words
    assert "What comes next" in words
    assert "Full marks" in words
    put(student, "services", Desired.STOPPED, Observed.STOPPED)
    words = page(student, "/").words
    assert "Carry on" in words
    assert "Asleep" in words


def test_a_lab_that_cannot_be_read_is_told_to_instructors_alone(
    student: Browser, instructor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "faults", lambda: {"99-bad": f"lab.yaml:3: {SCRIPT}"})
    assert "99-bad" in page(instructor, "/").words
    assert "99-bad" not in page(student, "/").words


def test_there_may_be_no_labs(student: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "labs", lambda **_: [])
    assert "There are no labs here" in page(student, "/").words


@pytest.mark.parametrize(
    "slug", ["nothing", "..%2f..%2fetc", "%2e%2e", "..", "a" * 4000, "%00", "%E2%80%AE", "09-services"]
)
def test_a_lab_that_is_none(student: Browser, slug: str) -> None:
    for path in (f"/labs/{slug}", f"/labs/{slug}/terminals"):
        assert student.get(path).status_code in {404, 409, 308}
    assert student.post(f"/labs/{slug}/start").status_code == 404


def test_a_lab_that_was_not_started(student: Browser) -> None:
    seen = page(student, "/labs/services")
    assert "Start gives you a cluster" in seen.words
    assert "Ask for a hint" not in seen.words
    for task in catalog.page("services").tasks:
        assert task.title in seen.words
        assert {f"task-{task.id}", f"text-{task.id}"} <= set(seen.ids)


def test_the_values_in_the_text_are_those_of_the_session(student: Browser, put: Callable[..., str]) -> None:
    put(student, "services", params={"port": 4711, "replicas": 9})
    assert "web:4711" in page(student, "/labs/services").words


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"observed": Observed.WAITING, "seen": 0}, "You are next"),
        ({"observed": Observed.RUNNING}, "Your cluster is running"),
        ({"desired": Desired.STOPPED, "observed": Observed.STOPPED}, "Your cluster sleeps. What you did"),
        (
            {"desired": Desired.STOPPED, "observed": Observed.STOPPED, "because": Because.IDLE},
            "sleeps, because nothing had happened in it for a while. What you did in it is kept for 30 days",
        ),
        (
            {"desired": Desired.REMOVED, "observed": Observed.REMOVED, "living": None, "because": Because.EXPIRED},
            "Nobody had been at this lab for a long time",
        ),
        ({"observed": Observed.FAILED, "fault": f"Out of {SCRIPT}"}, f"out of {SCRIPT}"),
    ],
)
def test_a_sessions_state_is_told(student: Browser, put: Callable[..., str], row: dict[str, Any], words: str) -> None:
    put(student, "services", **row)
    assert words in page(student, "/labs/services").words


def test_one_waits_in_a_queue(student: Browser, sign_in: Callable[..., Browser], put: Callable[..., str]) -> None:
    put(sign_in("bob"), "services", observed=Observed.WAITING, seen=0)
    put(student, "services", observed=Observed.WAITING, seen=0)
    assert "number 2 in the queue" in page(student, "/labs/services").words


def test_start_stop_and_the_hand(student: Browser, database: Database) -> None:
    answer = student.post("/labs/services/start")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/services/portal/labs/services")
    assert student.post("/labs/services/hand", {"up": "1"}).status_code == 303
    assert "Lower hand" in page(student, "/labs/services").words
    assert student.post("/labs/services/hand?up=0").status_code == 303
    assert "Raise hand" in page(student, "/labs/services").words
    assert student.post("/labs/services/hand?up=2").status_code == 400
    assert student.post("/labs/services/stop").status_code == 303
    with database.reading() as db:
        (row,) = db.query(LabSession).all()
        assert row.desired is Desired.STOPPED


def test_a_form_without_its_token_changes_nothing(student: Browser, database: Database) -> None:
    for token in ("", "wrong", "\U0001f9ed"):
        assert student.post("/labs/services/start", {"csrf_token": token}).status_code == 403
    with database.reading() as db:
        assert db.query(LabSession).count() == 0


def test_what_is_not_started_cannot_be_changed(student: Browser) -> None:
    for path in ("stop", "reset", "hand", "submit", "hints/cluster-ip", "terminals"):
        answer = student.post(f"/labs/services/{path}")
        assert answer.status_code == 409, path
        assert "not started" in answer.text
    assert student.get("/labs/services/terminals").status_code == 409


def test_nobody_reaches_anothers_session(
    student: Browser, sign_in: Callable[..., Browser], put: Callable[..., str], database: Database
) -> None:
    other = put(sign_in("bob"), "services")
    for path in ("stop", "reset", "hand", "submit", "hints/cluster-ip"):
        assert student.post(f"/labs/services/{path}", {"session": other, "user": "bob"}).status_code == 409
    with database.reading() as db:
        row = db.get(LabSession, other)
        assert row is not None
        assert (row.desired, row.generation, row.hand_raised_at) == (Desired.RUNNING, 1, None)


def test_a_hint_is_told_once_it_was_asked_for_and_noted(
    student: Browser, put: Callable[..., str], database: Database
) -> None:
    session = put(student, "services")
    task = next(task.id for task in catalog.page("services").tasks if task.hint)
    text = catalog.hint("services", task)
    plain = text.replace("`", "")
    assert plain not in page(student, "/labs/services").words
    answer = student.post(f"/labs/services/hints/{task}")
    assert answer.headers["Location"].endswith(f"#task-{task}")
    assert plain in page(student, "/labs/services").words
    with database.reading() as db:
        assert db.get(HintTaken, (session, task)) is not None
    assert student.post("/labs/services/hints/nothing").status_code == 404


def test_a_hint_that_the_lab_lost_breaks_no_page(student: Browser, put: Callable[..., str], database: Database) -> None:
    session = put(student, "services")
    with database.transaction() as db:
        db.add(HintTaken(session_id=session, task="gone"))
    page(student, "/labs/services")


def test_terminals_are_ones_own(student: Browser, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    put(student, "services")
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(terminals, "list", lambda s, user, slug: asked.append(("list", user.name, slug)) or ["a_1"])
    monkeypatch.setattr(terminals, "open", lambda s, user, slug: asked.append(("open", user.name, slug)) or "a_2")
    monkeypatch.setattr(terminals, "close", lambda s, user, name: asked.append(("close", user.name, name)))
    assert student.get("/labs/services/terminals").json == {"terminals": ["a_1"]}
    answer = student.post("/labs/services/terminals")
    assert (answer.status_code, answer.json) == (201, {"name": "a_2"})
    address = "/services/portal/labs/services/terminals/a_2"
    assert student.client.delete(address).status_code == 403
    assert student.client.delete(address, headers={"X-CSRF-Token": student.csrf}).status_code == 204
    assert asked == [("list", "sam", "services"), ("open", "sam", "services"), ("close", "sam", "a_2")]


def test_results(student: Browser, hand_in: Callable[..., str]) -> None:
    assert "not handed anything in yet" in page(student, "/results").words
    hand_in(student, "services", 1.0)
    hand_in(student, "services", 3.0)
    hand_in(student, "hpa")
    words = page(student, "/results").words
    assert "Being graded" in words
    assert words.count("Best") == 1


def test_a_report_and_its_history(student: Browser, hand_in: Callable[..., str]) -> None:
    words = page(student, f"/results/{hand_in(student, 'services', 3.0, 4.0, hints=2)}").words
    for told in ("4 of 4 points", "Full marks.", "2 hints asked for.", "How it was graded", "(+1)", f"w {SCRIPT}"):
        assert told in " ".join(words.split())
    assert "secret" not in words
    assert "\u202e" not in words


def test_a_submission_on_its_way(student: Browser, hand_in: Callable[..., str]) -> None:
    assert "being graded" in page(student, f"/results/{hand_in(student, 'services')}").words
    soon = now() + datetime.timedelta(minutes=1)
    failed = hand_in(student, "services", state=SubmissionState.FAILED, fault=f"no {SCRIPT}", retry_at=soon)
    words = page(student, f"/results/{failed}").words
    assert "could not be graded yet" in words
    assert f"no {SCRIPT}" in words


def test_a_submission_that_was_given_up_asks_for_another(
    student: Browser, put: Callable[..., str], hand_in: Callable[..., str]
) -> None:
    """On every page that tells of it, and none of them looks again by itself."""
    put(student, "services")
    lost = hand_in(student, "services", state=SubmissionState.FAILED, fault=f"the cluster was lost {SCRIPT}")
    for path in ("/labs/services", f"/results/{lost}", "/results"):
        words = " ".join(page(student, path).words.split())
        assert "hand in again" in words, path
        for untrue in ("tried again", "Tried again", "being graded", "close this page"):
            assert untrue not in words, (path, untrue)
        assert "hx-trigger=" not in student.get(path).text, path


def test_a_submission_is_its_owners(
    student: Browser, sign_in: Callable[..., Browser], hand_in: Callable[..., str]
) -> None:
    mine = hand_in(student, "services", 3.0)
    other = sign_in("bob")
    for path in (f"/results/{mine}", f"/results/{mine}/evidence", "/results/..%2f", "/results/" + "f" * 32):
        assert other.get(path).status_code == 404


def test_a_submission_shows_on_the_labs_page(
    student: Browser, put: Callable[..., str], hand_in: Callable[..., str]
) -> None:
    put(student, "services")
    hand_in(student, "services", 3.0)
    assert "3 of 4 points" in " ".join(page(student, "/labs/services").words.split())


def test_any_name_is_text(
    sign_in: Callable[..., Browser], put: Callable[..., str], hand_in: Callable[..., str]
) -> None:
    hostile = sign_in("eve", Role.STUDENT, NAME)
    put(hostile, "services", fault=NAME, observed=Observed.FAILED)
    for path in ("/", "/labs/services", "/results", f"/results/{hand_in(hostile, 'services', 3.0)}"):
        assert SCRIPT in page(hostile, path).words


def test_one_page_asks_the_database_a_few_times_only(student: Browser, hand_in: Callable[..., str]) -> None:
    """However many submissions there are."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    asked: list[str] = []
    listen = lambda *args: asked.append(args[2]) if args[2].startswith("SELECT") else None  # noqa: E731
    event.listen(Engine, "before_cursor_execute", listen)
    try:
        counts = []
        for number in (1, 12):
            for _ in range(number):
                hand_in(student, "services", 3.0)
            asked.clear()
            student.get("/")
            counts.append(len(asked))
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert max(counts) <= 6, asked  # A connection asks one question more when it is made.


def test_addresses_for_scripts_stand_in_the_page(sign_in: Callable[..., Browser]) -> None:
    answer = sign_in("ann.o-1").get("/labs/services").text
    assert 'data-server="/user/ann.o-1/"' in answer
    assert 'data-events="/services/portal/labs/services/events"' in answer
    assert json.dumps("csrf-token") in answer


def test_a_lab_says_what_the_clusters_here_lack(student: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from webapp.catalog import needs

    assert "This lab needs" not in page(student, "/labs/hpa").words, "kwok has metrics"
    monkeypatch.setattr(needs, "_capabilities", lambda _: frozenset({"audit"}))
    assert (
        "This lab needs metrics of Pods and nodes, and the clusters here have none." in page(student, "/labs/hpa").words
    )
    assert "This lab needs" not in page(student, "/labs/services").words
    monkeypatch.setattr(needs, "_capabilities", lambda _: None)
    assert "This lab needs" not in page(student, "/labs/hpa").words, "there is no telling"
