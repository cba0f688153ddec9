"""The operators of a partial object: a map with one key that begins with `$`. No Kubernetes field does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from grader.checks.expressions import regex
from grader.checks.patterns import Mismatch, Pattern
from grader.checks.places import Path
from grader.checks.quantity import parse
from grader.checks.wording import listing, shown

OPERATORS = ("$regex", "$in", "$at_least", "$at_most", "$size", "$only", "$not")


class Regex(Pattern):
    """`$regex`: some part of a text matches."""

    __slots__ = ("_search",)

    def __init__(self, pattern: str) -> None:
        """`pattern` is RE2. Raises PatternError where it is not."""
        super().__init__(f"something that matches {shown(pattern)}")
        self._search: Callable[[str], bool] = regex(pattern)

    def holds(self, value: Any) -> bool:
        """Whether it is a text, and matches."""
        return isinstance(value, str) and self._search(value)


class In(Pattern):
    """`$in`: one of these holds."""

    __slots__ = ("_choices",)

    def __init__(self, choices: Sequence[Pattern]) -> None:
        """At least one choice."""
        super().__init__(listing([c.words for c in choices], "or"))
        self._choices = tuple(choices)

    def holds(self, value: Any) -> bool:
        """Whether any does."""
        return any(c.holds(value) for c in self._choices)


class Bound(Pattern):
    """`$at_least` and `$at_most`, of numbers and quantities. What is absent is within no bound, but for the counters of
    a status, which the API server leaves out when they are zero."""

    __slots__ = ("_absent", "_bound", "_least")

    def __init__(self, bound: Fraction, words: str, *, least: bool, absent: Fraction | None) -> None:
        """`absent` is what an absent value counts as, None where it is within no bound."""
        super().__init__(words)
        self._bound = bound
        self._least = least
        self._absent = absent

    def holds(self, value: Any) -> bool:
        """Whether it is a number or a quantity, and within."""
        number = self._absent if value is None else parse(value)
        if number is None:
            return False
        return number >= self._bound if self._least else number <= self._bound


class Size(Pattern):
    """`$size`: of a list or a map. What is absent has none."""

    __slots__ = ("_count",)

    def __init__(self, count: Pattern) -> None:
        """`count` is what the number of items must be."""
        super().__init__(f"{count.words} items" if count.words != "1" else "1 item")
        self._count = count

    def holds(self, value: Any) -> bool:
        """Whether the number of items holds."""
        if value is None:
            return self._count.holds(0)
        return isinstance(value, list | dict) and self._count.holds(len(value))

    def differ(self, value: Any, path: Path) -> Iterator[Mismatch]:
        """The number that is there, not the items."""
        for one in super().differ(value, path):
            if isinstance(value, list | dict):
                yield Mismatch(f"the number of items in {one.path}", self._count.words, len(value), one.weight)
            else:
                yield one


class Not(Pattern):
    """`$not`: the pattern inside does not hold."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Pattern) -> None:
        """`inner` is what must not hold."""
        super().__init__("it to be set" if inner.words == "it not to be set" else f"not {inner.words}")
        self._inner = inner

    def holds(self, value: Any) -> bool:
        """The opposite of the inside, also for what is absent."""
        return not self._inner.holds(value)
