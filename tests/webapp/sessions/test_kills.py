"""Random lives of a portal with kill -9 at random points: before, in the middle of and after every step and commit.

Whatever happened, once it is left alone everything comes to where it should be, and nothing was lost or doubled.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from grader import evidence as documents
from tests.fakes.sessions import World
from tests.webapp.postgres import fresh
from webapp.accounts import services as accounts
from webapp.accounts.models import User
from webapp.database import Database
from webapp.database.base import Base
from webapp.errors import Refused
from webapp.grading import services as grading
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions import services
from webapp.sessions.models import Desired, LabSession, Observed, PoolCluster, PoolState
from webapp.settings import Settings, from_environment

USERS, LABS = ("ada", "bob", "eve"), ("a", "b")
DEEDS = (
    "misfortune",
    "start",
    "start",
    "start",
    "stop",
    "reset",
    "remove",
    "submit",
    "submit",
    "die",
    "vanish",
    "turn",
    "turn",
    "kill",
)
EXAMPLES = int(os.environ.get("SEATRIAL_KILL_EXAMPLES", "25"))


class Life:
    """What the students do, what befalls the clusters, and what must hold at every moment."""

    def __init__(self, settings: Settings, chance: random.Random) -> None:
        self.world, self.chance = World(settings), chance
        self.expected: dict[str, str] = {}  # submission -> the cluster that it was made for
        with Database.transaction(self.world.database) as db:
            self.users = {name: accounts.add_user(db, name, None) for name in USERS}

    def deed(self, name: str) -> None:
        if name == "turn":
            self.world.turn(self.chance)
        elif name == "kill":
            self.world.fuse.left = self.chance.randrange(25)
            for _ in range(3):
                self.world.turn(self.chance)
            self.world.fuse.left = None
        elif name in ("die", "vanish"):
            self._befall(name)
        elif name == "misfortune":  # Handed in, and before anybody has looked, the cluster is gone or silent.
            self._ask("submit", self.users["ada"], "a")
            self._befall(self.chance.choice(("die", "vanish")))
            self._ask("reset", self.users["ada"], "a")
        else:
            self._ask(name, self.users[self.chance.choice(USERS)], self.chance.choice(LABS))
        self.holds()

    def _befall(self, what: str) -> None:
        names = [c.name for c in self.world.provider.list() if c.state == "running"]
        if names:
            name = self.chance.choice(names)
            self.world.provider.die(name) if what == "die" else self.world.provider.vanish(name)

    def _ask(self, what: str, user: User, lab: str) -> None:
        # The portal is another process, which no kill of ours touches.
        with Database.transaction(self.world.database) as db:
            if what == "start":
                services.start(db, user, lab)
                return
            session = services.current(db, user, lab)
            if session is None:
                return
            try:
                if what == "submit":
                    made = grading.submit(db, session)
                    assert session.cluster is not None
                    self.expected[made.id] = session.cluster.name
                else:
                    getattr(services, what)(db, session)
            except Refused:
                pass  # Such as to submit what does not run.

    def holds(self) -> None:
        """Invariants of every moment, also just after a kill."""
        with self.world.database.reading() as db:
            clusters = list(db.scalars(select(PoolCluster)).unique())
            grades = list(db.scalars(select(Grade.submission_id)))
            submissions = list(db.scalars(select(Submission)).unique())
        owners = [c.session_id for c in clusters if c.session_id]
        assert len(owners) == len(set(owners)), "two clusters for a session"
        assert all(c.session_id or c.state not in (PoolState.CLAIMED, PoolState.STOPPED) for c in clusters)
        assert len(grades) == len(set(grades)), "graded twice"
        graded = {s.id for s in submissions if s.state is SubmissionState.GRADED}
        assert graded == set(grades), "a grade without its state, or a state without its grade"
        assert {s.id for s in submissions} == set(self.expected), "a submission was lost"
        assert self.world.provider.most <= self.world.settings.clusters, "more clusters than there is room for"

    def rest(self) -> None:
        """What holds once nothing happens any more."""
        world = self.world
        world.settle()
        self.holds()
        with world.database.reading() as db:
            sessions = list(db.scalars(select(LabSession)).unique())
            clusters = {c.name: c for c in db.scalars(select(PoolCluster)).unique()}
            submissions = list(db.scalars(select(Submission)).unique())
            evidence = {s.id: s.evidence for s in submissions}
        there = {c.name: c.state for c in world.provider.list()}
        assert set(there) == set(clusters), "a cluster is leaked, or a row is"
        running = (PoolState.READY, PoolState.CLAIMED)
        assert all((there[name] == "running") == (c.state in running) for name, c in clusters.items())
        in_use = [c for c in clusters.values() if c.state is PoolState.CLAIMED]
        ready = [c for c in clusters.values() if c.state is PoolState.READY]
        full = len(in_use) >= world.settings.clusters
        for session in sessions:
            self._session(session, full=full)
        waiting = [s for s in sessions if s.desired is Desired.RUNNING and s.observed is not Observed.RUNNING]
        assert not (waiting and ready), "somebody waits beside a ready cluster"
        assert len(ready) == min(world.settings.pool, world.settings.clusters - len(in_use))
        for submission in submissions:
            content = evidence[submission.id]
            if submission.state is SubmissionState.GRADED:
                assert content is not None
                found = documents.load(zlib.decompress(content))
                assert found.kubernetes == self.expected[submission.id], "graded from another cluster"
            else:
                given_up = submission.state is SubmissionState.FAILED and submission.retry_at is None
                assert given_up or self._sleeps(sessions, submission), (submission.state, submission.fault)

    def _session(self, session: LabSession, *, full: bool) -> None:
        if session.desired is Desired.RUNNING:
            there = session.observed is Observed.RUNNING and session.observed_generation == session.generation
            assert there or (full and session.observed in (Observed.WAITING, Observed.STOPPED)), session.observed
        elif session.desired is Desired.STOPPED:
            assert session.observed is Observed.STOPPED
        else:
            assert session.observed is Observed.REMOVED and session.cluster is None

    def _sleeps(self, sessions: list[LabSession], submission: Submission) -> bool:
        """It waits for its session's cluster, which sleeps."""
        session = next(s for s in sessions if s.id == submission.session_id)
        return session.observed is not Observed.RUNNING


