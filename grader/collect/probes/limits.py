"""How much a probe takes of a Pod, and how long it waits for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

# Bytes of an answer, an output or a log that are kept: of an answer and an output the first, of a log the last.
READ = 64 << 10
# Seconds that a probe may take, and one that runs a command.
ANSWER, COMMAND = 5.0, 10.0
# So many of the Pods behind a Service are asked, by name.
PODS = 5
# So many of a log's last lines are read, as far as they come to no more bytes.
LINES, LOG = 1000, 1 << 20


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment in so many seconds, or none at all."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError where it is past."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left

    def within(self, seconds: float) -> Deadline:
        """The earlier of this and the moment in so many seconds."""
        return Deadline(min(self.at, time.monotonic() + seconds))
