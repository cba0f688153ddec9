"""Who is put to sleep and who is removed by the platform itself, whose workspace ends, and who is woken by whom."""

from __future__ import annotations

import datetime
import os
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from tests.fakes.sessions import FakeWorkspaces, Fuse, World
from tests.webapp.sessions.test_reconciler import ask, begin, cluster_of, seen
from webapp.accounts import services as accounts
from webapp.accounts import signin
from webapp.accounts.models import AuditEntry, BrowserSession, Role, User
from webapp.database import Database
from webapp.database.base import now
from webapp.grading import services as grading
from webapp.sessions import services
from webapp.sessions.access import audit_log
from webapp.sessions.models import Because, Desired, LabSession, Observed
from webapp.sessions.reconciler import sleeping
from webapp.sessions.reconciler.pause import Calendar
from webapp.sessions.reconciler.preparing import Doors

Users = Callable[[str], User]
HALF_AN_HOUR = 30 * 60


@pytest.fixture
def idle(world: World) -> World:
    """A portal in which half an hour without activity is too long."""
    world.settings = replace(world.settings, idle_minutes=30)
    world.begin()
    return world


def turns(world: World, number: int = 5) -> None:
    for _ in range(number):
        world.turn()


def minutes(world: World, number: int) -> None:
    for _ in range(number):
        world.seconds += 60
        world.turn()


def last_active(world: World, session: str, **ago: float) -> None:
    """As if its student had last been at it so long ago."""
    with Database.transaction(world.database) as db:
        at = now() - datetime.timedelta(**ago)
        db.execute(update(LabSession).where(LabSession.id == session).values(last_activity_at=at))


def deeds(world: World) -> list[tuple[str, str]]:
    """What the platform did by itself, and why."""
    asked = select(AuditEntry).where(AuditEntry.actor_id.is_(None)).order_by(AuditEntry.id)
    with world.database.reading() as db:
        return [(e.action, e.detail.get("because", "")) for e in db.scalars(asked) if e.action != "user added"]


def test_the_platforms_own_deeds_are_written_down(idle: World, user: Users) -> None:
    slept = begin(idle, user("ada"))
    turns(idle)
    idle.seconds += HALF_AN_HOUR + 60
    turns(idle)
    assert seen(idle, slept).because is Because.IDLE
    with idle.database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "put to sleep")).one()
    assert (entry.actor_id, entry.subject, entry.detail) == (None, "lamp", {"user": "ada", "because": "idle"})
    begin(idle, user("ada"))
    assert seen(idle, slept).because is None, "now she wants it to run"
    turns(idle)
    idle.provider.vanish(cluster_of(idle, slept))
    turns(idle)
    assert deeds(idle) == [("put to sleep", "idle"), ("cluster lost", "")]


def test_what_is_finished_and_sleeps_is_removed(idle: World, user: Users) -> None:
    finished, other = begin(idle, user("ada")), begin(idle, user("bob"))
    turns(idle)
    ask(idle, finished, grading.submit)
    turns(idle)
    for session in (finished, other):
        ask(idle, session, services.stop)
    turns(idle)
    assert seen(idle, finished).observed is Observed.STOPPED
    cluster = cluster_of(idle, finished)
    minutes(idle, 28)
    assert seen(idle, finished).observed is Observed.STOPPED
    minutes(idle, 5)
    assert seen(idle, finished).observed is Observed.REMOVED
    assert cluster not in [c.name for c in idle.provider.list()]
    assert seen(idle, other).observed is Observed.STOPPED, "her work is nowhere else"
    assert deeds(idle) == [("removed", "finished")]
    with idle.database.reading() as db:
        gone = services.removed(db, user("ada"), "lamp")
    assert gone is not None and gone.because is Because.FINISHED


