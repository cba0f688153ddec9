"""One running cluster looked at: its lists, the lab judged on them, and the picture of what there is.

Whoever owns a Sight calls `turn` again and again and gets what has changed since, at most ten times a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.collect import Access
from grader.collect.collecting import begin, observe
from grader.grading import lab_for
from grader.model import ClusterUnreachable, Evidence, GraderError, Want
from webapp.live import graph
from webapp.live.judging import Judge
from webapp.live.watches import Watches

# A change waits this long for those that come with it, in seconds.
COALESCE = 0.03
# Between two judgements lie so many seconds, or so many times what the last one took, but not more than so many.
BREATH, BREATHS, LONGEST_BREATH = 0.1, 3.0, 1.0
# Calls, scripts and ended processes are looked at again after so many seconds, or so many times what the last look
# took, and only when something changed: with checks of calls, of other things that no list shows, and without either.
CALLS_EVERY, BESIDE_EVERY, ENDED_EVERY, BESIDE_TIMES = 0.5, 3.0, 5.0, 10.0
# But no later than after so many seconds: one probe that hangs must not make the others' answers old.
LONGEST_BESIDE = 15.0
# How often the audit log's length is looked at, where a check asks for it.
LOG_EVERY = 0.3
LONGEST_TURN = 30.0
# When a cluster has not answered for so long, it is looked for anew: it may have come back with another address.
GIVE_UP = 15.0
SILENT = "Your cluster does not answer; it is being started again. Your tasks are shown as they were."


@dataclass(frozen=True, slots=True)
class News:
    """What a viewer is told: the event's name and what it says."""

    name: str
    said: dict[str, Any]


class Sight:
    """For one thread, but for `wake`."""

    def __init__(self, folder: Path, admin: Path) -> None:
        """Ask who is there. Raises ClusterUnreachable, and LabError for a lab that cannot be used."""
        access = Access.from_kubeconfig(admin)
        try:
            lab = lab_for(folder, access)
            self._judge = Judge(lab, begin(lab, access))
        finally:
            access.close()
        extension = access.kubeconfig.extension
        # Of a cluster that is a student's alone every namespace may be looked at; in a class's only the lab's own.
        alone = extension.get("provider") not in (None, "existing")
        self._namespace = lab.spec.namespace
        self.watches = Watches(
            access.another(),
            merged(self._judge.wants | graph.wants("*" if alone else self._namespace), alone=alone),
            managed_fields="managedFields" in repr(lab.spec),
        )
        log = extension.get("auditLog")
        self._beside = _Beside(self._judge, access, Path(log) if isinstance(log, str) else None, self.watches.wake)
        self._due: float | None = 0.0
        self._not_before = 0.0
        self._trouble_since: float | None = None
        self._told: dict[str, Any] = {}
        self._report: dict[str, Any] | None = None

    def wake(self) -> None:
        """End the wait of a `turn`; from any thread."""
        self.watches.wake()

    def close(self) -> None:
        """End every watch."""
        self._beside.close()
        self.watches.close()

    def turn(self) -> list[News]:
        """Wait for something to happen, and say what is new to tell; often nothing.

        Raises ClusterUnreachable where the cluster has not answered for a while, and whatever broke a look beside.
        """
        now = time.monotonic()
        until = [now + LONGEST_TURN, *self._beside.next_look(now)]
        if self._due is not None and self._ready:
            until.append(self._due)
        changed = self.watches.turn(max(0.0, min(until) - now))
        now = time.monotonic()
        if self._beside.look(now, changed):
            changed = True
        if changed:
            soon = max(now + COALESCE, self._not_before)
            self._due = soon if self._due is None else min(self._due, soon)
        if self.watches.trouble is None:
            self._trouble_since = None
        else:
            self._judge.forget()
            self._trouble_since = self._trouble_since or now
            if now - self._trouble_since > GIVE_UP:
                raise ClusterUnreachable(self.watches.trouble)
            return self._news("tasks", {**(self._report or {"tasks": []}), "stale": True, "notice": SILENT})
        return self._look(now) if self._ready and self._due is not None and self._due <= now else []

    @property
    def _ready(self) -> bool:
        """Whether there is enough to draw. What is missing comes with news."""
        return self.watches.trouble is None and self.watches.complete

    def _look(self, now: float) -> list[News]:
        lists, again, news = self.watches.lists, None, list[News]()
        if self._beside.seen:  # before that there are checks that cannot be judged; its end is news
            self._report, again = self._judge.judge(lists)
            news += self._news("tasks", {**self._report, "stale": False, "notice": None})
        news += self._news("cluster", graph.draw(lists, self._namespace))
        done = time.monotonic()
        self._not_before = done + min(max(BREATH, BREATHS * (done - now)), LONGEST_BREATH)
        self._due = None if again is None else max(done + again, self._not_before)
        return news

    def _news(self, name: str, said: dict[str, Any]) -> list[News]:
        if self._told.get(name) == said:
            return []
        self._told[name] = said
        return [News(name, said)]


