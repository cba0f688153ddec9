"""What comes from upstream: the built programs, kind's own files for a node, and the names of the images it asks
for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters import exec as processes
from clusters.errors import ClusterError
from clusters.tools import build, cache, golang, program
from clusters.tools import pins as pinning
from clusters.tools.download import Source
from clusters.tools.install import install
from clusters.tools.watch import Watch
from nodeimage.errors import ImageBuildError

# Seconds for fetching one module, and for asking a program something.
FETCH_TIMEOUT, ASK_TIMEOUT = 900.0, 60.0
# Where kind writes what the cluster's storage runs, as Go constants.
STORAGE = "pkg/build/nodeimage/const_storage.go"


@dataclass(frozen=True, slots=True)
class Upstream:
    """`programs` by name, `versions` likewise, `kind` the folder of kind's module, `names` as the recipe has them."""

    programs: Mapping[str, Path]
    versions: Mapping[str, str]
    kind: Path
    names: Mapping[str, str]

    def file(self, path: str) -> Path:
        """One of the files that kind lays into a node."""
        return self.kind / "images" / "base" / "files" / path


def provide(watch: Watch) -> Upstream:
    """Build or find everything. Raises ClusterError in one sentence."""
    found: dict[str, Path] = {}
    versions: dict[str, str] = {}
    root = cache.folder()
    own = pinning.pinned()
    install([], "auto", pins=own, root=root, source=Source(), watch=watch)
    for name, each in own.programs.items():
        found[name], versions[name] = program(name), each.version
    for pins in pinning.of_a_node():
        # Always built where upstream's releases are archives of more than programs; see the pins.
        install(list(pins.programs), "auto", pins=pins, root=root, source=Source(), watch=watch)
        for name, each in pins.programs.items():
            found[name], versions[name] = cache.place(root, each), each.version
    kind = _module("sigs.k8s.io/kind", root, own, watch)
    return Upstream(found, versions, kind, {**versions, **_names(found["kubeadm"], versions, kind)})


def _module(path: str, root: Path, pins: pinning.Pins, watch: Watch) -> Path:
    """The folder of a pinned Go module's source."""
    with cache.locked(root, watch.say):
        go = golang.provide(root, pins, watch)
        module = cache.staging(root) / "module"
        module.mkdir()
        for name in ("go.mod", "go.sum"):
            (module / name).write_bytes((pins.folder / name).read_bytes())
        argv: list[str | Path] = [go, "mod", "download", "-json", path]
        try:
            said = processes.run(argv, timeout=FETCH_TIMEOUT, env=build.GO_ENVIRONMENT, cwd=module).stdout
        except processes.CommandError as fault:
            raise ImageBuildError(
                f"the Go module {path} cannot be fetched: see that the Go module proxy can be reached ({fault})"
            ) from fault
    return Path(json.loads(said)["Dir"])


def _names(kubeadm: Path, versions: Mapping[str, str], kind: Path) -> dict[str, str]:
    version = versions["kube-apiserver"]
    argv: list[str | Path] = [kubeadm, "config", "images", "list", "--kubernetes-version", version]
    listed = processes.run(argv, timeout=ASK_TIMEOUT).stdout.split()
    tags = {image.rpartition(":")[0].rpartition("/")[2]: image.rpartition(":")[2] for image in listed}
    storage = (kind / STORAGE).read_text()
    containerd = (kind / "images/base/files/etc/containerd/config.toml").read_text()
    patterns = {
        "storage-provisioner": (storage, r'storageProvisionerImage = "([^"]+)"'),
        "storage-helper": (storage, r'storageHelperImage = "([^"]+)"'),
        "sandbox": (containerd, r'sandbox_image = "([^"]+)"'),
    }
    named = {"kubernetes": version, "kubeadm-etcd": tags["etcd"], "kubeadm-coredns": tags["coredns"]}
    for name, (text, pattern) in patterns.items():
        match = re.search(pattern, text)
        if match is None:
            raise ClusterError(f"kind {versions['kind']} does not name its {name} any more where it did: see {kind}")
        named[name] = match[1]
    return named


def storage_manifest(upstream: Upstream) -> str:
    """What kind applies for storage, out of its Go constant."""
    text = (upstream.kind / STORAGE).read_text()
    body = text.partition("const defaultStorageManifest = `")[2].rpartition("`")[0]
    for constant, name in (
        ("storageProvisionerImage", "storage-provisioner"),
        ("storageHelperImage", "storage-helper"),
    ):
        body = body.replace(f"` + {constant} + `", upstream.names[name])
    if "`" in body or "kind: StorageClass" not in body:
        raise ClusterError(f"kind's storage manifest is not where it was: see {upstream.kind / STORAGE}")
    return body
