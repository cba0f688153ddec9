"""The upstream programs: pinned, installed into the user's cache, found again by name."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from clusters.errors import ToolMissing

VERSIONS = {
    "etcd": "v3.6.8", "etcdctl": "v3.6.8", "etcdutl": "v3.6.8", "kind": "v0.33.0", "kube-apiserver": "v1.36.3",
    "kube-controller-manager": "v1.36.3", "kube-scheduler": "v1.36.3", "kubectl": "v1.36.3", "kwok": "v0.8.0",
    "kwokctl": "v0.8.0", "metrics-server": "v0.9.0",
}  # fmt: skip


def program(name: str) -> Path:
    """Where the pinned program `name` is installed. Raises ToolMissing with the command that installs it."""
    path = Path(platformdirs.user_cache_dir("seatrial")) / "tools" / f"{name}-{VERSIONS[name]}" / name
    if not path.is_file():
        raise ToolMissing(f"{name} {VERSIONS[name]} is not installed; run `seatrial tools install`")
    return path
