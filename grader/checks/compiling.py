"""From a partial object as YAML gives it to a Matcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from grader.checks import places
from grader.checks.faults import PatternError
from grader.checks.operators import OPERATORS, Bound, In, Not, Regex, Size
from grader.checks.patterns import Fields, Items, Mismatch, NotSet, Pattern, Scalar
from grader.checks.places import Path
from grader.checks.quantity import parse
from grader.checks.wording import shown
from grader.labfile.faults import did_you_mean
from grader.model import Object

_UNSET = "it not to be set"


class Matcher:
    """A compiled partial object. Calling it says whether an object contains it."""

    __slots__ = ("partial", "pattern")

    def __init__(self, partial: Mapping[str, Any], pattern: Pattern) -> None:
        """Keep the partial object as its author wrote it beside what it was compiled to."""
        self.partial = partial
        self.pattern = pattern

    def __call__(self, obj: Object) -> bool:
        """Whether the object contains all of the partial object."""
        return self.pattern.holds(obj)

    def mismatches(self, obj: Object) -> list[Mismatch]:
        """What keeps the object from it, in the order of the partial object; empty where it matches."""
        return list(self.pattern.differ(obj, ()))


def compile(partial: Mapping[str, Any]) -> Matcher:
    """Compile a partial object. Raises PatternError, whose path begins at the partial object."""
    fields = dict(partial)
    about = fields.get("metadata")
    # A namespace of null means "in any", as an operator there does; it does not mean that there must be none.
    if isinstance(about, Mapping) and "namespace" in about and about["namespace"] is None:
        fields["metadata"] = {k: v for k, v in about.items() if k != "namespace"}
    return Matcher(partial, _fields(fields, (), ()))


def _pattern(value: Any, at: Path, written: Path) -> Pattern:
    """`at` is the place in the object, `written` the place in the partial object: operators are only in the second."""
    match value:
        case None:
            return NotSet(_UNSET)
        case Mapping():
            operators = [k for k in value if isinstance(k, str) and k.startswith("$")]
            return _operator(value, operators, at, written) if operators else _fields(value, at, written)
        case list() | tuple():
            return Items(_all(value, at, written), shown(value))
        case str() | bool() | int() | float():
            return Scalar(value, at)
        case _:
            # YAML reads 2026-01-01 as a date; JSON has none.
            raise PatternError(written, f"{shown(value)} is a {type(value).__name__}; write it in quotes")


def _fields(value: Mapping[str, Any], at: Path, written: Path) -> Pattern:
    fields = []
    for key, inner in value.items():
        if not isinstance(key, str):
            raise PatternError(written, f"the key {shown(key)} is not text; write it in quotes")
        fields.append((key, _pattern(inner, (*at, key), (*written, key))))
    return Fields(fields, at, shown(dict(value)))


def _all(values: Any, at: Path, written: Path) -> list[Pattern]:
    # An item of a list stands at the list's own place: what `args` are, each of them is.
    return [_pattern(v, at, (*written, i)) for i, v in enumerate(values)]


def _operator(value: Mapping[str, Any], operators: list[str], at: Path, written: Path) -> Pattern:
    name = operators[0]
    if name not in _BUILD:
        raise PatternError(written, f'unknown operator "{name}"{did_you_mean(name, OPERATORS)}')
    if len(value) > 1:
        others = [k for k in value if k != name]
        raise PatternError(written, f'the operator "{name}" stands alone in its map, here with {shown(others)}')
    return _BUILD[name](value[name], at, (*written, name))


def _regex(operand: Any, at: Path, written: Path) -> Pattern:
    if not isinstance(operand, str):
        raise PatternError(written, f"takes a regular expression as text, here {shown(operand)}")
    try:
        return Regex(operand)
    except PatternError as error:
        raise PatternError(written, error.problem) from None


def _in(operand: Any, at: Path, written: Path) -> Pattern:
    return In(_all(_listed(operand, written), at, written))


def _listed(operand: Any, written: Path) -> list[Any]:
    if not isinstance(operand, list | tuple):
        raise PatternError(written, f"takes a list, here {shown(operand)}")
    if not operand and written[-1] == "$in":
        raise PatternError(written, "takes a list of at least one value")
    return list(operand)


def _at_least(operand: Any, at: Path, written: Path) -> Pattern:
    return _bound(operand, at, written, least=True)


def _at_most(operand: Any, at: Path, written: Path) -> Pattern:
    return _bound(operand, at, written, least=False)


def _bound(operand: Any, at: Path, written: Path, *, least: bool) -> Pattern:
    bound = parse(operand)
    if bound is None:
        raise PatternError(written, f'takes a number or a quantity such as "500m", here {shown(operand)}')
    text = operand if isinstance(operand, str) else shown(operand)
    absent = Fraction(0) if places.in_status(at) else None
    return Bound(bound, f"at {'least' if least else 'most'} {text}", least=least, absent=absent)


def _size(operand: Any, at: Path, written: Path) -> Pattern:
    if isinstance(operand, bool) or not ((isinstance(operand, int) and operand >= 0) or isinstance(operand, Mapping)):
        raise PatternError(written, f"takes a number of items or an operator on it, here {shown(operand)}")
    return Size(_pattern(operand, at, written))


def _only(operand: Any, at: Path, written: Path) -> Pattern:
    return Items(_all(_listed(operand, written), at, written), f"only {shown(operand)}", only=True)


def _not(operand: Any, at: Path, written: Path) -> Pattern:
    return Not(_pattern(operand, at, written))


_BUILD: dict[str, Callable[[Any, Path, Path], Pattern]] = {
    "$regex": _regex,
    "$in": _in,
    "$at_least": _at_least,
    "$at_most": _at_most,
    "$size": _size,
    "$only": _only,
    "$not": _not,
}


def mismatches(partial: Mapping[str, Any], obj: Object) -> list[Mismatch]:
    """What keeps an object from containing a partial object. For a single use; else compile it. Raises PatternError."""
    return compile(partial).mismatches(obj)
