"""Mutants of what the checks ask for: each must cost points in the task that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grader.labfile import LoadedLab
from grader.labfile.schema import Absent, AnyOf, Audit, Cel, CheckBase, Count, Match, Notebook, Probe, Script
from grader.model import Call, CheckResult, Evidence, Object, Outcome, Report
from grader.mutants import reads
from grader.mutants.edits import (
    Edit,
    Keys,
    Ref,
    added,
    edited,
    items,
    leaves,
    ref,
    spelled,
    value_at,
    with_value,
    without,
)
from grader.mutants.matching import Asked, Place, comes_back, fits, holders, inner, partials, places
from grader.mutants.model import WHOLE, Mutant
from grader.mutants.observed import otherwise
from grader.mutants.values import broken, instance, misspelt

# What a mutant is about that breaks no object.
NOTHING = ("", "")
Mutate = Callable[[Evidence], Evidence]
# What says which object is looked at rather than what it must be.
_ADDRESS = (("apiVersion",), ("kind",), ("metadata", "namespace"))


@dataclass(frozen=True, slots=True)
class _Site:
    """A check that held in the solved lab, and where it stands. `spoil` makes the other branches of the any_of around
    it fail, so that they do not hold in its place."""

    lab: LoadedLab
    evidence: Evidence
    task: str
    check: CheckBase
    id: str
    place: Place
    spoil: Mutate

    def mutant(
        self, text: str, about: tuple[str, str], path: str, mutate: Mutate, *, place: Place, group: str = ""
    ) -> Mutant:
        """A mutant of this check; `about` is the kind and the name of what is broken."""
        kind, name = about
        group = group or f"{self.id} {kind} {name} {path} {text}"
        line = self.lab.line(*place)
        return Mutant(text, self.task, kind, name, path, self.lab.file, line, lambda e: mutate(self.spoil(e)), group)


def of_checks(lab: LoadedLab, evidence: Evidence, report: Report) -> Iterator[Mutant]:
    """Mutants of every check that held. `report` is the grade of the solved lab."""
    for t, (task, graded) in enumerate(zip(lab.spec.tasks, report.tasks, strict=True)):
        for c, (check, result) in enumerate(zip(task.checks, graded.checks, strict=True)):
            site = _Site(lab, evidence, task.id, check, result.id, ("tasks", t, "checks", c), lambda e: e)
            yield from _of_check(site, result)


def _of_check(site: _Site, result: CheckResult) -> Iterator[Mutant]:
    if result.outcome is not Outcome.PASSED:
        return
    check = site.check
    branches = list(zip(inner(check), result.checks, strict=False))
    for (word, i, one), part in branches:
        others = (
            [o for (_, j, o), p in branches if j != i and p.outcome is Outcome.PASSED]
            if isinstance(check, AnyOf)
            else []
        )
        spoil = _spoiled(site, others)
        yield from _of_check(replace(site, check=one, id=part.id, place=(*site.place, word, i), spoil=spoil), part)
    if isinstance(check, Match):
        yield from _of_partial(site, Asked(check.match, (*site.place, "match")))
    elif isinstance(check, Count):
        yield from _of_count(site, check)
    elif isinstance(check, Absent):
        yield from _appears(site, Asked(check.absent, (*site.place, "absent")))
    elif isinstance(check, Cel):
        yield from _of_cel(site, check)
    elif isinstance(check, Audit):
        yield from _of_audit(site, check)
    elif isinstance(check, Probe | Notebook | Script):
        opposite = otherwise(check, site.id)
        yield site.mutant("what was observed is the opposite", NOTHING, WHOLE, opposite, place=site.place)


def _of_partial(site: _Site, asked: Asked) -> Iterator[Mutant]:
    """One thing that a partial object asks for is broken in every object that contains it."""
    found = holders(site.lab, site.evidence, asked.partial)
    yield from _of_leaves(site, asked, found)
    for keys in items(asked.partial):
        at = {ref(obj): [p for p in places(obj, asked.partial, keys) if p] for obj in found}
        edits = {one: _all_removed(where) for one, where in at.items() if where}
        if edits:
            text, path = f"{_who(found)}: {spelled(keys)} is gone", spelled(keys)
            yield site.mutant(text, _about(found), path, _by(edits), place=(*asked.place, *keys))
    if found:
        yield site.mutant(f"{_who(found)} is gone", _about(found), WHOLE, _by(_all_gone(found)), place=asked.place)


def _of_leaves(site: _Site, asked: Asked, found: Sequence[Object]) -> Iterator[Mutant]:
    for keys, pattern in leaves(asked.partial):
        if keys in _ADDRESS:
            continue
        changed, told = _changed(found, asked, keys, pattern)
        path, place = spelled(keys), (*asked.place, *keys)
        if changed:
            yield site.mutant(f"{_who(found)}: {path} {told}", _about(found), path, _by(changed), place=place)
        removed = _unset(found, asked, keys, pattern)
        if removed:
            yield site.mutant(f"{_who(found)}: {path} is not set", _about(found), path, _by(removed), place=place)


def _changed(found: Sequence[Object], asked: Asked, keys: Keys, pattern: Any) -> tuple[dict[Ref, Edit], str]:
    """Edits that give a field a value that the pattern refuses, and how to tell of it; none where all fit."""
    if pattern is None:
        return {ref(obj): _set([(keys, "seatrial")]) for obj in found}, "is set"
    accepts = fits(pattern, keys)
    edits: dict[Ref, Edit] = {}
    told = ""
    for obj in found:
        settings: list[tuple[Keys, Any]] = []
        for one in places(obj, asked.partial, keys):
            before = value_at(obj, one)
            for other in broken(before, one, [lambda value: not accepts(value)], [pattern]):
                settings.append((one, other))
                told = told or f"is {_shown(other)} instead of {_shown(before)}"
        if settings:
            edits[ref(obj)] = _set(settings)
    return edits, told


def _unset(found: Sequence[Object], asked: Asked, keys: Keys, pattern: Any) -> dict[Ref, Edit]:
    """Edits that take a field away, where its absence does not mean the same. An object always has a name."""
    if keys == ("metadata", "name") or pattern is None:
        return {}
    edits: dict[Ref, Edit] = {}
    for obj in found:
        at = [p for p in places(obj, asked.partial, keys) if isinstance(p[-1], str) and not comes_back(obj, p, pattern)]
        if at:
            edits[ref(obj)] = _all_removed(at)
    return edits


def _of_count(site: _Site, check: Count) -> Iterator[Mutant]:
    asked = Asked(check.count.of, (*site.place, "count", "of"))
    found = holders(site.lab, site.evidence, asked.partial)
    least = check.count.equals if check.count.equals is not None else check.count.at_least
    most = check.count.equals if check.count.equals is not None else check.count.at_most
    if least:
        yield from _of_partial(site, asked)
        few = _by(_all_gone(found[: len(found) - least + 1]))
        yield site.mutant(f"one {asked.partial['kind']} too few", _about(found), WHOLE, few, place=asked.place)
    if most is not None:
        yield from _appears(site, asked, most + 1 - len(found))


def _appears(site: _Site, asked: Asked, count: int = 1) -> Iterator[Mutant]:
    """So many more objects that contain a partial object are there; of one that is named there is only one."""
    named = isinstance(asked.partial.get("metadata", {}).get("name"), str)
    if named and count > 1:
        return
    made = []
    for i in range(count):
        obj = instance(asked.partial)
        # For a cluster-scoped kind the namespace is not looked at.
        scope = {"name": f"seatrial-{i}", "uid": f"seatrial-{i}", "namespace": site.lab.spec.namespace}
        made.append({**obj, "metadata": {**scope, **obj.get("metadata", {})}})
    kind = asked.partial["kind"]
    text = f"{'one' if count == 1 else count} {kind} more, as it must not be"
    yield site.mutant(text, (kind, ""), WHOLE, lambda e: added(e, made), place=asked.place)


def _of_cel(site: _Site, check: Cel) -> Iterator[Mutant]:
    bound: dict[str, list[Object]] = {}
    for name, partial in check.with_.items():
        asked = Asked(partial, (*site.place, "with", name))
        found = bound[name] = holders(site.lab, site.evidence, partial)
        if not found:
            yield from _appears(site, asked)
            continue
        text = f"every {partial['kind']} of `{name}` is gone"
        yield site.mutant(text, _about(found), WHOLE, _by(_all_gone(found)), place=asked.place)
        yield from _of_leaves(site, asked, found)
    for name, keys, edits, text in reads.mutations(check, bound):
        about, path = (str(check.with_[name]["kind"]), ""), spelled(keys)
        group = f"{site.id} cel {name} {path}"
        yield site.mutant(text, about, path, _by(edits), place=(*site.place, "cel"), group=group)


def _of_audit(site: _Site, check: Audit) -> Iterator[Mutant]:
    """The student's calls were others: one field that the check asks for is different in all of them."""
    place = (*site.place, "audit")
    yield site.mutant("the student made no call", NOTHING, WHOLE, lambda e: replace(e, calls=[]), place=place)
    for name in ("verb", "group", "resource", "subresource", "namespace", "name", "user_agent"):
        if getattr(check.audit, name) is not None:
            text = f"{name} of the student's calls is another"
            yield site.mutant(text, NOTHING, name, _calls_differ(name), place=(*place, name))
    if check.audit.succeeded is not None:
        code = 403 if check.audit.succeeded else 200
        text = f"the student's calls are answered with {code}"
        yield site.mutant(text, NOTHING, "succeeded", _calls_answered(code), place=place)


