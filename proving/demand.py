"""What labs ask of the cluster that they are done in, beside what every cluster has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clusters.model import ClusterSpec, Provider
from grader.labfile import LoadedLab
from grader.labfile.schema import AllOf, AnyOf, CheckBase


@dataclass(frozen=True, slots=True)
class Demand:
    """Capabilities, and the least number of nodes."""

    capabilities: frozenset[str] = frozenset()
    nodes: int = 1

    @classmethod
    def of(cls, labs: Iterable[LoadedLab]) -> Demand:
        """What is enough for each of the labs."""
        found = list(labs)
        capabilities = frozenset[str]().union(*(needs(lab) for lab in found))
        return cls(capabilities, max((lab.spec.nodes for lab in found), default=1))

    def spec(self, name: str, student: str, provider: Provider) -> ClusterSpec:
        """What to make: of the capabilities those that clusters of this provider can have."""
        nodes = self.nodes if self.nodes > provider.default_nodes else None
        return ClusterSpec(name, student=student, nodes=nodes, extras=self.capabilities & provider.extras)


USUAL = Demand()


def needs(lab: LoadedLab) -> frozenset[str]:
    """The capabilities that a lab or one of its checks names."""
    return frozenset(lab.spec.needs).union(*(check.needs for check in every(lab)))


def every(lab: LoadedLab) -> Iterator[CheckBase]:
    """Every check of a lab, those inside of any_of and all_of too."""
    for task in lab.spec.tasks:
        yield from _flat(task.checks)


def _flat(found: Sequence[CheckBase]) -> Iterator[CheckBase]:
    for check in found:
        yield check
        if isinstance(check, AnyOf):
            yield from _flat(check.any_of)
        elif isinstance(check, AllOf):
            yield from _flat(check.all_of)
