"""Partial objects, compiled ahead: a value holds or it does not, and where it does not, what differs and where.

An absent field and a JSON null are one, and are None here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grader.checks import places
from grader.checks.bipartite import assign
from grader.checks.places import Path, Place
from grader.checks.quantity import has_unit, parse
from grader.checks.wording import joined, shown

# A wrong name is a sign of another object, so it counts as much as this many other differences.
NAME_WEIGHT = 10
# How many items of a list are looked at for the one nearest to what was asked.
_NEAREST_OF = 50


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference. `path` is "spec.ports[0].port"; `expected` is in words (`"web"`, `at least 2`); `found` is the
    value as it stands, None where the field is not set; `weight` says how much it sets the object apart."""

    path: str
    expected: str
    found: Any
    weight: int = 1
    missing_item: bool = False

    def __str__(self) -> str:
        """`spec.replicas is 1, expected 3`."""
        if self.missing_item:
            return f"{self.path} has no item {self.expected}"
        if self.found is None:
            return f"{self.path} is not set, expected {self.expected}"
        return f"{self.path} is {shown(self.found)}, expected {self.expected}"


class Pattern:
    """What a value must be. `words` says it after "expected"; `weight` counts the values that it asks for."""

    __slots__ = ("weight", "words")

    def __init__(self, words: str, weight: int = 1) -> None:
        """The words are fixed here, so that telling a difference costs nothing more."""
        self.words = words
        self.weight = weight

    def holds(self, value: Any) -> bool:
        """Whether the value is as asked."""
        raise NotImplementedError

    def differ(self, value: Any, path: Path) -> Iterator[Mismatch]:
        """What keeps it from being so; nothing where it holds."""
        if not self.holds(value):
            yield Mismatch(joined(path), self.words, value, self.weight)


class NotSet(Pattern):
    """`null`: the field is not there."""

    __slots__ = ()

    def holds(self, value: Any) -> bool:
        """Whether it is absent."""
        return value is None


class Scalar(Pattern):
    """A text, number or boolean, compared as its place in the object asks."""

    __slots__ = ("_absent", "_equal", "_expected")

    def __init__(self, expected: Any, path: Path) -> None:
        """`path` is where it stands in the object: it decides how values compare."""
        super().__init__(shown(expected), NAME_WEIGHT if path[-1:] == ("name",) else 1)
        self._expected = expected
        self._equal = _EQUAL[places.place(path)]
        self._absent = expected in ("", 0, False) and places.zero_when_absent(path)

    def holds(self, value: Any) -> bool:
        """Whether they mean the same."""
        if value is None:
            return self._absent
        return self._equal(self._expected, value)


def _exactly(expected: Any, value: Any) -> bool:
    # True == 1 in Python, and in no manifest.
    return bool(expected == value) and isinstance(expected, bool) == isinstance(value, bool)


def _as_amount(expected: Any, value: Any) -> bool:
    if _exactly(expected, value):
        return True
    number = parse(expected)
    return number is not None and number == parse(value)


def _as_number_or_name(expected: Any, value: Any) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool):
        return _exactly(expected, value)
    return bool(expected == value) or str(expected) == str(value)


def _as_it_stands(expected: Any, value: Any) -> bool:
    if _exactly(expected, value):
        return True
    if not isinstance(expected, str) or not isinstance(value, str) or not (has_unit(expected) or has_unit(value)):
        return False
    return _as_amount(expected, value)


_EQUAL: dict[Place, Callable[[Any, Any], bool]] = {
    Place.EXACT: _exactly,
    Place.AMOUNT: _as_amount,
    Place.NUMBER_OR_NAME: _as_number_or_name,
    Place.OPEN: _as_it_stands,
}


class Fields(Pattern):
    """A map that has at least these fields."""

    __slots__ = ("_absent_is_empty", "_empty_holds", "_fields")

    def __init__(self, fields: Sequence[tuple[str, Pattern]], path: Path, words: str) -> None:
        """`path` is where the map stands: it decides what its absence means."""
        super().__init__(words, max(1, sum(p.weight for _, p in fields)))
        self._fields = tuple(fields)
        self._empty_holds = places.empty_map_when_absent(path)
        self._absent_is_empty = not places.chosen_by_presence(path)

    def holds(self, value: Any) -> bool:
        """Whether every field holds. What is absent has no field set, so `null` and zeros hold in it."""
        if isinstance(value, dict):
            # A loop, not all(): this is where evaluating spends its time, and a generator costs more than the test.
            for key, pattern in self._fields:  # noqa: SIM110
                if not pattern.holds(value.get(key)):
                    return False
            return True
        if value is not None:
            return False
        if not self._fields:
            return self._empty_holds
        return self._absent_is_empty and all(p.holds(None) for _, p in self._fields)

    def differ(self, value: Any, path: Path) -> Iterator[Mismatch]:
        """Field by field, down to the values."""
        if self.holds(value):
            return
        if value is not None and not isinstance(value, dict):
            yield Mismatch(joined(path), self.words, value, self.weight)
            return
        inner = [m for key, p in self._fields for m in p.differ((value or {}).get(key), (*path, key))]
        # An absent map whose fields would all hold if it were there: the map itself is what is missing.
        yield from inner or [Mismatch(joined(path), self.words, value, self.weight)]


class Items(Pattern):
    """A list that holds at least these items, in any order, each used once; with `only`, these and no other."""

    __slots__ = ("_items", "_only")

    def __init__(self, items: Sequence[Pattern], words: str, *, only: bool = False) -> None:
        """The items stand at the list's own place."""
        super().__init__(words, max(1, sum(p.weight for p in items)))
        self._items = tuple(items)
        self._only = only

    def holds(self, value: Any) -> bool:
        """Whether each item finds one of its own."""
        if value is None:
            return not self._items
        if not isinstance(value, list) or len(value) < len(self._items):
            return False
        if self._only and len(value) != len(self._items):
            return False
        if len(self._items) == 1:
            return any(map(self._items[0].holds, value))
        return None not in self._assign(value)

    def _assign(self, value: list[Any]) -> list[int | None]:
        return assign(len(self._items), len(value), lambda i, j: self._items[i].holds(value[j]))

    def differ(self, value: Any, path: Path) -> Iterator[Mismatch]:
        """The items that are wanting, each against the nearest of those that are left."""
        if self.holds(value):
            return
        if value is not None and not isinstance(value, list):
            yield Mismatch(joined(path), self.words, value, self.weight)
            return
        found: list[Any] = value or []
        pairs = self._assign(found)
        wanting = [p for p, pair in zip(self._items, pairs, strict=True) if pair is None]
        left = [j for j in range(len(found)) if j not in pairs][:_NEAREST_OF]
        for pattern in wanting:
            yield from self._nearest(pattern, found, left, path)
        if self._only and not wanting:
            for j in left:
                yield Mismatch(joined((*path, j)), "it not to be there", found[j])

    def _nearest(self, pattern: Pattern, found: list[Any], left: list[int], path: Path) -> Iterator[Mismatch]:
        best: list[Mismatch] | None = None
        chosen = -1
        for j in left:
            differences = list(pattern.differ(found[j], (*path, j)))
            if best is None or _weight(differences) < _weight(best):
                best, chosen = differences, j
        # An item that shares nothing with the one asked for is not a near one.
        if best is None or _weight(best) >= pattern.weight or not isinstance(pattern, Fields):
            yield Mismatch(joined(path), pattern.words, found or None, pattern.weight, missing_item=True)
            return
        left.remove(chosen)
        yield from best


def _weight(differences: Sequence[Mismatch]) -> int:
    return sum(d.weight for d in differences)
