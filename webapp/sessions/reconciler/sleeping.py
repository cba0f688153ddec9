"""What the platform does by itself with sessions: puts them to sleep, and removes them in the end."""

from __future__ import annotations

import datetime
import time
from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.services import audit
from webapp.database import Database
from webapp.database.base import now
from webapp.sessions.models import Because, Desired, LabSession, Observed, PoolCluster, PoolState
from webapp.sessions.reconciler.pause import Calendar, Clock, Idleness
from webapp.sessions.reconciler.ports import Submissions
from webapp.sessions.reconciler.preparing import locked

# How often those who sleep are looked through, in seconds.
SWEEP = 60.0
# Who was active so shortly before the portal went down may still be there when it comes back.
RECENT = datetime.timedelta(minutes=10)


class Sleeping:
    """Decides on rows, and writes down why. The moves themselves are the passes'."""

    def __init__(
        self,
        database: Database,
        submissions: Submissions,
        *,
        idle_minutes: int,
        keep_days: int,
        clock: Clock = time.monotonic,
    ) -> None:
        """Nobody was looked at yet."""
        self._database, self._submissions, self._clock = database, submissions, clock
        self._kept = datetime.timedelta(days=keep_days)
        self._awake, self._asleep = (Idleness(idle_minutes * 60.0, clock) for _ in range(2))
        self._calendar = Calendar(clock)
        self._met: set[str] = set()
        self._sweep_at = float("-inf")

    def keep(self, sessions: set[str]) -> None:
        """Forget every session but these, which are not at rest."""
        self._awake.keep(sessions)
        self._met &= sessions

    def idle(self, row: LabSession) -> bool:
        """Take note of a session's last activity; whether nobody has been at it for too long."""
        return self._awake.idle(row.id, row.last_activity_at, now())

    def left(self, row: LabSession, *, runs: bool) -> bool:
        """Of a session that is seen for the first time: whether it is left over from before the portal went down, as
        its cluster does not run and nobody was at it just before. It need not come back until somebody asks for it."""
        if row.id in self._met:
            return False
        self._met.add(row.id)
        return not runs and abs(now() - row.last_activity_at) > RECENT

    def put(self, row: LabSession, because: Because) -> None:
        """To sleep with it, unless somebody has come meanwhile; or away with an idle one where all is handed in."""
        with self._database.transaction() as db:
            session = locked(db, row.id)
            if session is None or session.desired is not Desired.RUNNING:
                return
            if session.last_activity_at != row.last_activity_at:
                return
            if because is Because.IDLE and self._submissions.finished(db, [session.id]):
                _remove(db, session, Because.FINISHED)
                return
            session.desired, session.because, session.hand_raised_at = Desired.STOPPED, because, None
            audit(db, None, "put to sleep", session.lab, user=session.user.name, because=because.value)

    def make_room(self, number: int) -> None:
        """Put sessions to sleep whose owners have others: of those with the most, the least recently active first."""
        asked = (
            select(LabSession)
            .join(PoolCluster, PoolCluster.session_id == LabSession.id)
            .where(PoolCluster.state == PoolState.CLAIMED, LabSession.desired == Desired.RUNNING)
            .order_by(LabSession.last_activity_at, LabSession.id)
        )
        with self._database.reading() as db:
            rows = list(db.scalars(asked).unique())
        count = Counter(row.user_id for row in rows)
        for _ in range(number):
            row = max(rows, key=lambda one: count[one.user_id], default=None)  # Of equals the first.
            if row is None or count[row.user_id] < 2:
                return
            rows.remove(row)
            count[row.user_id] -= 1
            self.put(row, Because.ROOM)

    def sweep(self) -> None:
        """Now and then: remove those who sleep, and are finished or have slept for too many days."""
        if self._clock() < self._sweep_at:
            return
        self._sweep_at = self._clock() + SWEEP
        moment = now()
        days_count = self._calendar.trusted(moment)
        asked = select(LabSession).where(LabSession.desired == Desired.STOPPED, LabSession.observed == Observed.STOPPED)
        with self._database.reading() as db:
            rows = list(db.scalars(asked).unique())
            self._asleep.keep({row.id for row in rows})
            idle = [row for row in rows if self._asleep.idle(row.id, row.last_activity_at, moment)]
            finished = self._submissions.finished(db, [row.id for row in idle])
        for row in idle:
            if row.id in finished:
                self._away(row, Because.FINISHED)
            elif days_count and moment - row.last_activity_at > self._kept:
                self._away(row, Because.EXPIRED)

    def _away(self, row: LabSession, because: Because) -> None:
        with self._database.transaction() as db:
            session = locked(db, row.id)
            if session is None or session.desired is not Desired.STOPPED:
                return
            if session.last_activity_at == row.last_activity_at:
                _remove(db, session, because)


def _remove(db: Session, session: LabSession, because: Because) -> None:
    session.desired, session.living, session.because = Desired.REMOVED, None, because
    session.hand_raised_at = None
    audit(db, None, "removed", session.lab, user=session.user.name, because=because.value)
