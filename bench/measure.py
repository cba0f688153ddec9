"""Two things side by side: run in turn, so that a drifting machine slows both, and told as medians, p95 and a ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Timed = Callable[[], float]


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes on the wall clock, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def p95(values: Sequence[float]) -> float:
    """The value that 95 % of the values do not exceed; the largest of fewer than 20."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * len(ordered) + 0.5) - 1)]


@dataclass(frozen=True, slots=True)
class Pair:
    """What two sides took, in the unit that they were measured in, run by run."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The median of the ratios of neighbouring runs."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def alternate(ours: Timed, theirs: Timed, *, runs: int, warmup: int = 1) -> Pair:
    """Both sides in turn, `runs` times each after `warmup` rounds that do not count. Each returns what it took."""
    taken = Pair([], [])
    for turn in range(runs + warmup):
        a, b = ours(), theirs()
        if turn >= warmup:
            taken.ours.append(a)
            taken.theirs.append(b)
    return taken


def duration(value: float) -> str:
    """Seconds as a person reads them: "4.2 ms", "3.1 s"."""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `met` is None for a figure that is stated and not bounded."""

    what: str
    ours: str
    theirs: str
    ratio: str
    asked: str
    met: bool | None

    @classmethod
    def of(cls, what: str, pair: Pair, *, at_most: float, than: str) -> Row:
        """A timed pair against the ratio it may have at most."""

        def side(values: list[float]) -> str:
            return f"{duration(statistics.median(values))} (p95 {duration(p95(values))})"

        ratio = pair.ratio
        return cls(
            what, side(pair.ours), f"{than}: {side(pair.theirs)}", f"{ratio:.2f}", f"≤ {at_most:.2f}", ratio <= at_most
        )
