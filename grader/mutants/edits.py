"""Changing one thing in captured evidence without touching the original: only what lies on the way to it is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grader.model import Evidence, Object, ObjectList, Snapshot

Keys = tuple[str | int, ...]
# An object's new form, or None where it is gone.
Edit = Callable[[Object], Object | None]


@dataclass(frozen=True, slots=True)
class Ref:
    """An object's identity across lists, versions of its API, and looks."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Service web`."""
        return f"{self.kind} {self.name}"


def ref(obj: Object, default_namespace: str = "") -> Ref:
    """The identity of an object; a manifest without a namespace is taken to be in `default_namespace`."""
    metadata = obj.get("metadata") or {}
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return Ref(group, str(obj.get("kind")), metadata.get("namespace") or default_namespace, str(metadata.get("name")))


def with_value(obj: Any, keys: Keys, value: Any) -> Any:
    """A copy of nested maps and lists with the value at `keys` set; missing maps on the way are made."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(key, int):
        return [with_value(item, rest, value) if i == key else item for i, item in enumerate(obj)]
    inner = obj if isinstance(obj, dict) else {}
    return {**inner, key: with_value(inner.get(key), rest, value)}


def without(obj: Any, keys: Keys) -> Any:
    """A copy of nested maps and lists with the field or item at `keys` removed."""
    key, rest = keys[0], keys[1:]
    if not rest:
        if isinstance(key, int):
            return [item for i, item in enumerate(obj) if i != key]
        return {k: v for k, v in obj.items() if k != key}
    if isinstance(key, int):
        return [without(item, rest) if i == key else item for i, item in enumerate(obj)]
    return {**obj, key: without(obj[key], rest)}


def value_at(obj: Any, keys: Keys) -> Any:
    """The value at `keys`. Raises LookupError where there is none."""
    for key in keys:
        if isinstance(key, int):
            if not isinstance(obj, list):
                raise KeyError(key)
            obj = obj[key]
        elif isinstance(obj, dict):
            obj = obj[key]
        else:
            raise KeyError(key)
    return obj


def edited(evidence: Evidence, edits: dict[Ref, Edit]) -> Evidence:
    """The evidence with some objects changed, in every list that has them, at every look."""
    kinds = {one.kind for one in edits}

    def snapshot(look: Snapshot) -> Snapshot:
        return replace(look, lists=[_list(one, edits) if one.kind in kinds else one for one in look.lists])

    return replace(evidence, now=snapshot(evidence.now), earlier=[snapshot(look) for look in evidence.earlier])


def _list(one: ObjectList, edits: dict[Ref, Edit]) -> ObjectList:
    group = one.api_version.rpartition("/")[0]
    names: dict[str, list[tuple[Ref, Edit]]] = {}
    for target, edit in edits.items():
        if target.kind == one.kind and target.group == group:
            names.setdefault(target.name, []).append((target, edit))
    if not names:
        return one
    items: list[Object] = []
    for obj in one.items:
        found = _edit_of(obj, names)
        changed = obj if found is None else found(obj)
        if changed is not None:
            items.append(changed)
    return replace(one, items=items)


def _edit_of(obj: Object, names: dict[str, list[tuple[Ref, Edit]]]) -> Edit | None:
    metadata = obj["metadata"]
    for target, edit in names.get(metadata.get("name"), ()):
        if target.namespace in ("", metadata.get("namespace", "")):
            return edit
    return None


def added(evidence: Evidence, objects: Sequence[Object]) -> Evidence:
    """The evidence with further objects in every list that they belong to, at every look; those of the same name go."""

    def extended(one: ObjectList) -> ObjectList:
        fitting = [o for o in objects if _belongs(o, one)]
        if not fitting:
            return one
        names = {ref(o) for o in fitting}
        return replace(one, items=[*(o for o in one.items if ref(o) not in names), *fitting])

    def snapshot(look: Snapshot) -> Snapshot:
        return replace(look, lists=[extended(one) for one in look.lists])

    return replace(evidence, now=snapshot(evidence.now), earlier=[snapshot(look) for look in evidence.earlier])


def _belongs(obj: Object, one: ObjectList) -> bool:
    if (obj["apiVersion"], obj["kind"]) != (one.api_version, one.kind):
        return False
    return one.namespace in ("", "*") or obj["metadata"].get("namespace") == one.namespace


def leaves(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every scalar, empty container and operator of nested maps and lists, with its place."""
    if isinstance(value, dict) and value and not is_operator(value):
        for key, inner in value.items():
            yield from leaves(inner, (*keys, key))
    elif isinstance(value, list) and value:
        for i, inner in enumerate(value):
            yield from leaves(inner, (*keys, i))
    else:
        yield keys, value


def items(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """The place of every item of every list in nested maps and lists."""
    if isinstance(value, dict) and not is_operator(value):
        for key, inner in value.items():
            yield from items(inner, (*keys, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield (*keys, i)
            yield from items(inner, (*keys, i))


def is_operator(value: Any) -> bool:
    """Whether a pattern is a map with one operator, `{$in: [...]}`."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$")


def spelled(keys: Iterable[str | int]) -> str:
    """`spec.ports[].port`: every item of a list is written the same."""
    text = ""
    for key in keys:
        text += "[]" if isinstance(key, int) else (f".{key}" if text else key)
    return text
