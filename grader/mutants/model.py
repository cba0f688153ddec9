"""What a mutant is, and which of them a lab explains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.labfile.schema import Free
from grader.model import Evidence

# The path of a mutant that is about the object as a whole.
WHOLE = "*"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One thing broken in the evidence of a solved lab.

    It must cost points in `task`, or in some task where that is None. `path` is the broken field with [] for every
    item of a list, "*" for the object as a whole; `file` and `line` are where the lab asks for it or the solution sets
    it. Mutants of one `group` stand for each other: one that is noticed is enough, because which side of a bound is the
    wrong one only the checks know.
    """

    description: str
    task: str | None
    kind: str
    name: str
    path: str
    file: Path
    line: int
    mutate: Callable[[Evidence], Evidence]
    group: str


def explained(mutant: Mutant, free: Iterable[Free]) -> Free | None:
    """The entry of the lab's `free` that says why nobody needs to notice; it covers what lies below its path too."""
    for one in free:
        if one.kind != mutant.kind or one.name not in (None, mutant.name):
            continue
        below = (f"{one.path}.", f"{one.path}[")
        if one.path in {WHOLE, mutant.path} or mutant.path.startswith(below):
            return one
    return None
