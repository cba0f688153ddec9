"""The passes: compare, decide, begin what is due."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, not_, select

from clusters.model import Provider
from grader.labfile import LoadedLab
from proving.start import start
from webapp.accounts.models import User
from webapp.accounts.services import audit
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import PortalError
from webapp.sessions import labs, queue
from webapp.sessions.models import Because, Desired, LabSession, Observed, Pass, PoolCluster, PoolState
from webapp.sessions.reconciler.crew import Crew
from webapp.sessions.reconciler.facts import Facts, Seen
from webapp.sessions.reconciler.pause import Clock, due
from webapp.sessions.reconciler.plan import Move, move
from webapp.sessions.reconciler.pool import Pool, claim, detach, family, warm_up
from webapp.sessions.reconciler.ports import Submissions, Workspaces
from webapp.sessions.reconciler.preparing import LOST, Preparing, Tools, fail, locked
from webapp.sessions.reconciler.presence import Presence
from webapp.sessions.reconciler.sleeping import Sleeping
from webapp.settings import Settings

LOG = logging.getLogger(__name__)
# How often a pass is made where nobody rings, and how often the provider is asked, in seconds.
PERIOD = 2.0
# How often a pass is written down at most, in seconds.
STAMP = 1.0
# Somebody is there who was active so many seconds ago.
THERE = 120.0
# How many submissions are graded at once: it is work for this process's own processor.
GRADED_AT_ONCE = 2
RESET = "the lab was reset before this submission could be collected; it costs nothing, submit again"
GONE = "the cluster was lost before this submission could be collected; it costs nothing, submit again"
# What takes memory. A cluster that sleeps takes none, one that is being deleted may still.
IN_MEMORY = (PoolState.MAKING, PoolState.READY, PoolState.CLAIMED, PoolState.REMOVING)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler works with."""

    settings: Settings
    database: Database
    provider: Provider
    workspaces: Workspaces
    submissions: Submissions
    crew: Crew
    makers: int = os.cpu_count() or 1
    """How many clusters are made at once."""
    clock: Clock = time.monotonic
    start_lab: Callable[[LoadedLab, Path, Path, str], object] = start
    warm_up: Callable[[Path], None] = warm_up


