"""The node's file system: a small Debian, and above it kind's own files and the programs, as images/base/Dockerfile of
kind
and `kind build node-image` would lay them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from clusters import exec as processes
from nodeimage import images
from nodeimage.layers import Layer
from nodeimage.recipe import Recipe
from nodeimage.upstream import Upstream, storage_manifest

MANIFESTS = Path(__file__).parent / "manifests"
FILES = Path(__file__).parent / "node_files"
# What kind's Dockerfile removes: units that have nothing to do in a container, or disturb the machine below.
REMOVED = (
    "lib/systemd/system/*.wants/systemd-tmpfiles-setup.service", "lib/systemd/system/multi-user.target.wants/*",
    "lib/systemd/system/local-fs.target.wants/*", "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*", "lib/systemd/system/basic.target.wants/*",
    "etc/systemd/system/*.wants/*", "var/cache/*", "var/lib/apt/*", "usr/share/seatrial/*", "dev/*",
    "etc/machine-id", "etc/hostname", "etc/resolv.conf",
)  # fmt: skip
ENABLED = ("containerd.service", "kubelet.service", "seatrial-network.service", "undo-mount-hacks.service")
# Where kind's files go, and whether they are programs: a folder of kind's, and the folder in the node.
FOLDERS = (
    ("usr/local/bin", "usr/local/bin", 0o755),
    ("kind/bin", "kind/bin", 0o755),
    ("etc/containerd", "etc/containerd", 0o644),
    ("etc/default", "etc/default", 0o644),
    ("etc/sysctl.d", "etc/sysctl.d", 0o644),
    ("etc/systemd/system", "etc/systemd/system", 0o644),
    ("etc/systemd/system/kubelet.service.d", "etc/systemd/system/kubelet.service.d", 0o644),
)
# Programs that kind expects in another place than /usr/local/bin.
PLACES = dict.fromkeys(("kubeadm", "kubectl", "kubelet"), "usr/bin")
ASK_TIMEOUT = 60.0


def debian(path: str) -> bool:
    """Whether the node keeps this of its Debian."""
    if path.startswith("usr/lib/systemd/"):  # which /lib leads to where Debian has merged the two
        path = path.removeprefix("usr/")
    return not any(fnmatch(path, pattern) for pattern in REMOVED)


def fill(layer: Layer, recipe: Recipe, upstream: Upstream) -> None:
    """Lay everything above Debian into a layer."""
    for source, goal, mode in FOLDERS:
        for file in sorted((upstream.kind / "images/base/files" / source).iterdir()):
            if file.is_file():
                layer.file(f"{goal}/{file.name}", file, mode)
    layer.file("etc/crictl.yaml", upstream.file("etc/crictl.yaml"))
    layer.file("etc/systemd/journald.conf.d/kind.conf", b"[Journal]\nReadKMsg=no\n")
    for unit in ENABLED:
        layer.link(f"etc/systemd/system/multi-user.target.wants/{unit}", f"/etc/systemd/system/{unit}")
    # It registers things for the whole machine.
    layer.link("etc/systemd/system/systemd-binfmt.service", "/dev/null")
    for name in recipe.node_programs:
        layer.file(f"{PLACES.get(name, 'usr/local/bin')}/{name}", upstream.programs[name], 0o755)
    for name in recipe.node_cni:
        layer.file(f"opt/cni/bin/{name}", upstream.programs[f"cni-{name}"], 0o755)
    layer.file("usr/local/bin/seatrial-network", FILES / "seatrial-network", 0o755)
    layer.file("etc/systemd/system/seatrial-network.service", FILES / "seatrial-network.service")
    layer.link("usr/local/sbin/runc", "/usr/sbin/runc")
    for folder in ("etc/kubernetes/manifests", "etc/cni/net.d", "kind/manifests"):
        layer.folder(folder)
    layer.file("kind/version", upstream.versions["kube-apiserver"].encode())
    layer.file("kind/manifests/default-storage.yaml", storage_manifest(upstream).encode())
    layer.file("kind/manifests/default-cni.yaml", cni_manifest(upstream.names).encode())
    layer.file("etc/containerd/cri-base.json", _container_defaults(upstream))


def cni_manifest(names: Mapping[str, str]) -> str:
    """What kind applies for the network: kube-router, with its image's name."""
    return (MANIFESTS / "network.yaml").read_text().replace("KUBE_ROUTER", names["kube-router"])


def _container_defaults(upstream: Upstream) -> bytes:
    """What every container starts from, as `ctr oci spec | jq …` in kind's Dockerfile makes it."""
    spec: dict[str, Any] = json.loads(
        processes.run([upstream.programs["ctr"], "oci", "spec"], timeout=ASK_TIMEOUT).stdout
    )
    hooks = spec.setdefault("hooks", {}).setdefault("createContainer", [])
    hooks.append({"path": "/kind/bin/mount-product-files.sh"})
    spec["process"].pop("rlimits", None)
    return json.dumps(spec).encode()


def version() -> str:
    """To be raised when a node comes out otherwise though everything that went into it is the same."""
    return f"{images.VERSION}.1"
