"""What the viewers of one session see. One feed for all of them, with one thread while there is one of them.

A viewer pulls: it gets the newest of each event that it has not had. So one who is slow misses what is outdated
anyway, and nothing piles up for one who does not read.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from grader.model import ClusterUnreachable, GraderError
from webapp.errors import PortalError
from webapp.live.rows import GONE, Row
from webapp.live.sight import SILENT, News

log = logging.getLogger(__name__)
# For how long a feed stays when the last viewer has gone: a page that is loaded again is there in a moment. Seconds.
LINGER = 2.0
# Pauses before a cluster that could not be looked at is looked at again: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
UNREADABLE = "This lab cannot be read at the moment; tell your instructor. Your work is kept."


class Looking(Protocol):
    """A Sight, as a feed needs it."""

    def turn(self) -> list[News]:
        """Wait for something to happen, and say what is new."""

    def wake(self) -> None:
        """End the wait."""

    def close(self) -> None:
        """Look no longer."""


Opener = Callable[[Row], Looking]


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it goes over the wire. `data` is JSON."""

    number: int
    id: str
    name: str
    data: bytes


class Feed:
    """One session's events. Its thread begins with the first viewer and ends a moment after the last."""

    def __init__(self, session_id: str, opener: Opener, retire: Callable[[Feed], bool], linger: float = LINGER) -> None:
        """`retire` is asked before the thread ends: True where still nobody looks and the feed is forgotten."""
        self.session_id = session_id
        self._opener, self._retire, self._linger = opener, retire, linger
        self._epoch = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._latest: dict[str, Event] = {}
        self._viewers: set[Subscription] = set()
        self._left_at = time.monotonic()
        self._row: Row | None = None
        self._looking: Looking | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"live-{session_id[:8]}", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    @property
    def owner_looks(self) -> bool:
        """Whether the student is among them."""
        with self._changed:
            return any(one.owner for one in self._viewers)

    @property
    def tasks(self) -> tuple[int, bytes] | None:
        """The tasks as they were told last, as JSON, and the session's generation that they are of."""
        with self._changed:
            event = self._latest.get("tasks")
            return (self._row.generation, event.data) if event is not None and self._row is not None else None

    def subscribe(self, *, owner: bool, after: str = "") -> Subscription:
        """One more viewer. `after` is the id of the last event that it has had from this feed or another."""
        epoch, _, number = after.partition(".")
        known = int(number) if epoch == self._epoch and number.isdecimal() and len(number) < 18 else 0
        with self._changed:
            one = Subscription(self, owner, known)
            self._viewers.add(one)
            return one

    def row(self, row: Row) -> None:
        """Take the session's row as it is now. From any thread."""
        if row != self._row:
            self._publish("session", row.said)
            with self._changed:
                if self._row is not None and self._row.generation != row.generation:
                    # What was of the cluster before a reset is nobody's any more.
                    self._latest = {name: one for name, one in self._latest.items() if name == "session"}
                self._row = row
            self._wake()

    def close(self) -> None:
        """End the thread and every viewer's stream."""
        with self._changed:
            self._ended = True
        self._wake()
        self._thread.join()

    def pull(self, viewer: Subscription, known: int, timeout: float) -> list[Event] | None:
        """The newest of each event after `known`; empty after `timeout` seconds, None once there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._over(viewer) or self._since(known), timeout)
            return None if self._over(viewer) else self._since(known)

    def leave(self, viewer: Subscription) -> None:
        """One viewer less. Idempotent."""
        with self._changed:
            if viewer not in self._viewers:
                return
            self._viewers.discard(viewer)
            self._left_at = time.monotonic()
        self._wake()

    def _over(self, viewer: Subscription) -> bool:
        return self._ended or viewer not in self._viewers

    def _since(self, known: int) -> list[Event]:
        return sorted((one for one in self._latest.values() if one.number > known), key=lambda one: one.number)

    def _publish(self, name: str, said: Mapping[str, Any]) -> None:
        data = orjson.dumps(said)
        with self._changed:
            before = self._latest.get(name)
            if before is not None and before.data == data:
                return
            number = next(self._numbers)
            self._latest[name] = Event(number, f"{self._epoch}.{number}", name, data)
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
            if self._looking is not None:
                self._looking.wake()

    # What follows runs in the feed's own thread.

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._done():
            row = self._row
            if row is None or row.stand is None:
                self._rest(None, row)
                continue
            try:
                self._look(row)
                pause = FIRST_PAUSE
            except (ClusterUnreachable, OSError):
                self._excuse(SILENT)
            except (GraderError, PortalError) as fault:
                log.warning("session %s cannot be judged: %s", self.session_id, fault)
                self._excuse(UNREADABLE)
            except Exception:
                log.exception("session %s: the feed broke", self.session_id)
                self._excuse(UNREADABLE)
            else:
                continue
            self._rest(pause, row)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _look(self, row: Row) -> None:
        """Look at a cluster until it is another, or nobody looks."""
        looking = self._opener(row)
        with self._changed:
            self._looking = looking
        try:
            while self._same(row) and not self._idle():
                for news in looking.turn():
                    self._publish(news.name, news.said)
        finally:
            with self._changed:
                self._looking = None
            looking.close()

    def _same(self, row: Row) -> bool:
        now = self._row
        return now is not None and (now.stand, now.generation) == (row.stand, row.generation)

    def _excuse(self, notice: str) -> None:
        """The tasks as they were, and why they are not as they are."""
        with self._changed:
            before = self._latest.get("tasks")
        said = orjson.loads(before.data) if before is not None else {"tasks": []}
        self._publish("tasks", {**said, "stale": True, "notice": notice})

    def _rest(self, seconds: float | None, row: Row | None) -> None:
        """Wait until the row changes, the last viewer leaves, or `seconds` have gone by."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._viewers or self._row is not row, seconds)
            if not self._viewers and not self._ended:
                left = self._linger - (time.monotonic() - self._left_at)
                self._changed.wait_for(lambda: self._ended or bool(self._viewers), max(left, 0.0))

    def _idle(self) -> bool:
        """Whether nobody has looked for a while. Waits that while."""
        with self._changed:
            if self._ended:
                return True
            if self._viewers:
                return False
            left = self._linger - (time.monotonic() - self._left_at)
            return not self._changed.wait_for(lambda: self._ended or bool(self._viewers), max(left, 0.0)) or self._ended

    def _done(self) -> bool:
        if self._ended:
            return True
        return not self._viewers and time.monotonic() - self._left_at >= self._linger and self._retire(self)


class Subscription:
    """One viewer of a feed."""

    def __init__(self, feed: Feed, owner: bool, known: int) -> None:
        """Made by `Feed.subscribe`."""
        self.feed, self.owner, self._known = feed, owner, known

    def next(self, timeout: float) -> list[Event] | None:
        """The newest events that this viewer has not had; empty after `timeout` seconds, None once there is no more."""
        events = self.feed.pull(self, self._known, timeout)
        if events:
            self._known = events[-1].number
        return events

    def close(self) -> None:
        """Look no longer. Idempotent."""
        self.feed.leave(self)


__all__ = ["GONE", "Event", "Feed", "Looking", "Opener", "Subscription"]
