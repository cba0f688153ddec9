"""Which objects a check rests on, and which of their fields a pattern asks for: all by the checks' own matching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grader import checks
from grader.labfile import LoadedLab
from grader.labfile.schema import AllOf, AnyOf, Cel, CheckBase, Count, Match
from grader.model import Evidence, Object, Want
from grader.mutants.edits import Keys, Ref, leaves, ref, value_at

# Where something stands in lab.yaml, as LoadedLab.line takes it.
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A partial object that a check wants to be there, and its place in lab.yaml."""

    partial: dict[str, Any]
    place: Place


def partials(check: CheckBase, place: Place) -> Iterator[Asked]:
    """Every partial object that a check asks to be there, those of inner checks too; not those of `absent`."""
    if isinstance(check, Match):
        yield Asked(check.match, (*place, "match"))
    elif isinstance(check, Count):
        yield Asked(check.count.of, (*place, "count", "of"))
    elif isinstance(check, Cel):
        for name, partial in check.with_.items():
            yield Asked(partial, (*place, "with", name))
    for word, i, one in inner(check):
        yield from partials(one, (*place, word, i))


def inner(check: CheckBase) -> Iterator[tuple[str, int, CheckBase]]:
    """The checks of an any_of or all_of, with the word and the index that lead to them."""
    if isinstance(check, AnyOf):
        yield from (("any_of", i, one) for i, one in enumerate(check.any_of))
    elif isinstance(check, AllOf):
        yield from (("all_of", i, one) for i, one in enumerate(check.all_of))


def listed(lab: LoadedLab, evidence: Evidence, partial: dict[str, Any]) -> list[Object]:
    """Every object of the list that a partial object is looked for in."""
    metadata = partial.get("metadata")
    namespace = metadata.get("namespace", lab.spec.namespace) if isinstance(metadata, dict) else lab.spec.namespace
    want = Want(partial["apiVersion"], partial["kind"], namespace if isinstance(namespace, str) else "*")
    found = evidence.now.find(want)
    return list(found.items) if found else []


def holders(lab: LoadedLab, evidence: Evidence, partial: dict[str, Any]) -> list[Object]:
    """The objects that contain a partial object."""
    matcher = checks.compile(partial)
    return [o for o in listed(lab, evidence, partial) if matcher(o)]


def fits(pattern: Any, keys: Keys) -> Callable[[Any], bool]:
    """Whether a value that stands at `keys` of an object is what a pattern asks for. Where it stands says how the two
    are compared, so both are put at the same place before they are."""
    names = [key for key in keys if isinstance(key, str)]

    def nested(value: Any) -> Any:
        for name in reversed(names):
            value = {name: value}
        return value

    matcher = checks.compile(nested(pattern))
    return lambda value: matcher(nested(value))


def comes_back(obj: Object, keys: Keys, pattern: Any) -> bool:
    """Whether an object without the field at `keys` still has what `pattern` asks for there, because to the checks its
    absence means just that (false, 0, ""): taking it away breaks nothing."""
    last = keys[-1]
    if not isinstance(last, str):
        return False
    parent = value_at(obj, keys[:-1])
    return fits({last: pattern}, keys[:-1])({k: v for k, v in parent.items() if k != last})


def places(found: Any, pattern: Any, keys: Keys, above: Keys = ()) -> Iterator[Keys]:
    """Where in an object a pattern's field at `keys` lies: several places where several items of a list are meant."""
    if not keys:
        yield ()
        return
    key, rest = keys[0], keys[1:]
    if isinstance(key, int):
        fit = fits(pattern[key], above)
        for i, item in enumerate(found if isinstance(found, list) else ()):
            if fit(item):
                yield from ((i, *further) for further in places(item, pattern[key], rest, above))
    elif isinstance(found, dict) and key in found:
        yield from ((key, *further) for further in places(found[key], pattern[key], rest, (*above, key)))


def patterns_on(lab: LoadedLab, evidence: Evidence) -> dict[Ref, dict[Keys, list[Any]]]:
    """For each object in the evidence, what the checks' partial objects ask of which of its fields."""
    found: dict[Ref, dict[Keys, list[Any]]] = {}
    for t, task in enumerate(lab.spec.tasks):
        for c, check in enumerate(task.checks):
            for asked in partials(check, ("tasks", t, "checks", c)):
                for obj in holders(lab, evidence, asked.partial):
                    fields = found.setdefault(ref(obj), {})
                    for keys, pattern in leaves(asked.partial):
                        for place in places(obj, asked.partial, keys):
                            fields.setdefault(place, []).append(pattern)
    return found
