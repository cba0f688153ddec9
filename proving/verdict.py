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


def as_named(loses: Mapping[str, float], lost: Mapping[str, float], skipped: Mapping[str, float]) -> bool:
    """Whether in each task was lost what a mistake names. What was skipped might have been lost as well: of what is
    named, so much may be missing, and no more. Points are rounded to two decimals in a report."""
    return all(
        points - skipped.get(task, 0.0) - ROUNDING <= lost[task] <= points + ROUNDING for task, points in loses.items()
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a lab: in which step it was seen, where it comes from, what it is."""

    step: Step
    message: str
    file: Path
    line: int = 0


@dataclass(frozen=True, slots=True)
class Mistake:
    """A file of wrong/: the points that it must lose by task, those that it lost, and those that could not be shown."""

    file: Path
    title: str
    loses: Mapping[str, float]
    lost: Mapping[str, float]
    skipped: Mapping[str, float] = field(default_factory=dict)

    @property
    def as_named(self) -> bool:
        """Whether it lost, in each task, what it says."""
        return as_named(self.loses, self.lost, self.skipped)


@dataclass(frozen=True, slots=True)
class Gap:
    """A mutant that nobody noticed, or on which a check could not be run. `note` is the reason that the lab's `free`
    gives, or the check's error."""

    what: str
    task: str | None
    kind: str
    name: str
    path: str
    file: Path
    line: int
    note: str = ""

    @classmethod
    def of(cls, mutant: Mutant, note: str = "") -> Gap:
        """What is told of a mutant."""
        return cls(
            mutant.description, mutant.task, mutant.kind, mutant.name, mutant.path, mutant.file, mutant.line, note
        )


@dataclass(frozen=True, slots=True)
class Mutation:
    """How the mutants fared. `survivors` are gaps of the lab, `free` are those that it gives a reason for, `broken`
    those on which a check could not be run."""

    made: int
    noticed: int
    survivors: Sequence[Gap] = ()
    free: Sequence[Gap] = ()
    broken: Sequence[Gap] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Verdict:
    """What some trials of a lab showed, or all of them. Times are in seconds."""

    lab: str
    points: float
    attempts: int = 0
    solved: int = 0
    skipped_points: float = 0.0
    skipped: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    mutation: Mutation = field(default_factory=lambda: Mutation(0, 0))
    grading: float = 0.0  # the longest that one grading took
    seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """True where the lab has no fault."""
        return not self.faults

    @property
    def unsolvable(self) -> bool:
        """True where the solution was tried and never earned all points: what comes after it shows nothing more."""
        return self.attempts > 0 and self.solved == 0

    def fault(self, step: Step, message: str, file: Path, line: int = 0) -> None:
        """Add a fault."""
        self.faults.append(Fault(step, message, file, line))

    def add(self, part: Verdict) -> None:
        """Take in what a further trial showed. Faults and mistakes stand in the order of steps and files."""
        self.attempts += part.attempts
        self.solved += part.solved
        self.skipped_points = max(self.skipped_points, part.skipped_points)
        self.skipped = part.skipped or self.skipped
        self.mutation = part.mutation if part.mutation.made else self.mutation
        self.grading = max(self.grading, part.grading)
        self.seconds += part.seconds
        steps = get_args(Step)
        self.faults = sorted([*self.faults, *part.faults], key=lambda f: (steps.index(f.step), f.file, f.line))
        self.mistakes = sorted([*self.mistakes, *part.mistakes], key=lambda mistake: mistake.file)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON."""
    mutation = verdict.mutation
    return {
        "lab": verdict.lab,
        "proved": verdict.proved,
        "points": verdict.points,
        "skipped_points": verdict.skipped_points,
        "skipped": verdict.skipped,
        "attempts": verdict.attempts,
        "solved": verdict.solved,
        "mistakes": [_plain(mistake) for mistake in verdict.mistakes],
        "mutants": {
            "made": mutation.made,
            "noticed": mutation.noticed,
            "survivors": [_plain(gap) for gap in mutation.survivors],
            "free": [_plain(gap) for gap in mutation.free],
            "broken": [_plain(gap) for gap in mutation.broken],
            "seconds": round(mutation.seconds, 3),
        },
        "grading_seconds": round(verdict.grading, 3),
        "seconds": round(verdict.seconds, 1),
        "faults": [_plain(fault) for fault in verdict.faults],
    }


def _plain(one: Fault | Gap | Mistake) -> dict[str, Any]:
    return {**asdict(one), "file": str(one.file)}
