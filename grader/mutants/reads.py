"""Fields that a CEL expression reads: each is broken in all objects of one `with` list, and the expression must notice.

Only a field that can be followed from an object itself is found: `pods.all(p, p.status.phase == "Running")` reads
status.phase of `pods`, `pods[0].spec.nodeName` reads spec.nodeName. What an expression reads of the items of a list
inside of an object is left to the mutants of the solution. How an expression compares is not known, so several values
are tried, and one that is noticed is enough.
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
_CHAIN = re.compile(r"(?<![\w.\])])([A-Za-z_]\w*)(?:\[\d+\])?((?:\.[A-Za-z_]\w*(?!\w*\s*\())+)")
# A macro that names each object of a list: `.exists(p, …)`.
_MACRO = re.compile(r"\.(?:all|exists|exists_one|filter|map)\(\s*([A-Za-z_]\w*)\s*,")
_NAME_BEFORE = re.compile(r"([A-Za-z_]\w*)\Z")


def fields(expression: str, names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """What an expression reads of the objects of which list: ("pods", ("status", "phase"))."""
    bare = _TEXT.sub('""', expression)
    of_name = {name: {name} for name in names}
    for macro in _MACRO.finditer(bare):
        root = _root(bare[: macro.start()])
        if root is not None and root in names:
            of_name.setdefault(macro[1], set()).add(root)
    chains = ((m[1], tuple(m[2][1:].split("."))) for m in _CHAIN.finditer(bare))
    found = ((name, chain) for variable, chain in chains for name in sorted(of_name.get(variable, ())))
    return list(dict.fromkeys(found))


def _root(before: str) -> str | None:
    """The list at the left end of `pods.filter(…)`, whose objects a macro at the right end names; None where what is
    on the left is not a list of whole objects."""
    before = before.rstrip()
    while before.endswith(")"):
        depth = 0
        for i in range(len(before) - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(before[i], 0)
            if depth == 0:
                break
        before = before[:i]
        if not before.endswith(".filter"):
            return None
        before = before.removesuffix(".filter").rstrip()
    name = _NAME_BEFORE.search(before)
    return None if name is None or before[: name.start()].endswith(".") else name[1]


def mutations(check: Cel, bound: Mapping[str, Sequence[Object]]) -> Iterator[tuple[str, Keys, dict[Ref, Edit], str]]:
    """(name in `with`, field, edits by object, description) for each way of breaking each field that is read."""
    for name, chain in fields(check.cel, list(bound)):
        having = [o for o in bound[name] if _has(o, chain)]
        if having and chain[0] not in {"apiVersion", "kind"} and chain != ("metadata",):
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
