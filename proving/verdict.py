"""What proving a lab showed: faults, and the figures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from grader.mutants import Mutant

Step = Literal["start", "untouched", "solution", "wrong", "mutants"]


# Half of the last decimal of points, and a little for the floats.
ROUNDING = 0.005 + 1e-9


def same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two sets of points by task are the same."""
    return all(abs(points - other[task]) <= ROUNDING for task, points in one.items())


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a lab: in which step it was seen, where it comes from, what it is."""

    step: Step
    message: str
    file: Path
    line: int = 0


@dataclass(frozen=True, slots=True)
class Mistake:
    """A file of wrong/: the points that it must lose by task, and those that it lost."""

    file: Path
    title: str
    loses: Mapping[str, float]
    lost: Mapping[str, float]

    @property
    def as_named(self) -> bool:
        """Whether it lost, in each task, what it says; points are rounded to two decimals in a report."""
        return same(self.loses, self.lost)


@dataclass(frozen=True, slots=True)
class Mutation:
    """How the mutants fared. `survivors` are gaps of the lab, `explained` are those that its `free` gives a reason for,
    `broken` those on which a check could not be run."""

    made: int
    noticed: int
    survivors: Sequence[Mutant] = ()
    explained: Sequence[tuple[Mutant, str]] = ()
    broken: Sequence[tuple[Mutant, str]] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Verdict:
    """A proved lab. Times are in seconds."""

    lab: str
    points: float = 0.0
    attempts: int = 0
    solved: int = 0
    skipped_points: float = 0.0
    skipped: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    mutation: Mutation = field(default_factory=lambda: Mutation(0, 0))
    grading: float = 0.0
    seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """True where the lab has no fault."""
        return not self.faults

    def in_order(self) -> None:
        """Put faults and mistakes in the order of the steps and files, however the trials were shared out."""
        steps = get_args(Step)
        self.faults.sort(key=lambda fault: (steps.index(fault.step), fault.file, fault.line))
        self.mistakes.sort(key=lambda mistake: mistake.file)

    def fault(self, step: Step, message: str, file: Path, line: int = 0) -> None:
        """Add a fault."""
        self.faults.append(Fault(step, message, file, line))


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON."""
    mutation = verdict.mutation
    return {
        "lab": verdict.lab,
        "proved": verdict.proved,
        "points": verdict.points,
        "attempts": verdict.attempts,
        "solved": verdict.solved,
        "skipped_points": verdict.skipped_points,
        "skipped": verdict.skipped,
        "mistakes": [{**asdict(m), "file": str(m.file)} for m in verdict.mistakes],
        "mutants": {
            "made": mutation.made,
            "noticed": mutation.noticed,
            "survivors": [_mutant(m) for m in mutation.survivors],
            "explained": [{**_mutant(m), "why": why} for m, why in mutation.explained],
            "broken": [{**_mutant(m), "message": message} for m, message in mutation.broken],
            "seconds": round(mutation.seconds, 3),
        },
        "grading_seconds": round(verdict.grading, 3),
        "seconds": round(verdict.seconds, 1),
        "faults": [{**asdict(f), "file": str(f.file)} for f in verdict.faults],
    }


def _mutant(one: Mutant) -> dict[str, Any]:
    return {"what": one.description, "task": one.task, "kind": one.kind, "name": one.name, "path": one.path,
            "file": str(one.file), "line": one.line}  # fmt: skip
