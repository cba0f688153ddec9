"""What a value is broken into: another of the same type, and where a check accepts several, one that it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grader.checks.places import Place, place
from grader.mutants.edits import Keys, is_operator

_QUANTITY = re.compile(r"(\d+)((?:\.\d+)?)(m|k|[KMGTPE]i?)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_PERCENT = re.compile(r"(\d+)%")


def broken(value: Any, keys: Keys, refused: Sequence[Callable[[Any], bool]], asked: Sequence[Any] = ()) -> list[Any]:
    """Values to put in place of `value`. More than one: which of them is wrong only the checks know.

    `refused` says of a candidate whether a check that asks for this field refuses it; `asked` are their patterns. With
    any, one candidate that is refused is enough. Empty where the field cannot be broken by another value.
    """
    candidates = [
        c for c in (*_from_patterns(asked), *_candidates(value, keys)) if type(c) is not type(value) or c != value
    ]
    if refused:
        found = next((c for c in candidates if any(no(c) for no in refused)), None)
        return [] if found is None else [found]
    ordered = isinstance(value, (int, float)) and not isinstance(value, bool)
    if ordered or (isinstance(value, str) and _TIME.fullmatch(value)):
        return candidates[:2]
    return candidates[:1]


def _candidates(value: Any, keys: Keys) -> Iterator[Any]:
    """Other values of the same type, the mildest first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value - 1, 0, 10 * value + 10, -1)
    elif isinstance(value, str):
        yield from _texts(value, keys)
    elif isinstance(value, list):
        yield from (value[:-1], [*value, "seatrial"], [])
    elif isinstance(value, dict):
        yield {}


def _texts(value: str, keys: Keys) -> Iterator[str]:
    quantity = _QUANTITY.fullmatch(value)
    if quantity and place(keys) is Place.AMOUNT:  # Doubled rather than misspelt, so that it stays a legal one.
        number, fraction, unit = quantity.groups()
        yield from (f"{float(number + fraction) * 2:g}{unit or ''}", "1m", "0", "999Pi")
    if _TIME.fullmatch(value):
        yield from ("2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z")
    percent = _PERCENT.fullmatch(value)
    if percent:
        yield from (f"{int(percent[1]) + 1}%", "0%", "100%")
    yield misspelt(value)
    yield from (f"x{value}", f"{value}x", "x")


def misspelt(value: str) -> str:
    """The text with two neighbouring letters swapped, as near to the middle as they differ; else with one more."""
    middle = len(value) // 2
    for i in sorted(range(len(value) - 1), key=lambda i: abs(i + 1 - middle)):
        if value[i].isalnum() and value[i + 1].isalnum() and value[i] != value[i + 1]:
            return value[:i] + value[i + 1] + value[i] + value[i + 2 :]
    return value + "x"


def _from_patterns(asked: Sequence[Any]) -> Iterator[Any]:
    """Values on the far side of what operators ask for."""
    for pattern in asked:
        if not is_operator(pattern):
            continue
        operator, bound = next(iter(pattern.items()))
        number = isinstance(bound, (int, float)) and not isinstance(bound, bool)
        if operator == "$at_least" and number:
            yield bound - 1
        elif operator == "$at_most" and number:
            yield bound + 1
        elif operator == "$not":
            yield instance(bound)


def instance(pattern: Any) -> Any:
    """A value that a pattern accepts, as far as one can be made up; null leaves the field out."""
    if is_operator(pattern):
        operator, bound = next(iter(pattern.items()))
        if operator in {"$in", "$only"}:
            return bound[0] if operator == "$in" else [instance(item) for item in bound]
        if operator == "$size" and isinstance(bound, int):
            return ["seatrial"] * bound
        return "seatrial" if operator == "$not" else bound
    if isinstance(pattern, dict):
        return {k: instance(v) for k, v in pattern.items() if v is not None}
    if isinstance(pattern, list):
        return [instance(v) for v in pattern]
    return pattern
