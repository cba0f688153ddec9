"""A reconciler whose threads, clock, clusters, workspaces and grader are at the test's hand, and that can be killed."""

from __future__ import annotations

import contextlib
import datetime
import functools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clusters import store
from clusters.errors import ClusterError, PermanentError
from clusters.model import Cluster, ClusterSpec
from grader import labfile
from grader.labfile import LoadedLab
from grader.model import CheckResult, ClusterUnreachable, Evidence, Outcome, Report, Snapshot, TaskResult
from tests.fakes.clusters import FakeProvider
from webapp.accounts.models import User
from webapp.database import Database
from webapp.database.base import now
from webapp.grading.models import Submission
from webapp.grading.work import Grader
from webapp.sessions.access import Stand
from webapp.sessions.models import LabSession, PoolCluster, PoolState
from webapp.sessions.reconciler.crew import Crew, Key, Step
from webapp.sessions.reconciler.loop import Parts, Reconciler
from webapp.settings import Settings

LAMP = Path(__file__).parent / "labs" / "90-lamp"


class Killed(BaseException):
    """kill -9: nothing more of this process is run, not even what catches every Exception."""


class Fuse:
    """Kills at the n-th point that is passed. Every point is one before or after which a real kill could come."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.passed: list[str] = []

    def __call__(self, point: str) -> None:
        self.passed.append(point)
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed(point)


class MortalProvider(FakeProvider):
    """A provider in which a kill may come before, in the middle of and after everything; nothing is put away then."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.fails: ClusterError | None = None
        self.most = 0

    def _work(self, spec: ClusterSpec) -> None:
        self.fuse("create half-way")

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        self.fuse("create")
        if self.fails is not None:
            raise self.fails
        made = super().create(spec, keep_on_failure=True)
        self._count()
        self.fuse("created")
        return made

    def delete(self, name: str) -> None:
        self.fuse("delete")
        super().delete(name)
        self.fuse("deleted")

    def stop(self, name: str) -> None:
        self.fuse("stop")
        super().stop(name)
        self.fuse("stopped")

    def start(self, name: str) -> None:
        self.fuse("start")
        super().start(name)
        self._count()
        self.fuse("started")

    def _count(self) -> None:
        self.most = max(self.most, sum(c.state == "running" for c in self.list()))

    def die(self, name: str) -> None:
        """Its processes end by themselves."""
        (store.folder(name) / "alive").unlink(missing_ok=True)

    def vanish(self, name: str) -> None:
        """Its folder is deleted by somebody."""
        store.remove(name)


class MortalDatabase(Database):
    """A database in which a kill may come just before and just after every commit."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self.fuse = fuse

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        with super().transaction() as db:
            yield db
            self.fuse("commit")
        self.fuse("committed")


class FakeWorkspaces:
    """Remembers what it was asked for."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.fault: Exception | None = None
        self.opened: set[str] = set()
        self.delivered: dict[tuple[str, str], str] = {}
        self.active: dict[str, datetime.datetime] = {}
        self.told: list[str] = []

    def ensure(self, user: str) -> None:
        self.fuse("ensure")
        if self.fault is not None:
            raise self.fault
        self.opened.add(user)

    def deliver(self, user: User, session: LabSession, kubeconfig: str, lab: LoadedLab) -> None:
        self.fuse("deliver")
        self.delivered[user.name, lab.slug] = kubeconfig

    def withdraw(self, user: User, slug: str) -> None:
        self.fuse("withdraw")
        self.delivered.pop((user.name, slug), None)

    def tell(self, user: User) -> None:
        self.fuse("tell")
        self.told.append(user.name)

    def running(self) -> dict[str, datetime.datetime | None]:
        self.fuse("running")
        return {user: self.active.get(user) for user in self.opened}

    def stop(self, user: str) -> None:
        self.fuse("stop workspace")
        self.opened.discard(user)


