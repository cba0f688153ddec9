"""What the provider was last seen to have."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Set
from typing import Literal

from clusters.model import Provider, State

Seen = State | Literal["gone"]


class Facts:
    """The states of clusters as looks and finished steps tell them. For many threads.

    A look takes a while. What a step has changed meanwhile, the look tells wrongly, so each keeps the number of the
    event that it began with, and an older one gives way.
    """

    def __init__(self, provider: Provider) -> None:
        """Nothing is known before the first look."""
        self._provider = provider
        self._lock = threading.Lock()
        self._events = itertools.count(1)
        self._looked = 0
        self._found: dict[str, State] = {}
        self._noted: dict[str, tuple[int, Seen | None]] = {}

    def look(self) -> None:
        """Ask the provider. Raises ClusterError where it does not answer; what was known stays."""
        with self._lock:
            begun = next(self._events)
        found = {c.name: c.state for c in self._provider.list()}
        with self._lock:
            if begun > self._looked:
                self._looked, self._found = begun, found
                self._noted = {name: note for name, note in self._noted.items() if note[0] > begun}

    def note(self, cluster: str, state: Seen | None) -> None:
        """A step has left a cluster in this state; None where that is not known."""
        with self._lock:
            self._noted[cluster] = (next(self._events), state)

    def seen(self, cluster: str) -> Seen | None:
        """A cluster's state; "gone" where a look did not find it, None where nothing is known."""
        with self._lock:
            if cluster in self._noted:
                return self._noted[cluster][1]
            return self._found.get(cluster, "gone") if self._looked else None

    def names(self) -> Set[str]:
        """Every cluster that the last look found."""
        with self._lock:
            return set(self._found)
