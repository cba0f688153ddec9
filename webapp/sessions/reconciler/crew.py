"""The threads that do what takes time. One step at a time for each key; after a failure it rests, longer each time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from clusters.errors import ClusterError
from grader.model import GraderError
from webapp.errors import PortalError
from webapp.sessions.reconciler.pause import Clock, Rest

LOG = logging.getLogger(__name__)
# What a step may fail with when it is nobody's bug: told in its own sentence, without a traceback.
TOLD = (ClusterError, GraderError, PortalError, OSError)
Key = tuple[Hashable, ...]
Step = Callable[[], None]


class Crew:
    """Runs steps. What is busy is known here alone, and after a kill nothing is."""

    def __init__(self, threads: int, finished: Callable[[], None], clock: Clock = time.monotonic) -> None:
        """`finished` is called, in the step's thread, whenever one has ended."""
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="step")
        self._finished = finished
        self._lock = threading.Lock()
        self._busy: set[Key] = set()
        self._rests: dict[Key, Rest] = {}

    def busy(self, *key: Hashable) -> bool:
        """Whether the step with this key is at work, or rests after a failure."""
        with self._lock:
            rest = self._rests.get(key)
            return key in self._busy or (rest is not None and not rest.over)

    def at_work(self, *key: Hashable) -> bool:
        """Whether the step with this key is at work."""
        with self._lock:
            return key in self._busy

    def count(self, kind: Hashable) -> int:
        """How many steps are at work whose key begins with `kind`."""
        with self._lock:
            return sum(key[0] == kind for key in self._busy)

    def start(self, key: Key, step: Step) -> bool:
        """Begin a step, unless its key is busy. Whether it was begun."""
        if self.busy(*key):
            return False
        with self._lock:
            self._busy.add(key)
        self._run(key, step)
        return True

    def aside(self, step: Step) -> None:
        """Run what another step will wait for, beside all of them. It must not fail."""
        threading.Thread(target=step, name="aside", daemon=True).start()

    def _run(self, key: Key, step: Step) -> None:
        self._pool.submit(self._do, key, step)

    def _do(self, key: Key, step: Step) -> None:
        failed = True
        try:
            step()
            failed = False
        except TOLD as fault:
            LOG.warning("%s: %s", " ".join(map(str, key)), fault)
        except Exception:  # A thread's edge: a bug in one step must not be silent, nor end the others.
            LOG.exception("%s failed", " ".join(map(str, key)))
        finally:
            with self._lock:
                self._busy.discard(key)
                if failed:
                    self._rests.setdefault(key, Rest(clock=self._clock)).fail()
                else:
                    self._rests.pop(key, None)
            self._finished()

    def close(self) -> None:
        """Begin no more. What is at work is left to itself: it may be cut off anywhere."""
        self._pool.shutdown(wait=False, cancel_futures=True)