def test_what_sleeps_for_too_many_days_is_removed(idle: World, user: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin(idle, user("ada"))
    turns(idle)
    ask(idle, session, services.stop)
    turns(idle)
    began, real = idle.seconds, now()
    monkeypatch.setattr(sleeping, "now", lambda: real + datetime.timedelta(seconds=idle.seconds - began))
    minutes(idle, 70)
    idle.seconds += 29 * 86400
    minutes(idle, 70)
    assert seen(idle, session).observed is Observed.STOPPED
    idle.seconds += 86400
    turns(idle)
    assert seen(idle, session).observed is Observed.REMOVED
    assert seen(idle, session).because is Because.EXPIRED


def test_a_clock_that_jumps_a_year_removes_nothing(idle: World, user: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begin(idle, user("ada"))
    turns(idle)
    ask(idle, session, services.stop)
    turns(idle)
    minutes(idle, 40)
    real = sleeping.now
    monkeypatch.setattr(sleeping, "now", lambda: real() + datetime.timedelta(days=365))
    minutes(idle, 40)
    assert seen(idle, session).observed is Observed.STOPPED


def test_the_calendar_is_trusted_once_both_clocks_have_gone_together_for_an_hour() -> None:
    ticks, wall = 0.0, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    calendar = Calendar(lambda: ticks)

    def pass_by(seconds: float, jump: float = 0.0) -> bool:
        nonlocal ticks, wall
        ticks += seconds
        wall += datetime.timedelta(seconds=seconds + jump)
        return calendar.trusted(wall)

    assert not any(pass_by(60) for _ in range(60))
    assert pass_by(60)
    assert not pass_by(60, jump=86400)
    assert not any(pass_by(60) for _ in range(59))
    assert pass_by(60)


def test_a_portal_that_comes_up_wakes_only_whom_somebody_is_waiting_for(world: World, user: Users) -> None:
    here, away = begin(world, user("ada")), begin(world, user("bob"))
    in_the_queue = [begin(world, user(name)) for name in ("eve", "ida", "zoe")]
    world.settle()
    for name in [c.name for c in world.provider.list()]:
        world.provider.stop(name)
    for session in (away, in_the_queue[-1]):
        last_active(world, session, hours=1)
    workspaces = world.workspaces.opened = set()
    world.begin()
    turns(world)
    assert seen(world, here).observed is Observed.RUNNING
    for session in (away, in_the_queue[-1]):
        assert seen(world, session).observed is Observed.STOPPED
        assert seen(world, session).because is Because.RESTART
    assert not {"bob", "zoe"} & workspaces
    begin(world, user("bob"))
    turns(world)
    assert seen(world, away).observed is Observed.RUNNING
    assert world.labs_started.count(cluster_of(world, away)) == 1, "with the work in it"


def test_a_cluster_that_dies_under_somebody_who_reads_comes_back(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    turns(world)
    last_active(world, session, minutes=20)
    turns(world)
    world.provider.die(cluster_of(world, session))
    world.provider.stop(cluster_of(world, session))
    turns(world)
    assert seen(world, session).observed is Observed.RUNNING


def test_clusters_come_back_a_few_at_a_time(world: World, user: Users) -> None:
    sessions = [begin(world, user(name)) for name in ("ada", "bob", "eve", "ida")]
    world.settle()
    for name in [c.name for c in world.provider.list()]:
        world.provider.stop(name)
    world.begin()
    most = 0
    for _ in range(60):
        world.seconds += 3
        world.reconciler.run_pass()
        # Two are made at once here, and so no more are brought back at once.
        most = max(most, sum(key[0] == "cluster" for key, _ in world.crew.waiting))
        world.crew.run_one()
    assert most == 2
    world.settle()
    assert {seen(world, s).observed for s in sessions} == {Observed.RUNNING}


def test_a_workspace_that_no_session_needs_ends(idle: World, user: Users) -> None:
    slept, works = begin(idle, user("ada")), begin(idle, user("bob"))
    turns(idle)
    assert idle.workspaces.opened == {"ada", "bob"}
    for _ in range(40):
        idle.seconds += 60
        with Database.transaction(idle.database) as db:
            session = db.get(LabSession, works)
            assert session is not None
            session.last_activity_at = now()
        turns(idle, 1)
    turns(idle)
    assert seen(idle, slept).observed is Observed.STOPPED
    assert seen(idle, works).observed is Observed.RUNNING
    assert idle.workspaces.opened == {"bob"}
    begin(idle, user("ada"))
    turns(idle)
    assert idle.workspaces.opened == {"ada", "bob"}, "it comes back with the first lab"


def sign_in(world: World, user: User, **ago: float) -> None:
    """As if the user had signed in so long ago."""
    with Database.transaction(world.database) as db:
        db.flush()
        signin.begin(db, user)
        at = now() - datetime.timedelta(**ago)
        db.execute(update(BrowserSession).where(BrowserSession.user_id == user.id).values(created_at=at))


def test_who_has_just_come_finds_a_workspace_and_loses_it_where_no_lab_is_started(idle: World, user: Users) -> None:
    sign_in(idle, user("ada"), seconds=5)
    sign_in(idle, user("bob"), seconds=5)
    sign_in(idle, user("eve"), minutes=5)
    with Database.transaction(idle.database) as db:
        teacher = accounts.add_user(db, "ida", None, Role.INSTRUCTOR)
    sign_in(idle, teacher, seconds=5)
    turns(idle)
    assert idle.workspaces.opened == {"ada", "bob"}
    works = begin(idle, user("bob"))
    minutes(idle, 20)
    assert idle.workspaces.opened == {"ada", "bob"}
    last_active(idle, works, minutes=0)
    minutes(idle, 12)
    assert idle.workspaces.opened == {"bob"}


def test_no_more_have_a_workspace_than_can_be_at_work(world: World, user: Users) -> None:
    for name in ("ada", "bob", "eve", "ida", "joe"):
        sign_in(world, user(name), seconds=5)
    turns(world)
    assert world.workspaces.opened == {"ada", "bob", "eve", "ida"}, "there are four places"


def test_who_waits_behind_all_places_has_no_workspace_yet(world: World, user: Users) -> None:
    for name in ("ada", "bob", "eve", "ida", "joe"):
        begin(world, user(name))
        world.turn()
    assert world.workspaces.opened == {"ada", "bob", "eve", "ida"}
    world.settle()
    assert world.workspaces.opened == {"ada", "bob", "eve", "ida"}


def test_a_workspace_is_not_taken_from_somebody_who_just_stopped_a_lab(idle: World, user: Users) -> None:
    session = begin(idle, user("ada"))
    turns(idle)
    idle.workspaces.active["ada"] = now()
    ask(idle, session, services.stop)
    minutes(idle, 10)
    assert idle.workspaces.opened == {"ada"}
    idle.seconds += HALF_AN_HOUR
    turns(idle)
    assert idle.workspaces.opened == set()


def test_who_works_in_jupyterlab_is_not_put_to_sleep(idle: World, user: Users) -> None:
    other, used = begin(idle, user("ada"), "a"), begin(idle, user("ada"), "b")
    turns(idle)
    last_active(idle, other, minutes=1)
    for _ in range(45):
        idle.seconds += 60
        idle.workspaces.active["ada"] = now()
        turns(idle, 1)
    turns(idle)
    assert seen(idle, used).observed is Observed.RUNNING
    assert seen(idle, other).observed is Observed.STOPPED, "it counts for the lab that she was at last"
    idle.seconds += HALF_AN_HOUR + 60  # what is not heard anew is over
    turns(idle)
    assert seen(idle, used).observed is Observed.STOPPED


def test_who_uses_kubectl_is_not_put_to_sleep(idle: World, user: Users) -> None:
    used, other = begin(idle, user("ada"), "a"), begin(idle, user("ada"), "b")
    turns(idle)
    log = audit_log(cluster_of(idle, used))
    assert log is not None and audit_log("unknown") is None
    log.write_text("{}\n")
    for minute in range(45):
        idle.seconds += 60
        os.utime(log, (minute, minute))  # whatever time it is by that clock
        turns(idle, 1)
    turns(idle)
    assert seen(idle, used).observed is Observed.RUNNING
    assert seen(idle, other).observed is Observed.STOPPED


def test_what_was_heard_before_is_no_activity_after_a_restart(idle: World, user: Users) -> None:
    session = begin(idle, user("ada"))
    turns(idle)
    last_active(idle, session, hours=2)
    at = seen(idle, session).last_activity_at
    idle.workspaces.active["ada"] = at + datetime.timedelta(minutes=30)
    idle.begin()
    idle.reconciler.presence.look()
    assert seen(idle, session).last_activity_at == at + datetime.timedelta(minutes=30)
    idle.begin()
    idle.workspaces.active["ada"] = now() + datetime.timedelta(days=400)  # a clock that has jumped, and back
    idle.reconciler.presence.look()
    assert seen(idle, session).last_activity_at == at + datetime.timedelta(minutes=30)


def test_who_opens_a_workspace_while_it_ends_waits_and_has_a_new_one() -> None:
    class Slow(FakeWorkspaces):
        def stop(self, user: str) -> None:
            stopping.set()
            assert may_stop.wait(30)
            super().stop(user)

    stopping, may_stop = threading.Event(), threading.Event()
    workspaces = Slow(Fuse())
    workspaces.opened.add("ada")
    doors = Doors(workspaces, lambda step: threading.Thread(target=step, daemon=True).start())
    closing = threading.Thread(target=doors.close, args=("ada", lambda: True))
    closing.start()
    assert stopping.wait(30)
    opened = doors.open("ada")
    assert not opened.done()
    may_stop.set()
    opened.result(timeout=30)
    closing.join()
    assert workspaces.opened == {"ada"}
    doors.close("ada", lambda: False)
    assert workspaces.opened == {"ada"}, "it is wanted again"


def test_the_relay_is_told_once_the_database_is_free(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    held: list[bool] = []

    def tell(_: User) -> None:
        with Database.transaction(world.database) as db:  # would wait for ever for its own thread
            held.append(db.get(LabSession, session).desired is Desired.STOPPED)  # type: ignore[union-attr]

    world.workspaces.tell = tell  # type: ignore[method-assign]
    ask(world, session, services.stop)
    world.settle()
    assert held == [True]
