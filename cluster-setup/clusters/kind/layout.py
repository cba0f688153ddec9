"""Where a kind cluster keeps its files below the cluster's folder, and what its containers and its network are
called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from clusters import store

# The label by which kind knows a cluster's containers.
LABEL = "io.x-k8s.kind.cluster"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths and names of one cluster; none need exist."""

    name: str
    folder: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """The layout of a cluster by its name. Raises PermanentError for what cannot be a name."""
        return cls(name, store.folder(name))

    @property
    def kind_name(self) -> str:
        """What kind calls the cluster. An engine has no users: two people's clusters of one name must differ."""
        return f"{self.name}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]}"

    @property
    def network(self) -> str:
        """The engine's network of this cluster alone."""
        return f"seatrial-{self.kind_name}"

    @property
    def control_plane(self) -> str:
        """The container, and the node, in which etcd and the API server run."""
        return f"{self.kind_name}-control-plane"

    @property
    def config(self) -> Path:
        """What kind is told."""
        return self.folder / "kind.yaml"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, in a folder that the control plane's container shares."""
        return self.folder / "audit" / "audit.log"
