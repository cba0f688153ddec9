"""One feed for all viewers of a session: begun by the first, ended after the last."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.model import ClusterUnreachable, LabError
from tests.fakes.looking import Lookers
from webapp.accounts.models import User
from webapp.database import Database
from webapp.errors import Refused
from webapp.live import feed as feeding
from webapp.live import services
from webapp.live.feed import Event
from webapp.live.rows import GONE, Row, read
from webapp.live.services import Feeds, Viewer
from webapp.sessions.access import Stand
from webapp.sessions.models import Desired, LabSession, Observed
from webapp.workspaces import faults, places

STAND = Stand(Path("/admin"), Path("/student"), "student", "c1")


@pytest.fixture
def lookers() -> Lookers:
    return Lookers()


@pytest.fixture
def make_feeds(database: Database, lookers: Lookers) -> Iterator[Callable[[], Feeds]]:
    made: list[Feeds] = []

    def make() -> Feeds:
        made.append(Feeds(database, opener=lookers, linger=0.0))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def feeds(make_feeds: Callable[[], Feeds], monkeypatch: pytest.MonkeyPatch) -> Feeds:
    """Every session that runs has the same cluster."""
    monkeypatch.setattr("webapp.live.rows.stand", lambda db, session: STAND)
    monkeypatch.setattr("webapp.live.rows.EVERY", 0.02)
    monkeypatch.setattr(feeding, "FIRST_PAUSE", 0.01)
    return make_feeds()


@pytest.fixture
def session(database: Database, add_user: Callable[..., User]) -> LabSession:
    user = add_user("ada")
    with database.transaction() as db:
        made = LabSession(user_id=user.id, lab="services", observed=Observed.RUNNING, observed_generation=1)
        db.add(made)
        db.flush()
        return made


@pytest.fixture
def change(database: Database, session: LabSession) -> Callable[..., None]:
    def write(**values: Any) -> None:
        with database.transaction() as db:
            row = db.get_one(LabSession, session.id)
            for name, value in values.items():
                setattr(row, name, value)

    return write


def until(viewer: Viewer, name: str, **said: Any) -> Event:
    """Wait for an event that says this."""
    seen = []
    for _ in range(200):
        events = viewer.next(30)
        assert events is not None, seen
        for event in events:
            seen.append((event.name, event.data))
            document = json.loads(event.data)
            if event.name == name and all(document.get(key) == value for key, value in said.items()):
                return event
    pytest.fail(f"no such event among {seen}")


def live_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("live-")]


def ended(done: Callable[[], bool]) -> None:
    """Wait for the threads that end by themselves."""
    for one in threading.enumerate():
        if one.name.startswith("live-") and one.name != "live-rows":
            one.join(30)
    assert done()


def test_an_ended_workspace_is_told_with_the_session(
    database: Database, session: LabSession, lookers: Lookers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.live.rows.stand", lambda db, session: STAND)
    monkeypatch.setattr("webapp.live.rows.EVERY", 0.02)
    feeds = Feeds(database, opener=lookers, linger=0.0, workspaces=tmp_path)
    viewer = feeds.subscribe(session.id, 1, owner=True)
    try:
        assert told_of_workspace(viewer) is None
        place = places.of(tmp_path, session.user_id)
        place.make()
        faults.leave(place, "Your workspace was ended because it ate too much.")
        assert told_of_workspace(viewer) == "Your workspace was ended because it ate too much."
    finally:
        feeds.close()


def told_of_workspace(viewer: Viewer) -> str | None:
    """What the next event of the session says of it."""
    while True:
        for event in viewer.next(60) or pytest.fail("the stream has ended"):
            if event.name == "session":
                found: str | None = json.loads(event.data)["workspace_fault"]
                return found


def test_two_viewers_share_one_look_and_the_last_one_ends_it(
    feeds: Feeds, session: LabSession, lookers: Lookers
) -> None:
    first = feeds.subscribe(session.id, 1, owner=True)
    until(first, "session", observed="running", desired="running", ready=True)
    look = lookers.next()
    look.tell("tasks", tasks=[1])
    until(first, "tasks", tasks=[1])
    # Whoever comes later gets everything as it is now.
    second = feeds.subscribe(session.id, 2, owner=False)
    assert {event.name for event in second.next(30) or ()} == {"session", "tasks"}
    look.tell("tasks", tasks=[2])
    until(first, "tasks", tasks=[2])
    until(second, "tasks", tasks=[2])
    assert (feeds.sessions, lookers.count) == (1, 1)
    first.close()
    first.close()
    look.tell("tasks", tasks=[3])
    until(second, "tasks", tasks=[3])
    assert not look.closed.is_set()
    second.close()
    assert look.closed.wait(30)
    ended(lambda: feeds.sessions == 0)
    # And anew.
    third = feeds.subscribe(session.id, 1, owner=True)
    until(third, "session", observed="running")
    lookers.next()


def test_who_is_slow_misses_what_is_outdated(feeds: Feeds, session: LabSession, lookers: Lookers) -> None:
    slow, quick = (feeds.subscribe(session.id, who, owner=True) for who in (1, 2))
    look = lookers.next()
    for number in range(100):
        look.tell("tasks", number=number)
    until(quick, "tasks", number=99)
    assert [json.loads(e.data)["number"] for e in slow.next(30) or () if e.name == "tasks"] == [99]


def test_who_comes_back_gets_only_what_it_has_not_had(feeds: Feeds, session: LabSession, lookers: Lookers) -> None:
    stays = feeds.subscribe(session.id, 1, owner=True)
    look = lookers.next()
    look.tell("tasks", number=1)
    last = until(stays, "tasks", number=1)
    back = feeds.subscribe(session.id, 1, owner=True, after=last.id)
    assert back.next(0) == []
    look.tell("cluster", number=2)
    assert [e.name for e in back.next(30) or ()] == ["cluster"]
    # An id of another process, or rubbish, is none.
    for after in ("00000000.5", last.id.partition(".")[0] + ".²", "x" * 64, "."):
        assert feeds.subscribe(session.id, 1, owner=True, after=after).next(30)


def test_the_row_s_changes_are_told_and_followed(
    feeds: Feeds, session: LabSession, lookers: Lookers, change: Callable[..., None]
) -> None:
    viewer = feeds.subscribe(session.id, 1, owner=True)
    first = lookers.next()
    first.tell("tasks", tasks=["of the first cluster"])
    until(viewer, "tasks")
    change(generation=2)
    until(viewer, "session", generation=2, ready=False)
    assert first.closed.wait(30)
    # What was of the cluster before the reset is nobody's any more.
    late = feeds.subscribe(session.id, 2, owner=True)
    assert [e.name for e in late.next(30) or ()] == ["session"]
    change(observed_generation=2)
    assert lookers.next().row.generation == 2
    change(desired=Desired.STOPPED, observed=Observed.STOPPED)
    until(viewer, "session", observed="stopped", ready=False)
    change(observed=Observed.FAILED, fault="No cluster could be made.")
    until(viewer, "session", fault="No cluster could be made.")


def test_a_cluster_that_does_not_answer_leaves_the_tasks_as_they_were(
    feeds: Feeds, session: LabSession, lookers: Lookers
) -> None:
    viewer = feeds.subscribe(session.id, 1, owner=True)
    look = lookers.next()
    look.tell("tasks", tasks=[{"id": "web", "outcome": "passed"}], score=3.0, stale=False, notice=None)
    until(viewer, "tasks", score=3.0)
    lookers.refuse = ClusterUnreachable("connection refused at https://127.0.0.1:6443 in /home/x/kubeconfig")
    look.fail(ClusterUnreachable("connection refused"))
    told = until(viewer, "tasks", stale=True)
    document = json.loads(told.data)
    assert document["score"] == 3.0 and document["tasks"] == [{"id": "web", "outcome": "passed"}]
    assert (
        document["notice"]
        == "Your cluster does not answer; it is being started again. Your tasks are shown as they were."
    )
    lookers.refuse = None
    lookers.next().tell("tasks", score=4.0, stale=False)
    until(viewer, "tasks", score=4.0, stale=False)


@pytest.mark.parametrize("fault", [LabError("lab.yaml:3: no"), Refused("There is no such lab.", 404), KeyError("x")])
def test_a_lab_that_cannot_be_read_is_told_and_tried_again(
    feeds: Feeds, session: LabSession, lookers: Lookers, fault: Exception
) -> None:
    lookers.refuse = fault
    viewer = feeds.subscribe(session.id, 1, owner=True)
    until(viewer, "tasks", stale=True, notice=feeding.UNREADABLE, tasks=[])
    lookers.refuse = None
    lookers.next().tell("tasks", score=1.0)
    until(viewer, "tasks", score=1.0)


def test_one_person_and_all_together_have_so_many_streams(
    feeds: Feeds, session: LabSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_EACH", 2)
    monkeypatch.setattr(services, "MOST", 3)
    one, _ = (feeds.subscribe(session.id, 1, owner=True) for _ in range(2))
    with pytest.raises(Refused, match="too many tabs") as refused:
        feeds.subscribe(session.id, 1, owner=True)
    assert refused.value.status == 429
    feeds.subscribe(session.id, 2, owner=True)
    with pytest.raises(Refused, match="Too many people") as refused:
        feeds.subscribe(session.id, 3, owner=True)
    assert refused.value.status == 503
    one.close()
    feeds.subscribe(session.id, 3, owner=True)


def test_closing_ends_every_stream_and_every_thread(feeds: Feeds, session: LabSession, lookers: Lookers) -> None:
    viewers = [feeds.subscribe(session.id, who, owner=True) for who in range(5)]
    look = lookers.next()
    feeds.close()
    assert look.closed.is_set() and not live_threads()
    assert [viewer.next(30) for viewer in viewers] == [None] * 5
    with pytest.raises(Refused):
        feeds.subscribe(session.id, 9, owner=True)


@pytest.mark.usefixtures("lookers")
def test_it_is_written_down_that_the_student_looks_and_not_that_the_instructor_does(
    feeds: Feeds,
    session: LabSession,
    database: Database,
    change: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datetime

    from webapp.live import rows

    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)

    def last() -> datetime.datetime:
        with database.reading() as db:
            return db.get_one(LabSession, session.id).last_activity_at

    change(last_activity_at=long_ago)
    watcher = feeds.subscribe(session.id, 1, owner=False)
    until(watcher, "session")
    change(hand_raised_at=None, fault="a change that comes after the next reading")
    until(watcher, "session", fault="a change that comes after the next reading")
    assert last() == long_ago
    owner = feeds.subscribe(session.id, 2, owner=True)
    change(fault="one")
    until(owner, "session", fault="one")
    change(fault="two")
    until(owner, "session", fault="two")
    assert last() > long_ago
    # That the page stays open is no activity, for as long as it may be.
    monkeypatch.setattr(rows, "TOUCH_EVERY", 0.0)
    change(last_activity_at=long_ago, fault="three")
    until(owner, "session", fault="three")
    change(fault="four")
    until(owner, "session", fault="four")
    assert last() == long_ago
    # But whoever waits for a cluster is there.
    change(observed=Observed.WAITING, fault="five")
    until(owner, "session", fault="five")
    change(fault="six")
    until(owner, "session", fault="six")
    assert last() > long_ago


def test_rows_that_are_not_there_and_places_in_the_queue(
    database: Database, session: LabSession, add_user: Callable[..., User]
) -> None:
    users = [add_user(name) for name in ("bob", "cyd")]
    with database.transaction() as db:
        waiting = [LabSession(user_id=user.id, lab="services") for user in users]
        db.add_all(waiting)
        db.flush()
        ids = [one.id for one in waiting]
    with database.reading() as db:
        found = read(db, [*ids, "nobody", session.id])
    assert found["nobody"] is GONE
    assert sorted(found[one].said["place"] for one in ids) != [0, 0]
    # It runs, as its row says, and has no cluster: nothing to look at.
    assert isinstance(found[session.id], Row) and found[session.id].stand is None


def test_a_database_that_cannot_be_read_stops_nothing(
    feeds: Feeds, session: LabSession, lookers: Lookers, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    from webapp.database import DatabaseBusy

    viewer = feeds.subscribe(session.id, 1, owner=True)
    until(viewer, "session", observed="running")
    failed = threading.Event()

    def broken(*_: Any) -> Any:
        failed.set()
        raise DatabaseBusy("locked")

    with monkeypatch.context() as patch:
        patch.setattr("webapp.live.rows.read", broken)
        assert failed.wait(30)
    change(fault="seen again")
    until(viewer, "session", fault="seen again")
