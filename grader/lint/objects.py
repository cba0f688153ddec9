"""Kubernetes objects of a lab, as faults: whole ones in manifests, partial ones in checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from grader.labfile.faults import Fault
from grader.labfile.manifests import Manifest
from grader.labfile.schema import AllOf, AnyOf, Cel, CheckBase, Count, Lab, kind_of
from grader.lint import images, rules, versions
from grader.lint.structure import Keys, Problem, partial, whole
from grader.lint.types import Types


def manifest(types: Types, one: Manifest) -> Iterator[Fault]:
    """What an API server would refuse in a manifest."""
    value = one.object
    problems: list[Problem] = []
    wrong = versions.kind(types, value["apiVersion"], value["kind"])
    if wrong:
        problems.append(wrong)
    of = types.kind(value["apiVersion"], value["kind"])
    if of is not None:
        problems += whole(types, value, of)
    if not wrong or of is not None:
        # A rule may say again what the shape's check said of the same place.
        said = {p.keys for p in problems}
        problems += [p for p in rules.check(value) if p.keys not in said]
    problems += versions.old_keys(value)
    yield from _faults(problems, one.path, one.line, _called(value))


def unpinned(one: Manifest) -> Iterator[Fault]:
    """The images of a manifest that are not pinned."""
    yield from _faults(images.of(one.object), one.path, one.line, _called(one.object))


def _called(value: dict[str, Any]) -> str:
    return f"{value['kind']} {value['metadata']['name']}: "


def _faults(problems: Iterable[Problem], path: Path, line: Callable[..., int], prefix: str) -> Iterator[Fault]:
    for keys, message in problems:
        yield Fault(path, line(*keys), prefix + message)


def checks(lab: Lab) -> Iterator[tuple[Keys, CheckBase]]:
    """Every check of a lab, nested ones too, with where it stands in lab.yaml."""
    for i, task in enumerate(lab.tasks):
        for j, check in enumerate(task.checks):
            yield from _nested(("tasks", i, "checks", j), check)


def _nested(keys: Keys, check: CheckBase) -> Iterator[tuple[Keys, CheckBase]]:
    yield keys, check
    if isinstance(check, AnyOf | AllOf):
        for i, inner in enumerate(check.any_of if isinstance(check, AnyOf) else check.all_of):
            yield from _nested((*keys, kind_of(check), i), inner)


def partials(lab: Lab) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Every partial object of a lab's checks, with where it stands in lab.yaml."""
    for keys, check in checks(lab):
        kind = kind_of(check)
        if kind in ("match", "absent"):
            yield (*keys, kind), getattr(check, kind)
        elif isinstance(check, Count):
            yield (*keys, "count", "of"), check.count.of
        elif isinstance(check, Cel):
            for name, value in check.with_.items():
                yield (*keys, "with", name), value


def pattern(types: Types, keys: Keys, value: dict[str, Any]) -> Iterator[Problem]:
    """What in a check's partial object no object could ever contain; `keys` say where it stands in lab.yaml."""
    wrong = versions.kind(types, value["apiVersion"], value["kind"])
    if wrong:
        yield Problem((*keys, *wrong.keys), wrong.message)
    of = types.kind(value["apiVersion"], value["kind"])
    if of is not None:
        for problem in partial(types, value, of):
            yield Problem((*keys, *problem.keys), f"{value['kind']}: {problem.message}")
