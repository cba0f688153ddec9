"""A look at a cluster whose news are the test's."""

from __future__ import annotations

import queue
import threading
from typing import Any

from webapp.live.rows import Row
from webapp.live.sight import News


class FakeLooking:
    """Says what it is told to, until it is closed."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.closed = threading.Event()
        self._news: queue.Queue[News | Exception | None] = queue.Queue()

    def tell(self, name: str, **said: Any) -> None:
        """Something is new."""
        self._news.put(News(name, said))

    def fail(self, fault: Exception) -> None:
        """The next turn fails."""
        self._news.put(fault)

    def turn(self) -> list[News]:
        found = self._news.get()
        if isinstance(found, Exception):
            raise found
        return [] if found is None else [found]

    def wake(self) -> None:
        self._news.put(None)

    def close(self) -> None:
        self.closed.set()


class Lookers:
    """Opens looks, and hands them to the test as they are opened."""

    def __init__(self) -> None:
        self.opened: queue.Queue[FakeLooking] = queue.Queue()
        self.count = 0
        self.refuse: Exception | None = None

    def __call__(self, row: Row) -> FakeLooking:
        self.count += 1
        if self.refuse is not None:
            raise self.refuse
        made = FakeLooking(row)
        self.opened.put(made)
        return made

    def next(self) -> FakeLooking:
        """The look that is opened next."""
        return self.opened.get(timeout=30)