@contextmanager
def portal(server: str | None = None) -> Iterator[Settings]:
    """A portal with an empty database: on that PostgreSQL server, or else a file in memory."""
    fast = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="seatrial-kills-", dir=fast if fast.is_dir() else None))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_DATA_HOME", str(folder / "data"))
            made = from_environment({"SEATRIAL_DATA": str(folder), "SEATRIAL_CLUSTERS": "3", "SEATRIAL_POOL": "1"})
            made = replace(made, idle_minutes=10**6)
            if server is not None:
                with fresh(server, "template") as url:
                    yield replace(made, database_url=url)
                return
            database = Database(made.database_url, create=True)
            Base.metadata.create_all(database.engine)
            database.close()
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def server(backend: str, request: pytest.FixtureRequest) -> str | None:
    """The PostgreSQL server that this run is on, None for SQLite."""
    return str(request.getfixturevalue("postgres")) if backend == "postgres" else None


@hypothesis_settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deeds=st.lists(st.sampled_from(DEEDS), min_size=5, max_size=40), seed=st.integers(0, 2**32))
def test_nothing_is_lost_or_doubled(server: str | None, deeds: list[str], seed: int) -> None:
    with portal(server) as settings:
        life = Life(settings, random.Random(seed))  # noqa: S311 - repeatable, not secret
        try:
            for deed in deeds:
                life.deed(deed)
            life.rest()
        finally:
            life.world.database.close()


def test_a_kill_at_each_single_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """One life, killed at its first point, at its second, … until it is so short that no kill comes."""
    script = (
        "turn",
        "start",
        "turn",
        "turn",
        "submit",
        "turn",
        "reset",
        "turn",
        "stop",
        "turn",
        "start",
        "turn",
        "remove",
    )
    kills = 0
    for point in range(10_000):
        with portal() as settings:
            life = Life(settings, random.Random(1))  # noqa: S311 - repeatable, not secret
            monkeypatch.setattr(life, "chance", _First())
            life.world.fuse.left = point
            try:
                for deed in script:
                    life.deed(deed)
                killed, life.world.fuse.left = life.world.kills, None
                life.rest()
                assert all(s is SubmissionState.GRADED for s in _states(life)), "it was graded in the end"
            finally:
                life.world.database.close()
        kills += killed
        if not killed:
            break
    assert kills > 40


def _states(life: Life) -> list[SubmissionState]:
    with life.world.database.reading() as db:
        return list(db.scalars(select(Submission.state)))


class _First(random.Random):
    """Always the first choice: the same student and the same lab."""

    def random(self) -> float:
        return 0.0

    def getrandbits(self, k: int, /) -> int:
        return 0
