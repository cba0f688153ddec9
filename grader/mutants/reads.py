"""Fields that a CEL expression reads: each is broken in all objects of one `with` list, and the expression must notice.

Only a field that can be followed from an object itself is found (`pods.all(p, p.status.phase == "Running")` reads
status.phase); what an expression reads of a list's items, or under a name that it made up, is left to the mutants of
the solution. How an expression compares is not known, so several values are tried, and one that is noticed is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grader.labfile.schema import Cel
from grader.model import Object
from grader.mutants.edits import Edit, Keys, Ref, ref, spelled, value_at, with_value, without
from grader.mutants.values import broken

_TEXT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_CHAIN = re.compile(r"\b[A-Za-z_]\w*(?:\[\d+\])?((?:\.[A-Za-z_]\w*(?!\w*\s*\())+)")


def fields(expression: str) -> list[tuple[str, ...]]:
    """The chains of fields in an expression, without what they are read from: ("status", "phase")."""
    bare = _TEXT.sub('""', expression)
    return list(dict.fromkeys(tuple(m[1][1:].split(".")) for m in _CHAIN.finditer(bare)))


def mutations(check: Cel, bound: Mapping[str, Sequence[Object]]) -> Iterator[tuple[str, Keys, dict[Ref, Edit], str]]:
    """(name in `with`, field, edits by object, description) for each way of breaking each field that is read."""
    for chain in fields(check.cel):
        for name, objects in bound.items():
            having = [o for o in objects if _has(o, chain)]
            if not having or chain[0] in ("apiVersion", "kind") or chain == ("metadata",):
                continue
            yield from _of_field(name, chain, having)


def _of_field(
    name: str, chain: tuple[str, ...], objects: Sequence[Object]
) -> Iterator[tuple[str, Keys, dict[Ref, Edit], str]]:
    what = f"{spelled(chain)} of each {objects[0]['kind']} in `{name}`"
    value = value_at(objects[0], chain)
    if not isinstance(value, dict | list):
        for i, other in enumerate(broken(value, chain, ())):
            edits = {ref(o): _set(chain, _other(o, chain, i)) for o in objects}
            yield name, chain, edits, f"{what} is another (such as {other})"
        yield name, chain, {ref(o): _set(chain, _same(value)) for o in objects}, f"{what} is the same"
    yield name, chain, {ref(o): _unset(chain) for o in objects}, f"{what} is not set"


def _other(obj: Object, chain: tuple[str, ...], i: int) -> Any:
    values = broken(value_at(obj, chain), chain, ())
    return values[min(i, len(values) - 1)]


def _same(value: Any) -> Any:
    return 0 if isinstance(value, int | float) else "seatrial"


def _set(chain: tuple[str, ...], value: Any) -> Edit:
    return lambda obj: with_value(obj, chain, value)


def _unset(chain: tuple[str, ...]) -> Edit:
    return lambda obj: without(obj, chain)


def _has(obj: Object, chain: tuple[str, ...]) -> bool:
    try:
        value_at(obj, chain)
    except LookupError:
        return False
    return True
