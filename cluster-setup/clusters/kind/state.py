"""A kind cluster's whole state, which is what etcd holds: saved to a file, and exchanged for what a file holds.

The exchange is done by the unit seatrial-exchange while the control plane's container starts (node/exchange), so it is
whole or not at all, whenever somebody ends us.
"""

from __future__ import annotations

from pathlib import Path

from clusters import snapshot
from clusters.engine import Engine
from clusters.kind import nodes
from clusters.kind.layout import Layout
from clusters.kubectl import kubectl
from clusters.store import kubeconfig_file

# Where etcd's folder is, in its own container and in the node's.
ETCD = "/var/lib/etcd"
CERTIFICATES = "/etc/kubernetes/pki/etcd"


def save(engine: Engine, layout: Layout, file: Path) -> None:
    """Write etcd's state into a file, at once or not at all."""
    inside = f"{ETCD}/seatrial.snapshot"
    credentials = [
        f"--cacert={CERTIFICATES}/ca.crt",
        f"--cert={CERTIFICATES}/server.crt",
        f"--key={CERTIFICATES}/server.key",
    ]
    pod = f"etcd-{layout.control_plane}"
    command = ["exec", "--namespace=kube-system", pod, "--", "etcdctl", *credentials, "snapshot", "save", inside]
    with snapshot.written(file) as part:
        try:
            kubectl(kubeconfig_file(layout.name, "admin"), *command, timeout=snapshot.LIMIT)
            nodes.copy(engine, f"{layout.control_plane}:{inside}", part, timeout=snapshot.LIMIT)
        finally:
            nodes.inside(engine, layout.control_plane, "rm", "-f", inside)


def prepare(engine: Engine, layout: Layout, file: Path) -> Path:
    """Unpack a snapshot on this machine. Raises PermanentError for a file that is none, or not whole."""
    snapshot.require(file)  # before a cluster that is stopped is started for nothing
    goal = layout.folder / "etcd.new"
    peer = f"https://{_address(engine, layout)}:2380"
    snapshot.unpack(file, goal, cluster=layout.name, member=layout.control_plane, peer=peer)
    return goal


def _address(engine: Engine, layout: Layout) -> str:
    """Where etcd's peers would find it, as kubeadm has written it down."""
    if nodes.states(engine).get(layout.kind_name, ["gone"])[0] != "running":
        nodes.start(engine, layout)
    manifest = nodes.inside(engine, layout.control_plane, "cat", "/etc/kubernetes/manifests/etcd.yaml")
    found = next((line for line in manifest.splitlines() if "--initial-advertise-peer-urls=" in line), "")
    return found.rpartition("https://")[2].rpartition(":")[0] or "127.0.0.1"


def lay(engine: Engine, layout: Layout, prepared: Path) -> None:
    """Bring what was unpacked into the control plane's container and end it; its next start takes it into use."""
    node = layout.control_plane
    nodes.inside(engine, node, "rm", "-rf", f"{ETCD}.part", f"{ETCD}.new")
    nodes.copy(engine, prepared, f"{node}:{ETCD}.part", timeout=snapshot.LIMIT)
    # The owner here may be anybody; etcd's is root. The new name is given last, when everything is there.
    nodes.inside(
        engine, node, "sh", "-c", f"chown -R 0:0 {ETCD}.part && chmod 700 {ETCD}.part && mv {ETCD}.part {ETCD}.new"
    )
    nodes.stop(engine, layout)


def undo(engine: Engine, layout: Layout) -> None:
    """Let the next start go back to the state before the exchange."""
    nodes.start(engine, layout)
    nodes.inside(engine, layout.control_plane, "sh", "-c", f"rm -rf {ETCD}.new; touch {ETCD}.undo")
    nodes.stop(engine, layout)


def commit(engine: Engine, layout: Layout) -> None:
    """Forget the state before the exchange."""
    nodes.inside(engine, layout.control_plane, "rm", "-rf", f"{ETCD}.before")