class HandCrew(Crew):
    """Steps wait until the test runs them, in any order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(1, lambda: None, clock)
        self.waiting: deque[tuple[Key, Step]] = deque()

    def _run(self, key: Key, step: Step) -> None:
        self.waiting.append((key, step))

    def aside(self, step: Step) -> None:
        step()

    def run_one(self, which: int = 0) -> bool:
        """Run one of the waiting steps to its end. Whether there was one."""
        if not self.waiting:
            return False
        self.waiting.rotate(-(which % len(self.waiting)))
        self._do(*self.waiting.popleft())
        return True


@functools.cache
def lamp() -> LoadedLab:
    """The lab that every slug stands for."""
    return labfile.read(LAMP)


def lab_of(slug: str, student: str, **_: Any) -> LoadedLab:
    """In place of webapp.sessions.labs.load: reading a lab from disk takes longer than all the rest."""
    return replace(lamp(), slug=slug)


class World:
    """One portal: a database, clusters, and a reconciler that is replaced by a fresh one when it was killed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fuse = Fuse()
        self.database = MortalDatabase(settings.database_url, self.fuse)
        self.provider = MortalProvider(self.fuse)
        self.workspaces = FakeWorkspaces(self.fuse)
        self.seconds = 1000.0
        self.kills = 0
        self.labs_started: list[str] = []
        self.silent: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """A fresh process: nothing of the last one is known."""
        self.crew = HandCrew(self.clock)
        grader = Grader(self.database, lambda: "", self.collect)
        self.reconciler = Reconciler(
            Parts(
                self.settings,
                self.database,
                self.provider,
                self.workspaces,
                grader,
                self.crew,
                makers=2,
                clock=self.clock,
                start_lab=self.start_lab,
                warm_up=lambda _: self.fuse("warm up"),
            )
        )

    def clock(self) -> float:
        return self.seconds

    def start_lab(self, lab: LoadedLab, admin: Path, student: Path, name: str) -> None:
        self.fuse("lab")
        cluster = admin.parent.name
        if not (store.folder(cluster) / "alive").exists():
            raise PermanentError(f"cluster {cluster} does not answer")
        # Like proving.start.start, it leaves a lab alone that stands there: work is only ever lost with a cluster.
        if (store.folder(cluster) / "state").read_text() == "nothing yet":
            self.labs_started.append(cluster)
            store.write(store.folder(cluster) / "state", f"lab {lab.slug}")
        self.fuse("lab started")

    def collect(self, lab: LoadedLab, stand: Stand) -> tuple[Evidence, Report]:
        """Full marks, and evidence that says which cluster it is of."""
        self.fuse("collect")
        folder = store.folder(stand.cluster)
        if stand.cluster in self.silent or not (folder / "alive").exists():
            raise ClusterUnreachable("nothing answers")
        said = (folder / "state").read_text()
        evidence = Evidence(
            lab.slug, "lamp", "student", dict(lab.params), stand.cluster, frozenset(), Snapshot("", 0.0, []),
            lab_digest=said,
        )  # fmt: skip
        check = CheckResult("t/0", "match", Outcome.PASSED, "It is there.")
        task = TaskResult("t", "A task", 2.0, 2.0, 0.0, Outcome.PASSED, (check,))
        self.fuse("collected")
        return evidence, Report(lab.slug, 2.0, 2.0, 0.0, (task,))

    @contextlib.contextmanager
    def mortal(self) -> Iterator[None]:
        """What is done here may be cut off by the fuse; then there is a fresh process."""
        try:
            yield
        except Killed:
            self.kills += 1
            self.begin()

    def turn(self, chance: random.Random | None = None) -> None:
        """One pass and then every step that waits, in order or by chance, while time goes by."""
        self.seconds += 3.0
        with self.mortal():
            self.reconciler.run_pass()
        while self.crew.waiting:
            with self.mortal():
                self.crew.run_one(chance.randrange(len(self.crew.waiting)) if chance else 0)

    def settle(self, turns: int = 40) -> None:
        """Turns, with pauses that are over at once, until nothing changes any more."""
        last: object = None
        for _ in range(turns):
            self.hurry()
            self.turn()
            state = self.state()
            if state == last and not self.crew.waiting:
                return
            last = state
        raise AssertionError(f"it does not come to rest: {self.state()}")

    def hurry(self) -> None:
        """Every pause is over."""
        self.seconds += 400.0
        with Database.transaction(self.database) as db:
            for table in (LabSession, Submission):
                db.execute(update(table).where(table.retry_at.is_not(None)).values(retry_at=now()))

    def state(self) -> object:
        """All that settling may change, and what the reconciler knows: what it sees now it acts on in its next pass."""
        with self.database.reading() as db:
            sessions = [
                (s.id, s.desired, s.observed, s.observed_generation, s.fault, s.cluster.name if s.cluster else None)
                for s in db.scalars(select(LabSession).order_by(LabSession.id)).unique()
            ]
            clusters = [(c.name, c.state) for c in db.scalars(select(PoolCluster).order_by(PoolCluster.name)).unique()]
            submissions = [(s.id, s.state, s.failures) for s in db.scalars(select(Submission)).unique()]
        known = [self.reconciler.facts.seen(name) for name, _ in clusters]
        return sessions, clusters, submissions, known, [(c.name, c.state) for c in self.provider.list()]

    def clusters(self, *states: PoolState) -> list[str]:
        with self.database.reading() as db:
            asked = (
                select(PoolCluster.name).where(PoolCluster.state.in_(states)) if states else select(PoolCluster.name)
            )
            return list(db.scalars(asked.order_by(PoolCluster.name)))
