"""The rows of the sessions that somebody looks at, read in one thread for all of them.

Every second, and more often while one of them is on its way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.database import Database
from webapp.errors import PortalError, Refused
from webapp.sessions import queue, services
from webapp.sessions.access import Stand, stand
from webapp.sessions.models import LabSession, Observed
from webapp.workspaces import faults

log = logging.getLogger(__name__)
# How often rows are read, and while somebody waits for a cluster; how often it is written down that somebody waits; in
# seconds.
EVERY, WHILE_WAITED_FOR, TOUCH_EVERY = 1.0, 0.15, 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """A session as its row has it. `stand` is its cluster, None where none runs."""

    lab: str
    said: Mapping[str, Any]  # what a viewer is told
    stand: Stand | None
    generation: int

    @property
    def on_its_way(self) -> bool:
        """Whether somebody waits until it runs."""
        return self.said["desired"] == "running" and not self.said["ready"]


GONE = Row(
    "",
    {
        "desired": "removed",
        "observed": "removed",
        "place": 0,
        "fault": None,
        "generation": 0,
        "ready": False,
        "hand": False,
        "workspace_fault": None,
    },
    None,
    0,
)


def read(db: Session, ids: Iterable[str], workspaces: Path | None = None) -> dict[str, Row]:
    """The rows of these sessions; of one that is not there, GONE. `workspaces` is where their owners work."""
    wanted = list(ids)
    found = {one.id: one for one in db.scalars(select(LabSession).where(LabSession.id.in_(wanted))).unique()}
    places: dict[str, int] = {}
    if any(queue.waits(one) for one in found.values()):
        # The whole queue once, and not once for each who waits in it.
        places = {one.id: place for place, one in enumerate(queue.waiting(db), 1)}
    return {one: _row(db, found[one], places.get(one, 0), workspaces) if one in found else GONE for one in wanted}


def _row(db: Session, session: LabSession, in_queue: int, workspaces: Path | None) -> Row:
    place = None
    # A reset that is asked for stands when its generation does: until then what runs is on its way out.
    ready = session.observed is Observed.RUNNING and session.observed_generation == session.generation
    if ready:
        try:
            place = stand(db, session)
        except Refused:
            ready = False
    said = {
        "desired": session.desired.value,
        "observed": session.observed.value,
        "place": in_queue,
        "fault": session.fault,
        "generation": session.generation,
        "ready": ready,
        "hand": session.hand_raised_at is not None,
        "workspace_fault": faults.told(workspaces, session.user_id) if workspaces else None,
    }
    return Row(session.lab, said, place, session.generation)


class Watched(Protocol):
    """Who wants to know of a row."""

    def row(self, row: Row) -> None:
        """Take the row as it is now."""

    @property
    def owner_looks(self) -> bool:
        """Whether the student is among those who look."""


class Rows:
    """Reads rows while there is one to read, and tells whom they concern."""

    def __init__(
        self, database: Database, watched: Callable[[], Mapping[str, Watched]], workspaces: Path | None = None
    ) -> None:
        """`watched` gives those who want to know, by their session's id."""
        self._database, self._watched, self._workspaces = database, watched, workspaces
        self._condition = threading.Condition()
        self._asked = self._ended = self._waited_for = False
        self._thread: threading.Thread | None = None
        self._since_touch: dict[str, float] = {}

    def ask(self) -> None:
        """Read at once: somebody new looks."""
        with self._condition:
            self._asked = True
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="live-rows", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """End the thread."""
        with self._condition:
            self._ended = True
            self._condition.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while self._wait():
            watched = self._watched()
            try:
                self._look(watched)
            except PortalError as fault:
                log.warning("the sessions that are looked at cannot be read: %s", fault)

    def _wait(self) -> bool:
        """Until the next reading is due. Nobody looks: until somebody does."""
        with self._condition:
            if not self._asked and not self._ended:
                often = WHILE_WAITED_FOR if self._waited_for else EVERY
                self._condition.wait(often if self._watched() else None)
            self._asked = False
            return not self._ended

    def _look(self, watched: Mapping[str, Watched]) -> None:
        if not watched:
            return
        with self._database.reading() as db:
            found = read(db, watched, self._workspaces)
        self._waited_for = any(row.on_its_way for row in found.values())
        for session_id, row in found.items():
            watched[session_id].row(row)
        present = {one for one, who in watched.items() if who.owner_looks and found[one] is not GONE}
        self._touch(present, {one for one in present if found[one].on_its_way})

    def _touch(self, present: set[str], waiting: set[str]) -> None:
        """Write down that a student has come; of one who waits, once a minute, that they are still there.

        Once the lab runs a page that is merely open is no activity: what its reader does is told by the page itself.
        """
        now = time.monotonic()
        due = [
            one
            for one in present
            if one not in self._since_touch or (one in waiting and now - self._since_touch[one] >= TOUCH_EVERY)
        ]
        self._since_touch = {one: at for one, at in self._since_touch.items() if one in present}
        if not due:
            return
        with self._database.transaction() as db:
            for session in db.scalars(select(LabSession).where(LabSession.id.in_(due))).unique():
                services.touch(db, session)
        self._since_touch.update(dict.fromkeys(due, now))
