"""Pauses after failures, and points in time that are compared across a clock that may jump."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

# The longest pause after a failure, in seconds.
LONGEST = 300.0
Clock = Callable[[], float]


def pause(failures: int, longest: float = LONGEST) -> float:
    """How long to wait after so many failures in a row, in seconds: 1, 2, 4, … up to the longest."""
    return float(min(2.0 ** max(failures - 1, 0), longest)) if failures < 32 else longest


def due(at: datetime.datetime | None, moment: datetime.datetime) -> bool:
    """Whether a point in time has come. One that lies further ahead than any pause was written by another clock."""
    if at is None:
        return True
    return at <= moment or (at - moment).total_seconds() > LONGEST


class Rest:
    """A pause that grows with each failure in a row, by the monotonic clock."""

    def __init__(self, longest: float = 60.0, clock: Clock = time.monotonic) -> None:
        """`longest` is in seconds."""
        self._longest, self._clock = longest, clock
        self.failures = 0
        self._until = 0.0

    def fail(self, at_least: float = 0.0) -> float:
        """Rest from now on; for how many seconds."""
        self.failures += 1
        seconds = max(pause(self.failures, self._longest), min(at_least, self._longest))
        self._until = self._clock() + seconds
        return seconds

    def recover(self) -> None:
        """It works again."""
        self.failures, self._until = 0, 0.0

    @property
    def over(self) -> bool:
        """Whether it is time to try again."""
        return self._clock() >= self._until


class Idleness:
    """For how long nobody has been at a session. A jump of the wall clock puts nobody to sleep.

    What this process has seen is measured by the monotonic clock. What was before, when it did not run, is taken from
    the rows, but never counts for all of the time allowed: whoever is there has a minute to say so.
    """

    GRACE = 60.0

    def __init__(self, allowed: float, clock: Clock = time.monotonic) -> None:
        """`allowed` is in seconds."""
        self._allowed, self._clock = allowed, clock
        self._seen: dict[str, tuple[datetime.datetime, float]] = {}

    def idle(self, session: str, active_at: datetime.datetime, moment: datetime.datetime) -> bool:
        """Take note of a session's last activity; whether it has been idle for too long."""
        known = self._seen.get(session)
        if known is None:
            before = min(max((moment - active_at).total_seconds(), 0.0), max(self._allowed - self.GRACE, 0.0))
            known = (active_at, self._clock() - before)
        elif known[0] != active_at:
            known = (active_at, self._clock())
        self._seen[session] = known
        return self._clock() - known[1] > self._allowed

    def keep(self, sessions: set[str]) -> None:
        """Forget every session but these."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in sessions}


class Calendar:
    """Whether the wall clock may be asked how many days ago something was.

    It may once it has gone along with the monotonic clock for an hour. One that was set wrong, at the machine's start
    or later, is mended by then, or somebody has noticed.
    """

    AFTER, SLACK = 3600.0, 60.0

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """It is not trusted yet."""
        self._clock = clock
        self._offset = self._since = float("-inf")

    def trusted(self, moment: datetime.datetime) -> bool:
        """To be asked every minute or so, with what the wall clock says."""
        offset = moment.timestamp() - self._clock()
        if abs(offset - self._offset) > self.SLACK:
            self._since = self._clock()
        self._offset = offset
        return self._clock() - self._since >= self.AFTER
