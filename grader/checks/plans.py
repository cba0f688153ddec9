"""Checks compiled once: a check is read many times, by polling, by `hold`, by thousands of mutants."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.checks.compiling import Matcher, compile
from grader.checks.expressions import Expression, compile_expression
from grader.checks.faults import PatternError
from grader.checks.looking import inside, want
from grader.checks.nearness import asked
from grader.labfile.faults import Fault, LabFaults
from grader.labfile.loading import LoadedLab
from grader.labfile.schema import Absent, Cel, CheckBase, Count, Lab, Match, seconds
from grader.model import Want


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled check. `lists` are its partial objects: under "" for match, absent and count, by name for cel.
    `asked` says in words what the one under "" asks for. `hold` is in seconds."""

    lists: Mapping[str, tuple[Matcher, Want]]
    expression: Expression | None
    hold: float | None
    asked: str


# Checks are frozen but not hashable (they hold plain maps), so they are known by identity for as long as they live. The
# home namespace is part of the key: the same check may be read as part of two labs.
_PLANS: dict[tuple[int, str], tuple[weakref.ref[CheckBase], Plan]] = {}


def plan(check: CheckBase, home: str) -> Plan:
    """The check, compiled. `home` is the lab's namespace. Raises PatternError."""
    key = (id(check), home)
    known = _PLANS.get(key)
    if known is not None and known[0]() is check:
        return known[1]
    made = _compile(check, home)
    _PLANS[key] = (weakref.ref(check, lambda _: _PLANS.pop(key, None)), made)
    return made


def _compile(check: CheckBase, home: str) -> Plan:
    lists = {}
    for name, (path, partial) in _partials(check).items():
        try:
            lists[name] = (compile(partial), want(partial, home))
        except PatternError as error:
            raise error.under(*path) from None
    expression = compile_expression(check.cel, list(check.with_)) if isinstance(check, Cel) else None
    words = asked(lists[""][0].partial) if "" in lists else ""
    return Plan(lists, expression, seconds(check.hold) if check.hold is not None else None, words)


def _partials(check: CheckBase) -> dict[str, tuple[tuple[str, ...], Mapping[str, Any]]]:
    match check:
        case Match():
            return {"": (("match",), check.match)}
        case Absent():
            return {"": (("absent",), check.absent)}
        case Count():
            return {"": (("count", "of"), check.count.of)}
        case Cel():
            return {name: (("with", name), partial) for name, partial in check.with_.items()}
        case _:
            return {}


# The labs whose checks are all compiled, by identity of their content.
_SOUND: dict[int, weakref.ref[Lab]] = {}


def prepare(lab: LoadedLab) -> None:
    """Compile every check of a lab. Raises LabFaults with each pattern and expression that cannot be used, by line."""
    key = id(lab.spec)
    known = _SOUND.get(key)
    if known is not None and known() is lab.spec:
        return
    faults = [
        fault
        for t, task in enumerate(lab.spec.tasks)
        for c, check in enumerate(task.checks)
        for fault in _faults(lab, check, ("tasks", t, "checks", c))
    ]
    if faults:
        raise LabFaults(faults)
    _SOUND[key] = weakref.ref(lab.spec, lambda _: _SOUND.pop(key, None))


def _faults(lab: LoadedLab, check: CheckBase, path: tuple[str | int, ...]) -> list[Fault]:
    try:
        plan(check, lab.spec.namespace)
    except PatternError as error:
        return [Fault(lab.file, lab.line(*path, *error.path), str(error))]
    word = "any_of" if hasattr(check, "any_of") else "all_of"
    return [f for i, inner in enumerate(inside(check)) for f in _faults(lab, inner, (*path, word, i))]