def merged(wants: Iterable[Want], *, alone: bool) -> frozenset[Want]:
    """The lists to watch, as few as will do: in a cluster of one's own, one over all namespaces serves for several."""
    chosen = set(wants)
    places: dict[tuple[str, str], set[str]] = {}
    for want in chosen:
        places.setdefault((want.api_version, want.kind), set()).add(want.namespace)
    return frozenset(
        Want(api_version, kind, namespace)
        for (api_version, kind), spaces in places.items()
        for namespace in (("*",) if "*" in spaces or (alone and len(spaces) > 1) else spaces)
    )


class _Beside:
    """What no list shows, looked at in a thread of its own when it may have changed: it can take seconds."""

    def __init__(self, judge: Judge, access: Access, log: Path | None, wake: Callable[[], None]) -> None:
        self._judge, self._access, self._wake = judge, access.another(), wake
        self._log = log if judge.asks_calls else None
        self._every = CALLS_EVERY if judge.asks_calls else BESIDE_EVERY if judge.asks_beside else ENDED_EVERY
        self._length = self._measure()
        self._wanted, self._not_before = True, 0.0
        self._running: threading.Thread | None = None
        self._found: Evidence | None = None
        self._failed = False
        self._fault: Exception | None = None
        self._took = 0.0
        self.seen = False

    def next_look(self, now: float) -> list[float]:
        """When something is to be done without any news."""
        if self._running is not None:
            return []  # its end wakes
        due = [self._not_before] if self._wanted else []
        return [*due, now + LOG_EVERY] if self._log is not None else due

    def look(self, now: float, changed: bool) -> bool:
        """Begin or end a look. Whether one ended that found something else than before. Raises what broke one."""
        ended = self._end(now)
        if self._log is not None and (length := self._measure()) != self._length:
            self._length, changed = length, True
        self._wanted = self._wanted or changed
        if self._wanted and self._running is None and now >= self._not_before:
            self._wanted = False
            self._running = threading.Thread(
                target=self._run, args=(self._judge.evidence,), name="live-beside", daemon=True
            )
            self._running.start()
        return ended

    def close(self) -> None:
        """Wait for none: what runs ends by itself and tells nobody."""
        self._wake = _nobody

    def _run(self, evidence: Evidence) -> None:
        begun = time.monotonic()
        try:
            self._found = observe(self._judge.lab, self._access, evidence)
        except GraderError:
            self._failed = True  # the cluster does not answer, which the watches tell
        except Exception as fault:  # noqa: BLE001 - raised again by `look`
            self._fault = fault
        finally:
            self._access.close()
            self._took = time.monotonic() - begun
            self._running = None
            self._wake()

    def _end(self, now: float) -> bool:
        if self._fault is not None:
            raise self._fault
        found, self._found = self._found, None
        if self._failed:
            self._failed, self._wanted, self._not_before = False, True, now + self._every
        if found is None:
            return False
        self._not_before = now + max(self._every, min(BESIDE_TIMES * self._took, LONGEST_BESIDE))
        before = self._judge.evidence
        first, self.seen = not self.seen, True
        self._judge.observed(found)
        self._wanted = self._wanted or self._judge.asks_pods
        return first or before != self._judge.evidence

    def _measure(self) -> int:
        try:
            return self._log.stat().st_size if self._log is not None else 0
        except OSError:
            return 0


def _nobody() -> None:
    """Wake nobody."""
