"""The fault that a lab's author makes in a check: a LabError that knows where in the check it stands.

LabError
└── PatternError   a partial object or an expression that cannot be used; `path` leads to it from the check down
"""

from __future__ import annotations

from grader.checks.wording import joined
from grader.model import LabError


class PatternError(LabError):
    """`path` are the keys from the check down: ("match", "spec", "replicas"). The text begins with them."""

    def __init__(self, path: tuple[str | int, ...], problem: str) -> None:
        """Keep the place and the problem apart, so that a caller who knows the line can say it instead."""
        super().__init__(f"{joined(path)}: {problem}" if path else problem)
        self.path = path
        self.problem = problem

    def under(self, *keys: str | int) -> PatternError:
        """The same fault, seen from further up."""
        return PatternError((*keys, *self.path), self.problem)