def _calls_answered(code: int) -> Mutate:
    return lambda evidence: replace(evidence, calls=[replace(call, code=code) for call in evidence.calls or ()])


def _calls_differ(name: str) -> Mutate:
    def differ(evidence: Evidence) -> Evidence:
        other: Callable[[Call], dict[str, Any]] = lambda call: {name: "x" + misspelt(getattr(call, name))}  # noqa: E731
        calls = [replace(call, **other(call)) for call in evidence.calls or ()]
        return replace(evidence, calls=calls)

    return differ


def _spoiled(site: _Site, others: Sequence[CheckBase]) -> Mutate:
    """Make other branches fail: what they rest on is gone, the student's calls where they rest on those."""
    edits: dict[Ref, Edit] = {}
    no_calls = False
    for check in others:
        no_calls = no_calls or isinstance(check, Audit)
        for asked in partials(check, ()):
            edits.update({ref(o): _gone for o in holders(site.lab, site.evidence, asked.partial)})

    def spoil(evidence: Evidence) -> Evidence:
        evidence = site.spoil(evidence)
        evidence = edited(evidence, edits) if edits else evidence
        return replace(evidence, calls=[]) if no_calls else evidence

    return spoil if others else site.spoil


def _by(edits: dict[Ref, Edit]) -> Mutate:
    return lambda evidence: edited(evidence, edits)


def _all_gone(found: Sequence[Object]) -> dict[Ref, Edit]:
    return {ref(obj): _gone for obj in found}


def _gone(_: Object) -> None:
    return None


def _set(settings: Sequence[tuple[Keys, Any]]) -> Edit:
    def edit(obj: Object) -> Object:
        for keys, value in settings:
            obj = with_value(obj, keys, value)
        return obj

    return edit


def _all_removed(at: Sequence[Keys]) -> Edit:
    def edit(obj: Object) -> Object:
        for keys in reversed(at):  # From the last, so that the indexes before it stay right.
            obj = without(obj, keys)
        return obj

    return edit


def _who(found: Sequence[Object]) -> str:
    if len(found) == 1:
        return str(ref(found[0]))
    return f"each {found[0]['kind']}" if found else "nothing"


def _about(found: Sequence[Object]) -> tuple[str, str]:
    if not found:
        return NOTHING
    return str(found[0]["kind"]), str(found[0]["metadata"].get("name")) if len(found) == 1 else ""


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
