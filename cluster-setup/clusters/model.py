"""A cluster as the platform sees it, and the protocol that every provider fulfils."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from clusters.errors import PermanentError
from clusters.identity.names import check_student

Identity = Literal["admin", "student"]
State = Literal["running", "stopped", "broken"]

# The name under which a kubeconfig's cluster entry carries what the provider knows about the cluster, as an extension:
#   {provider: kwok, capabilities: [metrics, audit], student: ada, auditLog: /path (admin's kubeconfig only),
#    components: {kube-scheduler: "127.0.0.1:27140", …} (where each process beside the API server listens)}
KUBECONFIG_EXTENSION = "seatrial"
# Where the platform keeps its own objects, out of the student's reach.
PLATFORM_NAMESPACE = "seatrial-system"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What to make. `student` is the user name of the student's certificate.

    The two files are for the provider `existing`, which makes nothing: the platform's kubeconfig of a cluster that is
    there, and the student's, where that is another. `nodes` is how many; None is the provider's usual number.
    `extras` are what is installed only where it is asked for, named as the capabilities that they bring: "ingress".
    """

    name: str
    student: str = "student"
    nodes: int | None = None
    kubeconfig: Path | None = None
    student_kubeconfig: Path | None = None
    extras: frozenset[str] = frozenset()

    def check(self, provider: Provider) -> None:
        """Raises PermanentError for a name that no student has, and for extras that the provider cannot install."""
        check_student(self.student)
        unknown = sorted(self.extras - provider.extras)
        if unknown:
            known = ", ".join(sorted(provider.extras)) or "nothing beside what every cluster of it has"
            raise PermanentError(
                f"the provider {provider.name} cannot install {', '.join(unknown)} in cluster {self.name}; "
                f"it can install {known}"
            )

    def check_new(self, provider: Provider) -> None:
        """The same for a provider that makes clusters of its own."""
        self.check(provider)
        if self.kubeconfig is not None or self.student_kubeconfig is not None:
            raise PermanentError(
                f"the provider {provider.name} makes a cluster of its own; a kubeconfig is for the provider existing"
            )


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. `folder` (0700) holds its files, `server` is the API server's URL."""

    name: str
    provider: str
    state: State
    server: str
    student: str
    folder: Path
    created: str  # RFC 3339


class Provider(Protocol):
    """Makes and removes clusters. Every method raises ClusterError in one sentence."""

    name: str
    capabilities: frozenset[str]  # of every cluster
    extras: frozenset[str]  # what a cluster has beside them where its spec asks for it
    default_nodes: int  # of a cluster whose spec names no number

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        """Make a cluster that a student can use at once. A half-made one is removed unless it is asked to be kept."""
        ...

    def delete(self, name: str) -> None:
        """Idempotent: an unknown name succeeds. Returns once the API server is gone."""
        ...

    def list(self) -> list[Cluster]:
        """Every cluster of this provider, by name."""
        ...

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        """The kubeconfig file (0600) of an identity. Raises PermanentError for an unknown cluster."""
        ...

    def bring(self, name: str, references: Iterable[str]) -> tuple[str, ...]:
        """Bring container images of this machine into the cluster, and return those that neither has.

        Where no container runs, or somebody else sees to the images, nothing is brought and nothing is missing.
        """
        ...

    def stop(self, name: str) -> None:
        """End its processes and keep its state. Idempotent."""
        ...

    def start(self, name: str) -> None:
        """Run a stopped cluster again; returns when it answers. Idempotent."""
        ...

    def snapshot(self, name: str, file: Path) -> None:
        """Write the cluster's whole state into a file, at once or not at all."""
        ...

    def restore(self, name: str, file: Path) -> None:
        """Put the cluster into the state of a snapshot; returns when it answers."""
        ...
