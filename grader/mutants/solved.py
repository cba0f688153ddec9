"""Mutants of what the solution sets: each must cost points in some task, or nobody asks for what the solution does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.labfile import LoadedLab, Manifest
from grader.model import Evidence, Object, Report
from grader.mutants.asked import of_checks
from grader.mutants.edits import Edit, Keys, Ref, edited, items, leaves, ref, spelled, value_at, with_value, without
from grader.mutants.matching import comes_back, fits, patterns_on
from grader.mutants.model import WHOLE, Mutant
from grader.mutants.values import broken

# What names an object rather than what it is; the server's own fields.
_ADDRESS = (("apiVersion",), ("kind",), ("metadata", "namespace"), ("metadata", "creationTimestamp"))


def mutants(lab: LoadedLab, evidence: Evidence, report: Report, solution: Sequence[Manifest]) -> Iterator[Mutant]:
    """Every mutant of a solved lab. `report` is its grade, `solution` the manifests that solved it.

    A mutant that changes nothing (the order of a list, a field whose absence means the same) is not made. Derived
    objects are left as they are: a Deployment that is broken keeps its Pods, so a check on itself must notice.
    """
    yield from of_checks(lab, evidence, report)
    yield from of_solution(lab, evidence, solution)


def of_solution(lab: LoadedLab, evidence: Evidence, solution: Sequence[Manifest]) -> Iterator[Mutant]:
    """Mutants of every field of the solution's manifests, on the objects as they are stored.

    Where several manifests are about one object the last one counts. An object that the solution made and that is gone
    by now cannot be broken; one of a kind that no check looks at gives one mutant, of the object as a whole.
    """
    asked = patterns_on(lab, evidence)
    stored = _stored(evidence)
    for target, manifest in {_target(m, lab, stored): m for m in solution}.items():
        obj = stored.get(target)
        if obj is None and _looked_at(evidence, target):
            continue
        text = f"{target} is gone" if obj is not None else f"{target} is gone (no check looks at any {target.kind})"
        yield _mutant(target, text, WHOLE, manifest, keys=(), edit=lambda _: None)
        if obj is not None:
            yield from _of_object(_Made(target, obj, manifest, asked.get(target, {})))


@dataclass(frozen=True, slots=True)
class _Made:
    """An object that the solution made: as it is stored, and its manifest."""

    target: Ref
    stored: Object
    manifest: Manifest
    asked: Mapping[Keys, Sequence[Any]]

    def mutant(self, what: str, keys: Keys, edit: Edit, group: str = "") -> Mutant:
        """A mutant of what the manifest has at `keys`."""
        return _mutant(
            self.target, f"{self.target}: {what}", spelled(keys), self.manifest, keys=keys, edit=edit, group=group
        )


def _of_object(made: _Made) -> Iterator[Mutant]:
    for keys, value in leaves(made.manifest.object):
        place = _place(made.stored, made.manifest.object, keys)
        if place is not None and keys not in _ADDRESS and keys[0] != "status":
            yield from _changes(made, keys, place)
            named = keys == ("metadata", "name") or isinstance(place[-1], int)
            if not named and not comes_back(made.stored, place, value):
                yield made.mutant(f"{_told(place)} is not set", keys, _removal(place))
    for keys in items(made.manifest.object):
        place = _place(made.stored, made.manifest.object, keys)
        if place is not None:
            yield made.mutant(f"{_told(place)} is gone", keys, _removal(place))


def _changes(made: _Made, keys: Keys, place: Keys) -> Iterator[Mutant]:
    found = value_at(made.stored, place)
    if isinstance(found, dict | list):
        return
    patterns = made.asked.get(place, ())
    refused = [_refuses(pattern, place) for pattern in patterns]
    for other in broken(found, place, refused, patterns):
        what = f"{_told(place)} is {_shown(other)} instead of {_shown(found)}"
        yield made.mutant(what, keys, _setting(place, other), f"solution {made.target} {place} changed")


def _refuses(pattern: Any, place: Keys) -> Callable[[Any], bool]:
    accepts = fits(pattern, place)
    return lambda value: not accepts(value)


def _removal(place: Keys) -> Edit:
    return lambda obj: without(obj, place)


def _setting(place: Keys, value: Any) -> Edit:
    return lambda obj: with_value(obj, place, value)


def _mutant(
    target: Ref, text: str, path: str, manifest: Manifest, *, keys: Keys, edit: Edit, group: str = ""
) -> Mutant:
    group = group or f"solution {target.group} {target.namespace} {text}"
    line = manifest.line(*keys)
    return Mutant(
        text, None, target.kind, target.name, path, manifest.path, line, lambda e: edited(e, {target: edit}), group
    )


def _place(obj: Object, manifest: Object, keys: Keys) -> Keys | None:
    """Where the stored object has what the manifest has at `keys`. Items of lists may lie elsewhere, a Secret's
    stringData is stored as data. None where the stored object has it no longer."""
    if manifest.get("kind") == "Secret" and keys[0] == "stringData":
        moved: Keys = ("data", *keys[1:])
        return moved if _there(obj, moved) else None
    found: list[str | int] = []
    wanted: Any = manifest
    stored: Any = obj
    for key in keys:
        wanted = wanted[key]
        at = _index(stored, wanted, key, tuple(found)) if isinstance(key, int) else key
        if at is None or not _there(stored, (at,)):
            return None
        found.append(at)
        stored = stored[at]
    return tuple(found)


def _index(stored: Any, item: Any, index: int, above: Keys) -> int | None:
    """Which item of a stored list the manifest's item became: the one at its place where that fits, else the first that
    does, else the one of the same name or at the same place, which a controller or a later command has changed."""
    if not isinstance(stored, list):
        return None
    fit = fits(item, above)
    order = [index, *(i for i in range(len(stored)) if i != index)]
    for i in order:
        if i < len(stored) and fit(stored[i]):
            return i
    if isinstance(item, dict) and "name" in item:
        return next((i for i, s in enumerate(stored) if isinstance(s, dict) and s.get("name") == item["name"]), None)
    return index if index < len(stored) else None


def _there(obj: Any, keys: Keys) -> bool:
    try:
        value_at(obj, keys)
    except LookupError:
        return False
    return True


def _stored(evidence: Evidence) -> dict[Ref, Object]:
    return {ref(obj): obj for one in evidence.now.lists for obj in one.items}


def _target(manifest: Manifest, lab: LoadedLab, stored: dict[Ref, Object]) -> Ref:
    """The identity of a manifest's object: cluster-scoped where such a one is stored."""
    one = ref(manifest.object)
    if one.namespace or one in stored:
        return one
    return Ref(one.group, one.kind, lab.spec.namespace, one.name)


def _looked_at(evidence: Evidence, target: Ref) -> bool:
    lists = (one for one in evidence.now.lists if one.kind == target.kind)
    return any(one.namespace in ("", "*", target.namespace) for one in lists)


def _told(keys: Keys) -> str:
    """`spec.ports[0].port`."""
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