class Reconciler:
    """Brings desired and observed together. Everything that must outlive it is in the database and in the clusters."""

    def __init__(self, parts: Parts) -> None:
        """Nothing is done before the first pass."""
        self._parts, self._settings = parts, parts.settings
        self._database, self._crew = parts.database, parts.crew
        self.facts = Facts(parts.provider)
        prefix = family(f"{parts.settings.data}\0{parts.settings.database_url}")
        self.pool = Pool(
            parts.database,
            parts.provider,
            self.facts,
            parts.crew,
            prefix=prefix,
            clock=parts.clock,
            warm_up=parts.warm_up,
            demand=labs.demand,
        )
        tools = Tools(parts.database, parts.provider, parts.workspaces, lambda: parts.settings.secret, parts.start_lab)
        self.preparing = Preparing(tools, self.facts, parts.crew.aside)
        idle, days = parts.settings.idle_minutes, parts.settings.keep_days
        self.sleeping = Sleeping(
            parts.database, parts.submissions, idle_minutes=idle, keep_days=days, clock=parts.clock
        )
        self.presence = Presence(
            parts.database,
            parts.workspaces,
            self.preparing.doors,
            parts.crew,
            places=parts.settings.clusters,
            idle_minutes=idle,
            clock=parts.clock,
        )
        self._waking: set[str] = set()
        self._look_at = self._stamp_at = float("-inf")
        self._opened: set[str] = set()

    def run_pass(self) -> None:
        """One pass. Raises DatabaseFault where the database does not do its part; the next pass carries on."""
        if self._parts.clock() >= self._look_at:
            self._look_at = self._parts.clock() + PERIOD
            self._crew.start(("look",), self.facts.look)
        self._sessions()
        self._clusters()
        self._grades()
        self.sleeping.sweep()
        self.presence.tend()

    def _sessions(self) -> None:
        settled = and_(LabSession.desired == Desired.STOPPED, LabSession.observed == Observed.STOPPED)
        asked = select(LabSession).where(LabSession.observed != Observed.REMOVED, not_(settled))
        with self._database.reading() as db:
            rows = list(db.scalars(asked).unique())
        self.sleeping.keep({row.id for row in rows})
        self._opened &= {row.id for row in rows}
        # Whoever waits behind all places has no use for a workspace yet, and it would take one's memory.
        at_work = sorted((r for r in rows if r.desired is Desired.RUNNING), key=lambda r: (queue.waits(r), r.asked_at))
        near = {row.id for row in at_work[: self._settings.clusters]}
        for row in rows:
            try:
                self._session(row, near=row.id in near)
            except PortalError:
                raise
            except Exception:  # One session's bug is not the others' standstill.
                LOG.exception("session %s", row.id)

        self.presence.care({row.user.name for row in rows if row.observed is Observed.RUNNING and _active(row)})

    def _session(self, row: LabSession, *, near: bool) -> None:
        name = row.cluster.name if row.cluster else None
        seen = self.facts.seen(name) if name else None
        if row.desired is Desired.RUNNING and (because := self._to_sleep(row, seen)):
            self.sleeping.put(row, because)
            return  # The next pass sees it as it is then.
        if name is not None and self._crew.busy("cluster", name):
            return
        hurry = near and row.observed is not Observed.RUNNING
        if not hurry:
            self._opened.discard(row.id)
        elif row.id not in self._opened:
            self._opened.add(row.id)
            self.preparing.doors.open(row.user.name)  # It takes as long as a cluster does, so it begins now.
        following = move(row, seen, holds=False, due=due(row.retry_at, now()))
        if following is Move.NOTHING or (following is Move.PREPARE and seen != "running" and not self._may_wake()):
            return
        self._move(row.id, name)

    def _to_sleep(self, row: LabSession, seen: Seen | None) -> Because | None:
        """Why a session that shall run should not."""
        if self.sleeping.idle(row):
            return Because.IDLE
        if row.cluster is not None and seen is None:
            return None  # Nobody has looked yet.
        runs = row.cluster is not None and seen not in ("stopped", "broken")
        return Because.RESTART if self.sleeping.left(row, runs=runs) else None

    def _may_wake(self) -> bool:
        """Whether one more cluster may be brought back now: it takes as much of the machine as making one."""
        self._waking = {name for name in self._waking if self._crew.at_work("cluster", name)}
        return len(self._waking) < self._parts.makers

    def _move(self, session_id: str, name: str | None) -> None:
        """Commit to the next move, on the row as it is now; then begin it."""
        withdrawn: User | None = None
        with self._database.transaction() as db:
            session = locked(db, session_id)
            cluster = session.cluster if session else None
            if session is None or (cluster.name if cluster else None) != name:
                return
            holds = cluster is not None and self._parts.submissions.holds(db, session_id)
            seen = self.facts.seen(name) if name else None
            chosen = move(session, seen, holds=holds, due=due(session.retry_at, now()))
            if chosen is Move.WAIT:
                session.observed = Observed.WAITING
            elif chosen is Move.PREPARE:
                session.observed = Observed.PREPARING
            elif chosen is Move.SLEEP:
                session.observed = Observed.STOPPING
            elif chosen is Move.END:
                removed = session.desired is Desired.REMOVED
                session.observed = Observed.REMOVED if removed else Observed.STOPPED
            elif chosen in (Move.GIVE_BACK, Move.LOSE) and cluster is not None:
                lost = chosen is Move.LOSE
                self._parts.submissions.abandon(db, session_id, GONE if lost else RESET)
                if lost:
                    audit(db, None, "cluster lost", session.lab, user=session.user.name, cluster=cluster.name)
                detach(db, cluster)
                session.observed = Observed.WAITING if session.desired is Desired.RUNNING else session.observed
                if lost and session.observed_generation:
                    session.fault = LOST
            if chosen in (Move.SLEEP, Move.GIVE_BACK, Move.LOSE):
                # Before the commit, so that no kill leaves a way open to a port that may soon be another's. Who closes
                # it is told after: nobody waits for the database while that takes.
                self._parts.workspaces.withdraw(session.user, session.lab)
                withdrawn = session.user
        if withdrawn is not None:
            self._crew.aside(lambda: self._parts.workspaces.tell(withdrawn))
        if name is not None and chosen in (Move.PREPARE, Move.SLEEP):
            step = self.preparing.prepare if chosen is Move.PREPARE else self.preparing.sleep
            begun = self._crew.start(("cluster", name), lambda: step(session_id, name))
            if begun and chosen is Move.PREPARE and seen != "running":
                self._waking.add(name)

    def _clusters(self) -> None:
        with self._database.reading() as db:
            clusters = list(db.scalars(select(PoolCluster)).unique())
            held, leaving = queue.held(db), queue.leaving(db)
            waiting = [s for s in queue.waiting(db) if s.observed is not Observed.FAILED or due(s.retry_at, now())]
        self.pool.tend(clusters)
        count = Counter(c.state for c in clusters)
        room = self._settings.clusters - sum(count[state] for state in IN_MEMORY)
        ready, coming = count[PoolState.READY], count[PoolState.MAKING]
        wanted = evicted = 0
        unserved = set()
        for session in waiting:
            if session.cluster is None and ready and self._claim(session.id):
                ready -= 1
            elif session.cluster is None and coming:
                coming -= 1
            elif room > 0:
                room -= 1
                wanted += session.cluster is None
                if session.cluster is not None and self._may_wake():
                    self._thaw(session.id)
            elif session.cluster is not None and ready > evicted:
                evicted += 1  # A cluster that somebody worked in goes before one that nobody has.
            elif not held[session.user_id]:
                unserved.add(session.user_id)
        if (lacking := len(unserved) - leaving - count[PoolState.REMOVING]) > 0:
            self.sleeping.make_room(lacking)
        preparing = any(self._crew.busy("cluster", c.name) for c in clusters if c.state is PoolState.CLAIMED)
        if not waiting and not preparing:
            self.pool.prime(clusters)
        refill = 0 if preparing else min(room, self._settings.pool - ready - coming)
        surplus = 0 if waiting or count[PoolState.MAKING] else ready - self._settings.pool
        if evicted or surplus > 0:
            self.pool.evict(max(evicted, surplus))
        self._may_wake()
        makers = self._parts.makers - count[PoolState.MAKING] - len(self._waking)
        if self.pool.rest.over:
            self.pool.make(max(0, min(makers, wanted + max(refill, 0))))
        if wanted and self.pool.fault:
            self._tell([s.id for s in waiting if s.cluster is None])
        self._stamp(count, len(waiting))

    def _claim(self, session_id: str) -> bool:
        with self._database.transaction() as db:
            session = locked(db, session_id)
            if session is None or session.cluster is not None or not queue.waits(session):
                return True  # It has changed its mind; the cluster is the next one's, in the next pass.
            name = claim(db, session)
            if name is None:
                return False
            session.observed = Observed.PREPARING
        self._crew.start(("cluster", name), lambda: self.preparing.prepare(session_id, name))
        return True

    def _thaw(self, session_id: str) -> None:
        with self._database.transaction() as db:
            session = locked(db, session_id)
            if session is None or session.cluster is None or not queue.waits(session):
                return
            session.cluster.state, session.observed = PoolState.CLAIMED, Observed.PREPARING
            name = session.cluster.name
        if self._crew.start(("cluster", name), lambda: self.preparing.prepare(session_id, name)):
            self._waking.add(name)

    def _tell(self, sessions: list[str]) -> None:
        """Those who wait are told that no cluster can be made at the moment."""
        for session_id in sessions:
            with self._database.transaction() as db:
                session = locked(db, session_id)
                if session is not None and queue.waits(session) and session.cluster is None:
                    fail(session, "no cluster can be made at the moment")

    def _grades(self) -> None:
        free = GRADED_AT_ONCE - self._crew.count("submission")
        if free <= 0:
            return
        with self._database.reading() as db:
            jobs = self._parts.submissions.due(db, now())
        for job in [j for j in jobs if not self._crew.busy("submission", j.submission)][:free]:
            self._crew.start(("submission", job.submission), job.grade)

    def _stamp(self, count: Counter[PoolState], waiting: int) -> None:
        """Write down that a pass was made, once a second at most: `healthz` reads it."""
        if self._parts.clock() < self._stamp_at:
            return
        self._stamp_at = self._parts.clock() + STAMP
        detail = {**{state.value: number for state, number in count.items()}, "waiting": waiting}
        with self._database.transaction() as db:
            row = db.get(Pass, "reconciler")
            if row is None:
                row = Pass(process="reconciler")
                db.add(row)
            row.at, row.detail = now(), {**detail, "fault": self.pool.fault}


def _active(session: LabSession) -> bool:
    return session.desired is Desired.RUNNING and abs((now() - session.last_activity_at).total_seconds()) < THERE
