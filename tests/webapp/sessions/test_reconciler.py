"""Every transition of a session, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from clusters.errors import PermanentError
from grader import labfile
from grader.labfile import LoadedLab
from grader.model import LabError
from proving import images
from tests.fakes.sessions import LAMP, World
from webapp.accounts.models import User
from webapp.errors import PortalError, Refused
from webapp.grading import services as grading
from webapp.grading.models import Submission, SubmissionState
from webapp.sessions import labs, services
from webapp.sessions.models import Because, LabSession, Observed, Pass, PoolCluster, PoolState
from webapp.sessions.reconciler.pool import family

Users = Callable[[str], User]
QUAY = LAMP.parent / "91-quay"


def begin(world: World, user: User, lab: str = "lamp") -> str:
    with world.database.transaction() as db:
        return services.start(db, user, lab).id


def ask(world: World, session_id: str, what: Callable[..., object], *args: object) -> None:
    with world.database.transaction() as db:
        session = db.get(LabSession, session_id)
        assert session is not None
        what(db, session, *args)


def seen(world: World, session_id: str) -> LabSession:
    with world.database.reading() as db:
        session = db.get(LabSession, session_id)
        assert session is not None
        return session


def cluster_of(world: World, session_id: str) -> str:
    cluster = seen(world, session_id).cluster
    assert cluster is not None
    return cluster.name


def submission(world: World, submission_id: str) -> Submission:
    with world.database.reading() as db:
        found = db.get(Submission, submission_id)
        assert found is not None
        assert found.grade is None or found.grade.score == 2.0
        return found


def test_the_pool_fills_and_stays_full(world: World) -> None:
    world.settle()
    assert len(world.clusters(PoolState.READY)) == 2
    assert {c.state for c in world.provider.list()} == {"running"}


def test_a_cluster_has_what_any_of_the_labs_needs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quay = labfile.read(QUAY)
    wide = replace(quay, spec=quay.spec.model_copy(update={"nodes": 3, "needs": ()}))
    whole = {"lamp": labfile.read(LAMP), "quay": quay, "wide": wide}

    def load(slug: str, _: str) -> LoadedLab:
        if slug not in whole:
            raise LabError(f"{slug} cannot be read")
        return whole[slug]

    monkeypatch.setattr(labs, "slugs", lambda: [*whole, "torn"])
    monkeypatch.setattr(labs, "load", load)
    world.settle()
    assert world.provider.asked is not None
    assert (world.provider.asked.nodes, world.provider.asked.extras) == (3, {"ingress"})


def test_clusters_are_warmed_up_once_while_nobody_waits(world: World, user: Users) -> None:
    world.settle()
    assert world.fuse.passed.count("warm up") == 2
    for name in ("ada", "bob", "eve"):
        begin(world, user(name))
    while world.fuse.passed.count("lab started") < 3:
        world.turn()
    assert world.fuse.passed.count("warm up") == 2, "the third was handed over as soon as it was made"
    world.settle()
    assert world.fuse.passed.count("warm up") == 3, "the one that is ready now"


def test_a_start_claims_a_ready_cluster_and_the_pool_is_filled_up(world: World, user: Users) -> None:
    world.settle()
    ready = world.clusters(PoolState.READY)
    session = begin(world, user("ada"))
    world.turn()
    one = seen(world, session)
    assert (one.observed, one.observed_generation, one.fault) == (Observed.RUNNING, 1, None)
    assert one.cluster is not None and one.cluster.name in ready
    assert one.ready_at is not None and one.lab_digest
    assert world.workspaces.opened == {"ada"}
    assert ("ada", "lamp") in world.workspaces.delivered
    world.settle()
    assert len(world.clusters(PoolState.READY)) == 2


def test_reset_swaps_in_a_fresh_cluster_and_removes_the_old_one(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    old = cluster_of(world, session)
    ask(world, session, services.reset)
    ask(world, session, services.reset)  # A second press is the same reset.
    world.settle()
    one = seen(world, session)
    assert (one.observed, one.generation, one.observed_generation) == (Observed.RUNNING, 2, 2)
    assert cluster_of(world, session) != old
    assert old not in [c.name for c in world.provider.list()]


def test_stop_keeps_the_state_and_start_brings_it_back(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    ask(world, session, services.stop)
    world.settle()
    assert seen(world, session).observed is Observed.STOPPED
    assert {c.name: c.state for c in world.provider.list()}[cluster] == "stopped"
    assert world.workspaces.delivered == {}, "the way to a cluster that sleeps is closed"
    assert begin(world, user("ada")) == session
    world.settle()
    assert seen(world, session).observed is Observed.RUNNING
    assert cluster_of(world, session) == cluster
    assert world.labs_started.count(cluster) == 1, "the lab was not put in again over the student's work"


def test_removed_sessions_leave_no_cluster_and_a_new_start_is_a_new_session(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    ask(world, session, services.remove)
    again = begin(world, user("ada"))
    assert again != session
    world.settle()
    assert seen(world, session).observed is Observed.REMOVED
    assert cluster not in [c.name for c in world.provider.list()]
    assert seen(world, again).observed is Observed.RUNNING
    with pytest.raises(Refused):
        ask(world, session, services.reset)


def test_idle_sessions_sleep_finished_ones_go(world: World, user: Users) -> None:
    world.settings = replace(world.settings, idle_minutes=30)
    world.begin()
    idle, finished, active = (begin(world, user(name)) for name in ("ada", "bob", "eve"))
    world.turn()
    world.turn()
    with world.database.transaction() as db:
        handed_in = db.get(LabSession, finished)
        assert handed_in is not None
        grading.submit(db, handed_in)
    world.turn()
    world.seconds += 29 * 60
    with world.database.transaction() as db:
        session = db.get(LabSession, active)
        assert session is not None
        session.last_activity_at = session.last_activity_at.replace(year=2001)  # Even where the clock is wrong.
    world.turn()
    assert {seen(world, s).observed for s in (idle, finished, active)} == {Observed.RUNNING}
    world.seconds += 2 * 60
    for _ in range(4):
        world.turn()
    assert seen(world, idle).observed is Observed.STOPPED
    assert seen(world, finished).observed is Observed.REMOVED
    assert seen(world, active).observed is Observed.RUNNING


def test_what_was_begun_after_a_reset_is_not_finished(world: World, user: Users) -> None:
    """Full marks were handed in, then the lab was begun anew: to sleep with it, since that work is nowhere else."""
    world.settings = replace(world.settings, idle_minutes=30)
    world.begin()
    session = begin(world, user("ada"))
    world.turn()
    world.turn()
    ask(world, session, grading.submit)
    world.turn()
    ask(world, session, services.reset)
    for _ in range(4):
        world.turn()
    again = cluster_of(world, session)
    assert seen(world, session).observed is Observed.RUNNING
    world.seconds += 31 * 60
    for _ in range(4):
        world.turn()
    assert seen(world, session).observed is Observed.STOPPED
    assert cluster_of(world, session) == again


def test_a_jump_of_the_clock_puts_nobody_to_sleep(world: World, user: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settings = replace(world.settings, idle_minutes=30)
    world.begin()
    session = begin(world, user("ada"))
    world.turn()
    from webapp.sessions.reconciler import loop, presence, sleeping

    real = loop.now
    for years in (2000, 2090):
        for module in (loop, presence, sleeping):
            monkeypatch.setattr(module, "now", lambda years=years: real().replace(year=years))
        world.turn()
        assert seen(world, session).observed is Observed.RUNNING


def test_a_cluster_that_died_is_started_again_with_its_state(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    world.provider.die(cluster)
    world.settle()
    assert seen(world, session).observed is Observed.RUNNING
    assert cluster_of(world, session) == cluster
    assert world.labs_started.count(cluster) == 1


def test_a_workspace_that_ended_comes_back_while_its_student_is_there(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.turn()
    world.workspaces.opened.clear()
    for _ in range(5):
        world.turn()
    assert world.workspaces.opened == {"ada"}
    with world.database.transaction() as db:
        row = db.get(LabSession, session)
        assert row is not None
        row.last_activity_at = row.last_activity_at.replace(year=2001)
    world.workspaces.opened.clear()
    for _ in range(5):
        world.turn()
    assert world.workspaces.opened == set(), "nobody is there"


def test_a_cluster_that_vanished_is_replaced_and_the_student_is_told(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    world.provider.vanish(cluster)
    world.settle()
    one = seen(world, session)
    assert one.observed is Observed.RUNNING and cluster_of(world, session) != cluster
    assert one.fault is not None and "lost" in one.fault
    assert cluster not in world.clusters()


def test_ready_clusters_that_are_gone_are_replaced(world: World, user: Users) -> None:
    world.settle()
    for name in world.clusters(PoolState.READY):
        world.provider.vanish(name)
    world.settle()
    session = begin(world, user("ada"))
    world.settle()
    assert seen(world, session).observed is Observed.RUNNING


def test_ready_clusters_come_back_after_the_portal_was_down(world: World) -> None:
    world.settle()
    ready = world.clusters(PoolState.READY)
    for name in ready:
        world.provider.stop(name)
    world.begin()
    world.settle()
    assert world.clusters(PoolState.READY) == ready


def test_a_lab_that_cannot_be_put_in_says_so_and_is_tried_again(world: World, user: Users) -> None:
    world.workspaces.fault = PortalError("the Hub does not answer")
    session = begin(world, user("ada"))
    for _ in range(4):
        world.turn()
    one = seen(world, session)
    assert one.observed is Observed.FAILED and one.retry_at is not None
    assert one.fault is not None and "the Hub does not answer" in one.fault
    world.workspaces.fault = None
    world.settle()
    one = seen(world, session)
    assert (one.observed, one.fault, one.failures, one.retry_at) == (Observed.RUNNING, None, 0, None)


def test_a_lab_whose_image_is_missing_names_it_and_keeps_its_cluster(
    world: World, user: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle()
    world.provider.lacks = ("nginx:1.27",)
    monkeypatch.setattr(images, "wanted", lambda _: ("nginx:1.27",))
    session = begin(world, user("ada"))
    for _ in range(4):
        world.turn()
    one = seen(world, session)
    assert one.fault == "this lab runs nginx:1.27, which this machine does not have; tell your instructor"
    had = cluster_of(world, session)
    world.provider.lacks = ()
    world.settle()
    assert (seen(world, session).observed, cluster_of(world, session)) == (Observed.RUNNING, had)


def test_where_no_cluster_can_be_made_those_who_wait_are_told(world: World, user: Users) -> None:
    world.provider.fails = PermanentError("the disk is full")
    session = begin(world, user("ada"))
    for _ in range(3):
        world.turn()
    one = seen(world, session)
    assert one.observed is Observed.FAILED and one.fault is not None and "no cluster" in one.fault
    with world.database.reading() as db:
        row = db.get(Pass, "reconciler")
        assert row is not None and row.detail["fault"] == "the disk is full"
    world.provider.fails = None
    world.settle()
    assert seen(world, session).observed is Observed.RUNNING


def test_no_more_clusters_than_there_is_room_for_and_a_fair_queue(world: World, user: Users) -> None:
    first = [begin(world, user("ada"), lab) for lab in ("a", "b", "c", "d")]
    world.settle()
    assert all(seen(world, s).observed is Observed.RUNNING for s in first)
    fifth = begin(world, user("ada"), "e")
    late = begin(world, user("bob"), "a")
    with world.database.reading() as db:
        places = [services.place_in_queue(db, one) for s in (late, fifth) if (one := db.get(LabSession, s))]
    assert places == [1, 2], "bob's first session comes before ada's fifth, although she asked before him"
    world.settle()
    assert world.provider.most <= 4
    assert seen(world, late).observed is Observed.RUNNING, "ada has others, so one of hers makes room"
    assert seen(world, fifth).observed is Observed.WAITING
    assert [seen(world, s).because for s in first] == [Because.ROOM, None, None, None], "the least recently active one"
    # What sleeps needs a place as well to come back, and waits for it like everybody.
    begin(world, user("ada"), "a")
    world.settle()
    assert seen(world, first[0]).observed is Observed.STOPPED
    ask(world, late, services.stop)
    ask(world, fifth, services.remove)
    world.settle()
    assert seen(world, first[0]).observed is Observed.RUNNING
    assert world.provider.most <= 4


def test_whose_only_cluster_it_is_keeps_it_while_others_wait(world: World, user: Users) -> None:
    sessions = [begin(world, user(name)) for name in ("ada", "bob", "eve", "ida")]
    world.settle()
    waits = begin(world, user("zoe"))
    world.settle()
    assert {seen(world, s).observed for s in sessions} == {Observed.RUNNING}
    assert seen(world, waits).observed is Observed.WAITING


def test_a_ready_cluster_makes_room_for_one_that_comes_back(world: World, user: Users) -> None:
    sessions = [begin(world, user("ada"), lab) for lab in ("a", "b", "c", "d")]
    world.settle()
    for session in sessions[:2]:
        ask(world, session, services.stop)
    world.settle()
    assert len(world.clusters(PoolState.READY)) == 2
    for lab in ("a", "b"):
        begin(world, user("ada"), lab)
    world.settle()
    assert all(seen(world, s).observed is Observed.RUNNING for s in sessions)
    assert world.provider.most <= 4


def test_strays_of_this_portal_are_deleted_and_nobody_elses(world: World) -> None:
    from clusters.model import ClusterSpec

    ours = family(f"{world.settings.data}\0{world.settings.database_url}")
    for name in (f"{ours}abcdef", "seat-0000-abcdef", "mine"):
        world.provider.create(ClusterSpec(name))
    world.settle()
    names = [c.name for c in world.provider.list()]
    assert f"{ours}abcdef" not in names
    assert {"seat-0000-abcdef", "mine"} <= set(names)


def test_a_deleted_users_cluster_goes(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    with world.database.transaction() as db:
        db.delete(db.merge(user("ada")))
    world.settle()
    assert cluster not in [c.name for c in world.provider.list()]


def test_a_submission_is_collected_before_its_cluster_goes(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    cluster = cluster_of(world, session)
    with world.database.transaction() as db:
        row = db.get(LabSession, session)
        assert row is not None
        handed_in = grading.submit(db, row).id
        assert grading.submit(db, row).id == handed_in
        services.reset(db, row)
    world.settle()
    assert submission(world, handed_in).state is SubmissionState.GRADED
    with world.database.reading() as db:
        found = db.get(Submission, handed_in)
        assert found is not None
        assert f'"kubernetes":"{cluster}"'.encode() in grading.evidence_of(db, found)
    assert cluster_of(world, session) != cluster


def test_a_cluster_that_does_not_answer_costs_nothing(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    world.silent.add(cluster_of(world, session))
    with world.database.transaction() as db:
        row = db.get(LabSession, session)
        assert row is not None
        handed_in = grading.submit(db, row).id
    world.turn()
    one = submission(world, handed_in)
    assert one.state is SubmissionState.FAILED and one.grade is None and one.retry_at is not None and not one.given_up
    assert one.fault is not None and "nothing is lost" in one.fault
    world.silent.clear()
    # Whoever presses again hands in no second one; this one is tried at once.
    with world.database.transaction() as db:
        row = db.get(LabSession, session)
        assert row is not None
        assert grading.submit(db, row).id == handed_in
    world.turn()
    one = submission(world, handed_in)
    assert one.state is SubmissionState.GRADED and one.fault is None


def test_a_reset_does_not_wait_for_ever_for_a_cluster_that_never_answers(world: World, user: Users) -> None:
    session = begin(world, user("ada"))
    world.settle()
    world.silent.add(cluster_of(world, session))
    with world.database.transaction() as db:
        row = db.get(LabSession, session)
        assert row is not None
        handed_in = grading.submit(db, row).id
        services.reset(db, row)
    world.settle()
    assert seen(world, session).observed_generation == 2
    one = submission(world, handed_in)
    assert one.given_up and one.grade is None
    assert one.fault is not None and "submit again" in one.fault
    with world.database.reading() as db:
        assert db.scalars(select(Submission.id).where(Submission.given_up)).all() == [handed_in]


def test_a_pass_is_written_down(world: World) -> None:
    world.settle()
    with world.database.reading() as db:
        row = db.get(Pass, "reconciler")
    assert row is not None and row.detail["ready"] == 2


def test_rows_of_clusters_that_nobody_makes_any_more(world: World) -> None:
    with world.database.transaction() as db:
        db.add(PoolCluster(name="seat-0000-000000", provider="fake"))
    world.settle()
    assert "seat-0000-000000" not in world.clusters()
