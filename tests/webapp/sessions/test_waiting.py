"""The bell, the lock, the pauses, the facts, the queue: the small parts."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from clusters.errors import TransientError
from clusters.model import ClusterSpec
from tests.fakes.clusters import FakeProvider
from webapp.accounts.models import User
from webapp.database import Database
from webapp.sessions import queue, services, wake
from webapp.sessions.models import Desired, LabSession, PoolCluster, PoolState
from webapp.sessions.reconciler.alone import NotAlone, alone
from webapp.sessions.reconciler.facts import Facts
from webapp.sessions.reconciler.pause import Idleness, Rest, due, pause

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("deep", [1, 12])
def test_a_commit_rings_the_bell_and_a_rollback_does_not(tmp_path: Path, database: Database, deep: int) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * deep)
    bell = wake.Bell(folder)
    wake.at(folder)
    try:
        with pytest.raises(ZeroDivisionError), database.transaction() as db:
            wake.after_commit(db)
            raise ZeroDivisionError
        assert not bell.wait(0)
        with database.transaction() as db:
            wake.after_commit(db)
            wake.after_commit(db)
        assert bell.wait(0)
        assert not bell.wait(0), "one wait answers every ring"
        bell.ring()
        assert bell.wait(0)
    finally:
        bell.close()
        wake.at(tmp_path)
    wake.ring(folder)  # Nobody listens: nothing happens.


def test_many_rings_block_nobody(tmp_path: Path) -> None:
    bell = wake.Bell(tmp_path)
    try:
        for _ in range(2000):
            wake.ring(tmp_path)
        assert bell.wait(0)
        assert not bell.wait(0)
    finally:
        bell.close()


def test_one_reconciler_for_a_database(database: Database) -> None:
    second = Database(database.engine.url.render_as_string(hide_password=False))
    try:
        with alone(database) as held:
            assert held()
            with pytest.raises(NotAlone), alone(second, patience=0.0):
                raise AssertionError("two at once")
        with alone(second, patience=0.0) as held:
            assert held()
    finally:
        second.close()


def test_the_second_takes_over_when_the_first_ends(database: Database) -> None:
    second = Database(database.engine.url.render_as_string(hide_password=False))
    took, entered = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        with alone(second, patience=30.0):
            took.set()

    waiting = threading.Thread(target=wait)
    with alone(database):
        waiting.start()
        entered.wait()
        assert not took.is_set()
    waiting.join()
    assert took.is_set()
    second.close()


def test_pauses_grow_and_are_over_once_the_clock_says_so() -> None:
    assert [pause(n) for n in (0, 1, 2, 3, 40)] == [1.0, 1.0, 2.0, 4.0, 300.0]
    assert due(None, NOW)
    assert due(NOW, NOW)
    assert not due(NOW + datetime.timedelta(seconds=10), NOW)
    assert due(NOW + datetime.timedelta(days=1), NOW), "written before the clock was put back"
    clock = [0.0]
    rest = Rest(clock=lambda: clock[0])
    assert rest.over
    assert [rest.fail() for _ in range(3)] == [1.0, 2.0, 4.0]
    assert not rest.over
    clock[0] = 4.0
    assert rest.over
    assert rest.fail(at_least=30.0) == 30.0
    rest.recover()
    assert rest.over and rest.failures == 0


def test_idleness_goes_by_the_monotonic_clock() -> None:
    clock = [0.0]
    idleness = Idleness(600.0, lambda: clock[0])
    assert not idleness.idle("s", NOW - datetime.timedelta(days=400), NOW), "a minute's grace after a restart"
    clock[0] = 61.0
    assert idleness.idle("s", NOW - datetime.timedelta(days=400), NOW)
    assert not idleness.idle("s", NOW - datetime.timedelta(days=800), NOW), "any change is activity"
    clock[0] = 600.0
    assert not idleness.idle("s", NOW - datetime.timedelta(days=800), NOW + datetime.timedelta(days=9))
    idleness.keep(set())
    assert not idleness.idle("s", NOW + datetime.timedelta(days=3), NOW)


class LateProvider(FakeProvider):
    """Something happens while it is asked."""

    def __init__(self) -> None:
        self.meanwhile: list[tuple[str, str]] = []
        self.facts: Facts | None = None

    def list(self) -> list:  # type: ignore[type-arg]
        found = super().list()
        for name, state in self.meanwhile:
            assert self.facts is not None
            self.facts.note(name, state)  # type: ignore[arg-type]
        return found


def test_a_look_does_not_overrule_what_a_step_did_meanwhile() -> None:
    provider = LateProvider()
    facts = provider.facts = Facts(provider)
    assert facts.seen("a") is None
    provider.create(ClusterSpec("a"))
    provider.stop("a")
    provider.meanwhile = [("a", "running")]
    facts.look()
    assert facts.seen("a") == "running"
    assert facts.seen("b") == "gone"
    provider.meanwhile = []
    facts.look()
    assert facts.seen("a") == "stopped"
    facts.note("a", None)
    assert facts.seen("a") is None


def test_a_provider_that_does_not_answer_changes_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider()
    provider.create(ClusterSpec("a"))
    facts = Facts(provider)
    facts.look()

    def silent() -> list:  # type: ignore[type-arg]
        raise TransientError("nothing")

    monkeypatch.setattr(provider, "list", silent)
    with pytest.raises(TransientError):
        facts.look()
    assert facts.seen("a") == "running"


def session(user: int, minute: int, lab: str, state: PoolState | None = None) -> LabSession:
    made = LabSession(
        id=f"{user}{lab}",
        user_id=user,
        lab=lab,
        desired=Desired.RUNNING,
        asked_at=NOW + datetime.timedelta(minutes=minute),
    )
    if state is not None:
        made.cluster = PoolCluster(name=f"{user}{lab}", state=state)
    return made


def test_everybodys_first_comes_before_anybodys_second() -> None:
    asked = [session(1, 0, "a"), session(1, 1, "b"), session(2, 2, "a"), session(3, 3, "a", PoolState.STOPPED)]
    assert [s.id for s in queue.in_order(asked, Counter())] == ["1a", "2a", "3a", "1b"]
    assert [s.id for s in queue.in_order(asked, Counter({2: 1}))] == ["1a", "3a", "1b", "2a"]
    running = session(4, 0, "a", PoolState.CLAIMED)
    assert queue.in_order([running], Counter({4: 1})) == []


def test_two_tabs_make_one_session(database: Database, lamps: None) -> None:
    with database.transaction() as db:
        db.add(User(name="ada"))
    ids: list[str] = []

    def tab() -> None:
        with database.transaction() as db:
            ada = db.query(User).one()
            ids.append(services.start(db, ada, "lamp").id)

    tabs = [threading.Thread(target=tab) for _ in range(8)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()
    assert len(ids) == 8 and len(set(ids)) == 1


def test_hints_hands_and_activity_are_written_down(database: Database) -> None:
    with database.transaction() as db:
        db.add(User(name="ada"))
        db.flush()
        one = services.start(db, db.query(User).one(), "lamp")
        services.raise_hand(db, one, True)
        first = one.hand_raised_at
        services.raise_hand(db, one, True)
        assert one.hand_raised_at == first is not None
        services.raise_hand(db, one, False)
        assert one.hand_raised_at is None
        one.last_activity_at = NOW
        services.touch(db, one)
        assert one.last_activity_at > NOW
        before = one.last_activity_at
        services.touch(db, one)
        assert one.last_activity_at == before, "not at every request"


def test_the_process_says_why_it_cannot_work(tmp_path: Path) -> None:
    env = {**os.environ, "SEATRIAL_DATA": str(tmp_path), "SEATRIAL_PROVIDER": "nonsense", "SEATRIAL_POOL": "0"}
    command = [sys.executable, "-m", "webapp.sessions.reconciler"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("reconciler: there is no provider 'nonsense'")
    assert "Traceback" not in done.stderr
