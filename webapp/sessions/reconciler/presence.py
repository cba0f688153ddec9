"""Who is at work, as the workspaces and the clusters tell it, and the workspaces that nobody needs any more."""

from __future__ import annotations

import datetime
import functools
import logging
import time
from collections.abc import Hashable
from pathlib import Path

from sqlalchemy import select

from webapp.accounts.models import BrowserSession, Role, User
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import PortalError
from webapp.sessions.access import audit_log
from webapp.sessions.models import Desired, LabSession, PoolCluster, PoolState
from webapp.sessions.reconciler.crew import Crew
from webapp.sessions.reconciler.pause import Clock, Idleness
from webapp.sessions.reconciler.ports import Workspaces
from webapp.sessions.reconciler.preparing import Doors, locked

LOG = logging.getLogger(__name__)
# How often it is looked, in seconds.
EVERY = 60.0
# Somebody has just come who signed in so long ago at most.
JUST_NOW = datetime.timedelta(minutes=1)
# How often a workspace is looked after whose student is there, in seconds, and how many are in one pass: each is a
# question to the Hub.
CARE, CARED_AT_ONCE = 10.0, 4


class Presence:
    """Looks in a step of its own, since the Hub is asked. Writes `last_activity_at`, as a page in a browser does."""

    def __init__(
        self,
        database: Database,
        workspaces: Workspaces,
        doors: Doors,
        crew: Crew,
        *,
        places: int,
        idle_minutes: int,
        clock: Clock = time.monotonic,
    ) -> None:
        """Nothing is known before the first look. `places` is how many may be at work at once."""
        self._database, self._workspaces, self._doors, self._crew = database, workspaces, doors, crew
        self._clock, self._places = clock, places
        self._running: set[str] = set()
        self._greeted: set[str] = set()
        self._unused = Idleness(idle_minutes * 60.0, clock)
        self._cared_at: dict[str, float] = {}
        self._heard: dict[Hashable, datetime.datetime] = {}
        self._look_at = float("-inf")
        self._log = functools.cache(audit_log)

    def care(self, users: set[str]) -> None:
        """Have the workspaces of those who are there run: one that has ended comes back without anybody asking."""
        moment = self._clock()
        self._cared_at = {user: self._cared_at.get(user, moment) for user in users}
        due_now = sorted((at, user) for user, at in self._cared_at.items() if moment - at >= CARE)
        for _, user in due_now[:CARED_AT_ONCE]:
            self._cared_at[user] = moment
            self._doors.open(user)

    def greet(self) -> None:
        """Open the workspaces of students who have just come, while there are places: most start a lab next, and a
        workspace takes as long as a cluster does. Whoever starts none loses it like everybody who goes."""
        asked = select(User.name).join(BrowserSession, BrowserSession.user_id == User.id)
        asked = asked.where(User.role == Role.STUDENT, BrowserSession.created_at > now() - JUST_NOW)
        with self._database.reading() as db:
            come = dict.fromkeys(db.scalars(asked.order_by(BrowserSession.created_at)))
        self._greeted &= come.keys()
        there = self._running | self._greeted
        if new := [user for user in come if user not in there]:
            there |= self._wanted()
            for user in new[: max(0, self._places - len(there))]:
                self._greeted.add(user)
                self._doors.open(user)

    def tend(self) -> None:
        """Greet, and begin to look, where it is time to."""
        self.greet()
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + EVERY
            self._crew.start(("presence",), self.look)

    def look(self) -> None:
        """What has happened since the last look is activity; workspaces without any end.

        Raises PortalError where the Hub does not tell which run. One that does not end is not the others' trouble.
        """
        self._at_clusters()
        running = self._workspaces.running()
        self._at_workspaces(running)
        self._running = set(running)
        self._unused.keep(set(running))
        wanted = self._wanted()
        for user, at in running.items():
            # Where the Hub does not tell, it counts from when the workspace was first seen.
            since = at or self._heard.setdefault(("first", user), now())
            if self._unused.idle(user, since, now()) and user not in wanted:
                try:
                    self._doors.close(user, lambda user=user: user not in self._wanted())  # type: ignore[misc]
                except PortalError as fault:
                    LOG.warning("%s", fault)

    def _at_clusters(self) -> None:
        """What a student asked of a cluster is in its audit log, so that file changes."""
        for row in self._rows():
            assert row.cluster is not None  # noqa: S101 - asked for
            name = row.cluster.name
            log = self._log(name)
            at = _changed_at(log) if log else None
            if at is not None:
                self._hear(("cluster", name), at, row)

    def _at_workspaces(self, running: dict[str, datetime.datetime | None]) -> None:
        """What happens in a workspace counts for the lab that its student was at last."""
        latest: dict[str, LabSession] = {}
        for row in self._rows():
            known = latest.get(row.user.name)
            if known is None or row.last_activity_at > known.last_activity_at:
                latest[row.user.name] = row
        for user, row in latest.items():
            at = running.get(user)
            if at is not None:
                self._hear(("workspace", user), at, row)

    def _rows(self) -> list[LabSession]:
        """The sessions that have a cluster awake and shall have it."""
        asked = (
            select(LabSession)
            .join(PoolCluster, PoolCluster.session_id == LabSession.id)
            .where(PoolCluster.state == PoolState.CLAIMED, LabSession.desired == Desired.RUNNING)
        )
        with self._database.reading() as db:
            return list(db.scalars(asked).unique())

    def _hear(self, source: Hashable, at: datetime.datetime, row: LabSession) -> None:
        """Something was last heard from there at that time. A change is activity, whatever the clocks say.

        What is heard for the first time is, if it is later than what the row knows.
        """
        before, self._heard[source] = self._heard.get(source), at
        if at == before:
            return
        moment = now()
        if before is None:
            if not row.last_activity_at < at <= moment:
                return
            moment = at
        with self._database.transaction() as db:
            session = locked(db, row.id)
            if session is not None and session.last_activity_at == row.last_activity_at:
                session.last_activity_at = moment

    def _wanted(self) -> set[str]:
        """The names of the users who have a session that shall run."""
        asked = select(User.name).join(LabSession, LabSession.user_id == User.id)
        with self._database.reading() as db:
            return set(db.scalars(asked.where(LabSession.desired == Desired.RUNNING)))


def _changed_at(file: Path) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
    except OSError:
        return None
