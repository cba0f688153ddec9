"""A session's cluster: put the lab in, bring it back, hand it over, put it to sleep. Each step may be begun again."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from clusters.errors import ClusterError, ToolMissing
from clusters.model import Provider
from grader.labfile import LoadedLab
from grader.model import LabError
from proving import images
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import PortalError
from webapp.sessions import labs
from webapp.sessions.access import STUDENT
from webapp.sessions.models import Desired, LabSession, Observed, PoolState
from webapp.sessions.reconciler.facts import Facts
from webapp.sessions.reconciler.pause import pause
from webapp.sessions.reconciler.pool import detach
from webapp.sessions.reconciler.ports import Workspaces

LOG = logging.getLogger(__name__)
# How long a workspace may take to open, in seconds.
OPENED_WITHIN = 90.0


class WorkspaceFault(PortalError):
    """The workspace, not the cluster, is what is missing."""


@dataclass(frozen=True, slots=True)
class Task:
    """One session's preparation, as it was when it began."""

    session: LabSession  # detached: to be read only
    cluster: str
    generation: int
    put_in: bool  # the lab is in the cluster already, and the student's work with it


@dataclass(frozen=True, slots=True)
class Tools:
    """What preparing works with."""

    database: Database
    provider: Provider
    workspaces: Workspaces
    secret: Callable[[], str]
    """What labs' parameters are drawn from."""
    start: Callable[[LoadedLab, Path, Path, str], object]
    """proving.start.start"""


class Doors:
    """The users' workspaces as they are opened, which is asked for early and by many and done once, and closed."""

    def __init__(self, workspaces: Workspaces, aside: Callable[[Callable[[], None]], None]) -> None:
        """`aside` runs something in a thread of its own."""
        self._workspaces, self._aside = workspaces, aside
        self._lock = threading.Lock()
        self._opening: dict[str, Future[None]] = {}
        self._closing: dict[str, threading.Event] = {}

    def open(self, user: str) -> Future[None]:
        """Begin to open a user's workspace, unless that is under way."""
        with self._lock:
            known = self._opening.get(user)
            if known is not None and not known.done():
                return known
            future = self._opening[user] = Future()
        self._aside(lambda: self._open(user, future))
        return future

    def close(self, user: str, unwanted: Callable[[], bool]) -> None:
        """End a user's workspace, if it is `unwanted` still; whoever opens it meanwhile waits for that.

        Not for two threads at once. Raises PortalError.
        """
        with self._lock:
            if user in self._opening:
                return
            ended = self._closing[user] = threading.Event()
        try:
            if unwanted():
                LOG.info("the workspace of %s is not used and ends", user)
                self._workspaces.stop(user)
        finally:
            with self._lock:
                del self._closing[user]
            ended.set()

    def _open(self, user: str, future: Future[None]) -> None:
        with self._lock:
            closing = self._closing.get(user)
        try:
            if closing is not None:
                closing.wait()
            self._workspaces.ensure(user)
        except Exception as fault:  # noqa: BLE001 - it is raised where the future is asked
            future.set_exception(fault)
        else:
            future.set_result(None)
        finally:
            with self._lock:
                if self._opening.get(user) is future:
                    del self._opening[user]


