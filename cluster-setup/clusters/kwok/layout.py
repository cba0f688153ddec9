"""Where kwokctl keeps a cluster below the cluster's folder, and the files that we put there before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clusters import store


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one cluster; none need exist."""

    name: str
    folder: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """The layout of a cluster by its name. Raises PermanentError for what cannot be a name."""
        return cls(name, store.folder(name))

    @property
    def workdir(self) -> Path:
        """KWOK_WORKDIR."""
        return self.folder / "kwok"

    @property
    def home(self) -> Path:
        """Where kwokctl keeps everything of this cluster."""
        return self.workdir / "clusters" / self.name

    @property
    def config(self) -> Path:
        """What kwokctl is told."""
        return self.folder / "kwokctl.yaml"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.home / "pki"

    @property
    def pids(self) -> Path:
        """kwokctl's pid files."""
        return self.home / "pids"

    @property
    def etcd(self) -> Path:
        """etcd's data."""
        return self.home / "etcd"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log; older ones lie beside it as audit-TIME.log."""
        return self.home / "logs" / "audit.log"

    def log(self, component: str) -> Path:
        """What a process printed."""
        return self.home / "logs" / f"{component}.log"
