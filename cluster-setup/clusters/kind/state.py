"""A kind cluster's whole state, which is what etcd holds: saved to a file, and exchanged for what a file holds.

In the control plane's /var/lib:

etcd         what runs
etcd.part-…  on its way there
etcd.new     what a restore has brought, not in use
etcd.before  what ran until a restore
etcd.go      the word to take etcd.new into use
etcd.undo    the word to go back to etcd.before

Only the unit seatrial-exchange moves anything (node/exchange), at the node's start and before anything of Kubernetes:

    undo     etcd.before, if it is there, becomes etcd again
    go       etcd becomes etcd.before, and etcd.new etcd
    neither  nobody waits for the end of a restore: etcd.new and etcd.before are removed

A word is given to a node that does not run, so nobody works between it and the start that obeys it; it goes last, so
that a start which was killed is done again. Whatever is killed:

    before `go`   the node goes on with the old state, whenever it starts next
    after `go`    it is in the new one from its next start on
    after `undo`  it is in the old one from its next start on

`prepare` takes both words and etcd.before away, or nothing is begun. So when `undo` is called, etcd.before is that of
this restore, or is not there, where nothing has been exchanged.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from clusters import snapshot
from clusters.engine import Engine
from clusters.exec import CommandError
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
    if nodes.states(engine).get(layout.kind_name, ["gone"])[0] != "running":
        nodes.start(engine, layout)
    settle(engine, layout)
    goal = layout.folder / "etcd.new"
    peer = f"https://{_address(engine, layout)}:2380"
    snapshot.unpack(file, goal, cluster=layout.name, member=layout.control_plane, peer=peer)
    return goal


def settle(engine: Engine, layout: Layout) -> None:
    """Forget what an earlier restore has left in a node that runs: its end is the state that is in use."""
    # The words go first, and then what they speak of.
    left = [f"{ETCD}.{name}" for name in ("undo", "go", "new", "before")]
    nodes.inside(engine, layout.control_plane, "rm", "-rf", *left)


def _address(engine: Engine, layout: Layout) -> str:
    """Where etcd's peers would find it, as kubeadm has written it down."""
    manifest = nodes.inside(engine, layout.control_plane, "cat", "/etc/kubernetes/manifests/etcd.yaml")
    found = next((line for line in manifest.splitlines() if "--initial-advertise-peer-urls=" in line), "")
    return found.rpartition("https://")[2].rpartition(":")[0] or "127.0.0.1"


def lay(engine: Engine, layout: Layout, prepared: Path) -> None:
    """Bring what was unpacked into the control plane's container and end it; its next start takes it into use."""
    node = layout.control_plane
    # A name of its own: the engine's client outlives us by a moment, and may still be copying for a restore that died.
    part = f"{ETCD}.part-{secrets.token_hex(4)}"
    nodes.copy(engine, prepared, f"{node}:{part}", timeout=snapshot.LIMIT)
    # The owner here may be anybody; etcd's is root.
    nodes.inside(engine, node, "sh", "-c", f"chown -R 0:0 {part} && chmod 700 {part} && mv {part} {ETCD}.new")
    nodes.stop(engine, layout)
    _say(engine, layout, "go")


def undo(engine: Engine, layout: Layout) -> None:
    """Let the next start go back to the state before the exchange. Where there was none, the nodes go on as they are,
    which asks nothing of a disk that is full."""
    unused = f"test ! -e {ETCD}.before && rm -rf {ETCD}.part-* {ETCD}.new"
    try:
        nodes.inside(engine, layout.control_plane, "sh", "-c", unused)
    except CommandError:  # it has been, or may be: the control plane does not run
        nodes.stop(engine, layout)
        _say(engine, layout, "undo")


def commit(engine: Engine, layout: Layout) -> None:
    """Forget the state before the exchange. Raises CommandError where there is none: somebody came in between."""
    nodes.inside(engine, layout.control_plane, "rm", "-r", f"{ETCD}.before")


def _say(engine: Engine, layout: Layout, word: str) -> None:
    """Leave a word, an empty file, in a control plane that does not run, for its next start."""
    with tempfile.NamedTemporaryFile(dir=layout.folder) as empty:
        nodes.copy(engine, empty.name, f"{layout.control_plane}:{ETCD}.{word}")