class Preparing:
    """The steps of a session that has a cluster."""

    def __init__(self, tools: Tools, facts: Facts, aside: Callable[[Callable[[], None]], None]) -> None:
        """`aside` runs something in a thread of its own."""
        self._database, self._provider, self._facts = tools.database, tools.provider, facts
        self._workspaces, self._secret, self._start = tools.workspaces, tools.secret, tools.start
        self.doors = Doors(tools.workspaces, aside)

    def prepare(self, session_id: str, cluster: str) -> None:
        """Make a session's cluster run with the lab in it and the workspace before it, and say so, or say why not."""
        task = self._begin(session_id, cluster)
        if task is None:
            return
        door = self.doors.open(task.session.user.name)
        try:
            self._bring_up(task)
            lab = self._put_in(task)
            text = self._provider.kubeconfig(cluster, "student").read_text()
            self._workspaces.deliver(task.session.user, task.session, text, lab)
            try:
                door.result(timeout=OPENED_WITHIN)
            except Exception as fault:
                raise WorkspaceFault(f"your workspace could not be started: {fault}") from fault
        except Exception as fault:
            known = isinstance(fault, (ClusterError, LabError, PortalError, OSError))
            LOG.warning("session %s in cluster %s: %s", session_id, cluster, fault, exc_info=not known)
            self._facts.note(cluster, None)
            self._fail(task, fault)
            return
        self._hand_over(task)

    def _begin(self, session_id: str, cluster: str) -> Task | None:
        with self._database.reading() as db:
            session = db.get(LabSession, session_id)
            if session is None or session.cluster is None or session.cluster.name != cluster:
                return None
            put_in = session.cluster.generation == session.generation
            return Task(session, cluster, session.generation, put_in)

    def _bring_up(self, task: Task) -> None:
        if self._facts.seen(task.cluster) != "running":
            self._provider.start(task.cluster)
            self._facts.note(task.cluster, "running")

    def _put_in(self, task: Task) -> LoadedLab:
        session = task.session
        if task.put_in:
            return labs.load(session.lab, session.user.name, params=session.params)
        lab = labs.load(session.lab, session.user.name, secret=self._secret())
        with self._database.transaction() as db:
            row = _mine(db, task)
            if row is not None:
                row.params, row.lab_digest = dict(lab.params), lab.digest
        images.bring(lab, self._provider, task.cluster)
        admin = self._provider.kubeconfig(task.cluster, "admin")
        self._start(lab, admin, self._provider.kubeconfig(task.cluster, "student"), STUDENT)
        with self._database.transaction() as db:
            row = _mine(db, task)
            if row is not None and row.cluster is not None:
                row.cluster.generation = task.generation
        return lab

    def _hand_over(self, task: Task) -> None:
        with self._database.transaction() as db:
            row = _mine(db, task)
            if row is None or row.desired is not Desired.RUNNING or row.generation != task.generation:
                return
            row.observed, row.observed_generation = Observed.RUNNING, task.generation
            row.ready_at, row.retry_at, row.failures = now(), None, 0
            if row.fault != LOST:
                row.fault = None

    def _fail(self, task: Task, fault: Exception) -> None:
        with self._database.transaction() as db:
            row = _mine(db, task)
            if row is None or row.desired is not Desired.RUNNING:
                return
            fail(row, sentence(fault))
            cluster = row.cluster
            spoilt = isinstance(fault, ClusterError) and not isinstance(fault, images.ImageMissing)
            if cluster is not None and cluster.generation == 0 and spoilt:
                cluster.fault = str(fault)
                detach(db, cluster)  # Nobody has worked in it: another one is better than this one again.

    def sleep(self, session_id: str, cluster: str) -> None:
        """Put a session's cluster to sleep; its state is kept."""
        self._provider.stop(cluster)
        self._facts.note(cluster, "stopped")
        with self._database.transaction() as db:
            row = locked(db, session_id)
            if row is not None and row.cluster is not None and row.cluster.name == cluster:
                row.cluster.state = PoolState.STOPPED
                row.observed = Observed.STOPPED


LOST = "your cluster was lost, and the work in it; here is a fresh one, and what you handed in is kept"


def fail(session: LabSession, why: str, moment: datetime.datetime | None = None) -> None:
    """Say what went wrong and when it is tried again."""
    session.observed, session.fault = Observed.FAILED, why
    session.failures += 1
    session.retry_at = (moment or now()) + datetime.timedelta(seconds=pause(session.failures))


def sentence(fault: Exception) -> str:
    """What the student reads. Commands and paths of the platform stay in its log."""
    if isinstance(fault, (WorkspaceFault, ToolMissing)):
        return str(fault)
    if isinstance(fault, images.ImageMissing):
        return f"this lab runs {', '.join(fault.images)}, which this machine does not have; tell your instructor"
    if isinstance(fault, LabError):
        return "this lab cannot be started as it is written; tell your instructor"
    if isinstance(fault, ClusterError):
        return "your cluster did not do what it was told in time"
    if isinstance(fault, OSError):
        return f"the platform's disk does not take what is written ({fault.strerror}); tell your instructor"
    return "something went wrong in the platform; tell your instructor"


def locked(db: Session, session_id: str) -> LabSession | None:
    """A session's row as it is now, held until the commit."""
    return db.get(LabSession, session_id, with_for_update={"of": LabSession}, populate_existing=True)


def _mine(db: Session, task: Task) -> LabSession | None:
    """The task's session, where the cluster is still its own."""
    row = locked(db, task.session.id)
    return row if row is not None and row.cluster is not None and row.cluster.name == task.cluster else None
