"""One lab session's whole life on a real control plane, with threads and a real grader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from clusters.kubectl import kubectl
from clusters.registry import provider
from grader import labfile
from grader.collect import Access
from grader.grading import grade
from proving.work import solve
from tests.fakes.sessions import FakeWorkspaces, Fuse
from webapp.accounts.models import User
from webapp.database import Database
from webapp.grading import services as grading
from webapp.grading.models import Submission, SubmissionState
from webapp.grading.work import Grader
from webapp.sessions import services, wake
from webapp.sessions.access import Stand, stand
from webapp.sessions.models import LabSession, Observed, PoolCluster, PoolState
from webapp.sessions.reconciler.crew import Crew
from webapp.sessions.reconciler.loop import PERIOD, Parts, Reconciler
from webapp.sessions.wake import Bell
from webapp.settings import Settings

# Longer than anything here takes on a machine that is busy with other tests; what takes longer has failed.
PATIENCE = 240.0


class Real:
    """A reconciler at work in a thread, on KWOK."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.provider = provider("kwok")
        self.bell = Bell(settings.run)
        self.crew = Crew(8, self.bell.ring)
        grader = Grader(database, lambda: settings.secret)
        parts = Parts(settings, database, self.provider, FakeWorkspaces(Fuse()), grader, self.crew)
        self.reconciler = Reconciler(parts)
        self.ending = threading.Event()
        self.passes = threading.Thread(target=self._work)
        self.passes.start()

    def _work(self) -> None:
        while not self.ending.is_set():
            self.reconciler.run_pass()
            self.bell.wait(PERIOD)

    def end(self) -> None:
        self.ending.set()
        self.bell.ring()
        self.passes.join()
        self.crew._pool.shutdown(wait=True, cancel_futures=True)
        self.bell.close()
        for cluster in self.provider.list():
            self.provider.delete(cluster.name)

    def until(self, what: str, holds: Callable[[Session], bool]) -> float:
        """Wait for a condition; how long it took, in seconds."""
        begun = time.monotonic()
        while True:
            with self.database.reading() as db:
                if holds(db):
                    return time.monotonic() - begun
            assert time.monotonic() - begun < PATIENCE, what
            time.sleep(0.05)


@pytest.fixture
def real(
    settings: Settings, database: Database, programs: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Real]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    wake.at(settings.run)
    made = Real(replace(settings, pool=1, clusters=3), database)
    yield made
    made.end()


@pytest.mark.cluster
def test_a_whole_life(real: Real) -> None:
    with real.database.transaction() as db:
        ada = User(name="ada")
        db.add(ada)
        db.flush()
        session = services.start(db, ada, "first-pod").id
    took = {"cold": real.until("the lab runs", lambda db: _seen(db, session).observed is Observed.RUNNING)}
    first = _stand(real, session)
    with real.database.reading() as db:
        lab = labfile.read(labfile.find("first-pod"), params=_seen(db, session).params)
    solve(labfile.solution(lab), first.student)
    assert grade(lab, Access.from_kubeconfig(first.admin), wait=True)[1].full_marks
    with real.database.transaction() as db:
        handed_in = grading.submit(db, _seen(db, session)).id
    real.until("it is graded", lambda db: _submission(db, handed_in).state is SubmissionState.GRADED)
    with real.database.reading() as db:
        of = _submission(db, handed_in).grade
        assert of is not None and of.score + of.skipped_points == of.points > 0
        assert grading.preview_regrade(db, "first-pod") == []
    real.until("the pool is full", lambda db: db.query(PoolCluster).filter_by(state=PoolState.READY).count() == 1)

    with real.database.transaction() as db:
        services.reset(db, _seen(db, session))
    took["warm"] = real.until("the reset is done", lambda db: _seen(db, session).observed_generation == 2)
    second = _stand(real, session)
    assert second.cluster != first.cluster
    namespace = lab.spec.namespace
    assert kubectl(second.student, "get", "pods", "-n", namespace, "-o", "name").stdout == ""
    kubectl(second.student, "create", "configmap", "kept", "-n", namespace)

    with real.database.transaction() as db:
        services.stop(db, _seen(db, session))
    real.until("it sleeps", lambda db: _seen(db, session).observed is Observed.STOPPED)
    with real.database.transaction() as db:
        services.start(db, db.get_one(User, ada.id), "first-pod")
    took["thaw"] = real.until("it is back", lambda db: _seen(db, session).observed is Observed.RUNNING)
    assert "kept" in kubectl(_stand(real, session).student, "get", "configmaps", "-n", namespace).stdout

    with real.database.transaction() as db:
        services.remove(db, _seen(db, session))
    real.until("it is gone", lambda db: _seen(db, session).observed is Observed.REMOVED)
    real.until("its cluster is too", lambda db: db.get(PoolCluster, second.cluster) is None)
    assert second.cluster not in [c.name for c in real.provider.list()]
    print({name: round(seconds, 2) for name, seconds in took.items()})


def _seen(db: Session, session: str) -> LabSession:
    return db.get_one(LabSession, session)


def _submission(db: Session, submission: str) -> Submission:
    return db.get_one(Submission, submission)


def _stand(real: Real, session: str) -> Stand:
    with real.database.reading() as db:
        return stand(db, _seen(db, session))
