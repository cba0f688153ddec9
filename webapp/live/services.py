"""The feeds of this process: one for each session that somebody looks at, shared by all who do."""

from __future__ import annotations

import resource
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from webapp.database import Database
from webapp.errors import Refused
from webapp.live.feed import LINGER, Feed, Opener, Subscription
from webapp.live.rows import Row, Rows
from webapp.live.sight import Sight
from webapp.sessions import labs

# Streams at once: of one person (tabs that are not looked at let theirs go), and of all. Each takes one of the threads
# that the pages are served with (webapp.platform.serving has 256).
MOST_EACH, MOST = 8, 160
# Of so many sessions that nobody looks at any more it is remembered how their tasks stood; a few kilobytes each.
REMEMBERED = 2000
# A feed holds about twenty connections to its API server.
DESCRIPTORS = 65_536


def look(row: Row) -> Sight:
    """Look at a running session's cluster. Raises ClusterUnreachable, LabError, Refused."""
    if row.stand is None:
        raise Refused("This lab is not running.", 409)
    return Sight(labs.folder(row.lab), row.stand.admin)


class Feeds:
    """One in the portal's process. Threads begin with the first viewer, so it may be made before a fork."""

    def __init__(
        self, database: Database, *, opener: Opener = look, linger: float = LINGER, workspaces: Path | None = None
    ) -> None:
        """Nothing is looked at yet. `workspaces` is Settings.workspaces."""
        self._opener, self._linger = opener, linger
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}
        self._viewers: Counter[int] = Counter()
        self._told: dict[str, tuple[int, bytes]] = {}
        self._closed = False
        self._rows = Rows(database, self._watched, workspaces)

    def subscribe(self, session_id: str, viewer: int, *, owner: bool, after: str = "") -> Viewer:
        """Look at a session. `viewer` is the id of the user who does; that he may is for the caller to know.

        Raises Refused 429 where one person has too many streams open, and 503 where all together have.
        """
        with self._lock:
            if self._closed or self._viewers.total() >= MOST:
                raise Refused("Too many people look at their labs at once; this page tries again by itself.", 503)
            if self._viewers[viewer] >= MOST_EACH:
                raise Refused("You have this lab open in too many tabs; close some of them.", 429)
            feed = self._feeds.get(session_id)
            if feed is None:
                # Its thread may ask to retire at once: that waits for this lock, and finds a viewer.
                feed = self._feeds[session_id] = Feed(session_id, self._opener, self._retire, self._linger)
            self._viewers[viewer] += 1
            one = Viewer(self, viewer, feed.subscribe(owner=owner, after=after))
        self._rows.ask()
        return one

    def close(self) -> None:
        """End every stream and every thread."""
        with self._lock:
            self._closed = True
            feeds = list(self._feeds.values())
        self._rows.close()
        for feed in feeds:
            feed.close()

    def last(self, session_id: str, generation: int) -> dict[str, Any] | None:
        """The tasks of a session as somebody saw them last; None where nobody has since this process began.

        Looks at nothing, so it may be called for a whole class.
        """
        with self._lock:
            feed = self._feeds.get(session_id)
            told = (feed.tasks if feed is not None else None) or self._told.get(session_id)
        if told is None or told[0] != generation:
            return None
        tasks: dict[str, Any] = orjson.loads(told[1])
        return tasks

    @property
    def sessions(self) -> int:
        """How many sessions are looked at."""
        with self._lock:
            return len(self._feeds)

    def gone(self, viewer: int) -> None:
        """One stream of a user's less."""
        with self._lock:
            self._viewers[viewer] -= 1
            if self._viewers[viewer] <= 0:
                del self._viewers[viewer]

    def _watched(self) -> Mapping[str, Feed]:
        with self._lock:
            return dict(self._feeds)

    def _retire(self, feed: Feed) -> bool:
        with self._lock:
            if feed.viewers:
                return False
            self._feeds.pop(feed.session_id, None)
            if feed.tasks is not None:
                self._told.pop(feed.session_id, None)
                self._told[feed.session_id] = feed.tasks
                while len(self._told) > REMEMBERED:
                    self._told.pop(next(iter(self._told)))
            return True


class Viewer:
    """One stream: a subscription that is counted."""

    def __init__(self, feeds: Feeds, user: int, subscription: Subscription) -> None:
        """Made by `Feeds.subscribe`."""
        self._feeds, self._user, self._subscription = feeds, user, subscription
        self._closed = False
        self.next = subscription.next

    def close(self) -> None:
        """Look no longer. Idempotent."""
        if not self._closed:
            self._closed = True
            self._subscription.close()
            self._feeds.gone(self._user)


def raise_limit() -> None:
    """Let this process hold as many connections as many feeds need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
