"""Where a check's objects stand in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.checks.wording import NAME_LIMIT, clean, plural
from grader.labfile.loading import LoadedLab
from grader.labfile.schema import Absent, AllOf, AnyOf, Cel, Check, CheckBase, Count, Match, Probe
from grader.model import Object, ObjectList, Snapshot, Want

ANYWHERE = "*"


def want(partial: Mapping[str, Any], home: str) -> Want:
    """The list that a partial object is looked for in. `home` is the lab's namespace.

    A namespace that is not plain text, an operator or null, means every namespace.
    """
    about = partial.get("metadata")
    place = about["namespace"] if isinstance(about, Mapping) and "namespace" in about else home
    return Want(partial["apiVersion"], partial["kind"], place if isinstance(place, str) else ANYWHERE)


def partials(check: CheckBase) -> Iterator[Mapping[str, Any]]:
    """Every partial object of a check and of those inside it."""
    match check:
        case Match():
            yield check.match
        case Absent():
            yield check.absent
        case Count():
            yield check.count.of
        case Cel():
            yield from check.with_.values()
        case AnyOf():
            for inner in check.any_of:
                yield from partials(inner)
        case AllOf():
            for inner in check.all_of:
                yield from partials(inner)


def inside(check: CheckBase) -> tuple[Check, ...]:
    """The checks of any_of and all_of; none of any other."""
    if isinstance(check, AnyOf):
        return check.any_of
    return check.all_of if isinstance(check, AllOf) else ()


def wants(lab: LoadedLab) -> frozenset[Want]:
    """Every list that the lab's checks look at."""
    return _of((c for task in lab.spec.tasks for c in task.checks), lab.spec.namespace)


def held(lab: LoadedLab) -> frozenset[Want]:
    """The lists that checks with `hold` look at: they are needed from every look, not only from the last."""
    return _of(_holding(c for task in lab.spec.tasks for c in task.checks), lab.spec.namespace)


def asked_about(lab: LoadedLab) -> frozenset[Want]:
    """The lists of what probes are asked of. No probe is judged by them; they say why one was not answered."""
    found = set()
    for check in _flat(c for task in lab.spec.tasks for c in task.checks):
        if isinstance(check, Probe):
            found.add(Want("v1", "Pod", lab.spec.namespace))
            if check.probe.dns is not None or any(t and t.service for t in (check.probe.http, check.probe.tcp)):
                found.add(Want("v1", "Service", lab.spec.namespace))
    return frozenset(found)


def _flat(checks: Iterable[CheckBase]) -> Iterator[CheckBase]:
    for check in checks:
        yield check
        yield from _flat(inside(check))


def _of(checks: Iterable[CheckBase], home: str) -> frozenset[Want]:
    return frozenset(want(p, home) for c in checks for p in partials(c))


def _holding(checks: Iterable[CheckBase]) -> Iterator[CheckBase]:
    for check in checks:
        if check.hold is not None:
            yield check
        else:
            yield from _holding(inside(check))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a snapshot has for a partial object. `fault` is set where it has nothing that could be judged."""

    want: Want
    items: tuple[Object, ...] | list[Object]
    served: bool = True
    fault: str | None = None
    collected: bool = True
    cluster_wide: bool = False

    @property
    def where(self) -> str:
        """ " in namespace shop", " in any namespace", or nothing for a kind without namespaces."""
        if self.cluster_wide:
            return ""
        space = self.want.namespace
        return " in any namespace" if space == ANYWHERE else f" in namespace {clean(space, NAME_LIMIT)}"


def see(snapshot: Snapshot, wanted: Want) -> Seen:
    """Look into a snapshot."""
    found = snapshot.find(wanted)
    if found is None:
        kinds = f"{plural(wanted.kind)} ({wanted.api_version})"
        problem = f"The evidence holds no list of {kinds}; grade the cluster again to collect it"
        return Seen(wanted, (), fault=problem, collected=False)
    if found.error is not None:
        problem = f"The API server did not give the list of {plural(wanted.kind)}: {clean(found.error, 200)}"
        return Seen(wanted, (), fault=problem)
    return Seen(wanted, _sound(found), served=found.served, cluster_wide=found.namespace == "")


def _sound(found: ObjectList) -> list[Object]:
    # Evidence comes out of files too. What is no object there is not one that a check could mean.
    return [o for o in found.items if isinstance(o, dict)]
