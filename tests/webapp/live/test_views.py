"""The stream of events over HTTP: whose it is, what goes over the wire, and that it ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.fakes.looking import Lookers
from tests.webapp.conftest import Browser
from webapp.accounts.models import Role
from webapp.database import Database
from webapp.live import views
from webapp.live.feed import Event
from webapp.live.services import Feeds
from webapp.sessions.models import LabSession

PATH = "/labs/services/events"


@pytest.fixture
def feeds(app: Flask, database: Database) -> Iterator[Feeds]:
    app.extensions["seatrial.live"].close()
    made = app.extensions["seatrial.live"] = Feeds(database, opener=Lookers(), linger=0.0)
    yield made
    made.close()


@pytest.fixture
def begin(database: Database) -> Callable[[Browser], str]:
    """Give a browser's user a session."""

    def start(browser: Browser) -> str:
        assert browser.user is not None
        with database.transaction() as db:
            session = LabSession(user_id=browser.user.id, lab="services", fault='</script>"\n\nevent: tasks\ndata: x')
            db.add(session)
            db.flush()
            return session.id

    return start


def first_event(browser: Browser, path: str = PATH, **headers: str) -> dict[str, Any]:
    response = browser.get(path, headers=headers, buffered=False)
    assert response.status_code == 200, response.text
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    try:
        lines: list[bytes] = []
        for piece in response.response:
            lines += piece.splitlines()  # type: ignore[union-attr]
            if any(line.startswith(b"data: ") for line in lines):
                break
        assert lines[0] == b"retry: 2000"
        data = [line for line in lines if line.startswith(b"data: ")]
        assert lines[2].startswith(b"id: ") and lines[3] == b"event: session" and len(data) == 1
        found: dict[str, Any] = json.loads(data[0].removeprefix(b"data: "))
        return found
    finally:
        response.close()


def test_a_student_gets_his_own_session(feeds: Feeds, student: Browser, begin: Callable[[Browser], str]) -> None:
    begin(student)
    # A student's text is one line of JSON, whatever is in it.
    assert first_event(student)["fault"].startswith("</script>")
    assert feeds._viewers.total() == 0  # closed with the answer


def test_nobody_gets_another_s(
    feeds: Feeds, student: Browser, begin: Callable[[Browser], str], stranger: Browser, sign_in: Callable[..., Browser]
) -> None:
    begin(student)
    other = sign_in("mallory")
    assert stranger.get(PATH, headers={"Accept": "text/event-stream"}).status_code == 401
    assert other.get(PATH).status_code == 404
    for name, status in (("sam", 403), ("nobody", 403), ("Sam", 403), ("sam%00", 404)):
        assert other.get(f"{PATH}?user={name}").status_code == status
    assert feeds.sessions == 0
    # One's own name is no secret.
    assert first_event(student, f"{PATH}?user=sam")["observed"] == "waiting"


@pytest.mark.parametrize("role", [Role.INSTRUCTOR, Role.ADMIN])
def test_an_instructor_may_look(
    feeds: Feeds, student: Browser, begin: Callable[[Browser], str], sign_in: Callable[..., Browser], role: Role
) -> None:
    begin(student)
    teacher = sign_in("ida", role)
    assert first_event(teacher, f"{PATH}?user=sam")["observed"] == "waiting"
    assert teacher.get(f"{PATH}?user=nobody").status_code == 404
    assert teacher.get(PATH).status_code == 404  # her own, which she has not


def test_a_lab_that_is_not_there_or_not_started(feeds: Feeds, student: Browser) -> None:
    for path in (PATH, "/labs/no-such-lab/events", "/labs/..%2f..%2fetc/events"):
        assert student.get(path).status_code == 404
    assert feeds.sessions == 0


def test_too_many_tabs_are_told(
    feeds: Feeds, student: Browser, begin: Callable[[Browser], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(student)
    monkeypatch.setattr("webapp.live.services.MOST_EACH", 0)
    assert student.get(PATH).status_code == 429


class FakeViewer:
    """Gives what it is given; then says nothing."""

    def __init__(self, *events: list[Event] | None) -> None:
        self.events = list(events)
        self.closed = 0

    def next(self, timeout: float) -> list[Event] | None:
        return self.events.pop(0) if self.events else []

    def close(self) -> None:
        self.closed += 1


def test_a_silent_stream_says_that_it_lives_and_ends_so_that_rights_are_asked_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter(range(0, 10_000, 5))
    monkeypatch.setattr("webapp.live.views.time.monotonic", lambda: float(next(times)))
    viewer = FakeViewer([Event(1, "e.1", "tasks", b"{}")])
    said = list(views.stream(viewer, {}))  # type: ignore[arg-type]
    assert said[:2] == [b"retry: 2000\n\n", b"id: e.1\nevent: tasks\ndata: {}\n\n"]
    assert set(said[2:]) == {b": still here\n\n"}
    assert viewer.closed == 1


def test_a_feed_that_ends_ends_the_stream() -> None:
    viewer = FakeViewer(None)
    assert list(views.stream(viewer, {})) == [b"retry: 2000\n\n"]  # type: ignore[arg-type]
    assert viewer.closed == 1


def test_a_browser_that_has_gone_is_seen_without_a_word_to_it() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        environ = {"gunicorn.socket": ours}
        assert not views.hung_up(environ)
        theirs.send(b"GET / pipelined")
        assert not views.hung_up(environ)
        ours.recv(100)
        theirs.close()
        assert views.hung_up(environ)
        viewer = FakeViewer()
        assert list(views.stream(viewer, environ)) == [b"retry: 2000\n\n"]  # type: ignore[arg-type]
        assert viewer.closed == 1
    assert views.hung_up(environ)
    assert not views.hung_up({})
