"""A kind cluster's whole state, which is what etcd holds: saved to a file, and exchanged for what a file holds.

The exchange is done by the unit seatrial-exchange while the control plane's container starts (node/exchange), so it is
whole or not at all, whenever somebody ends us.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clusters.engine import Engine
from clusters.errors import ClusterError, PermanentError
from clusters.exec import CommandError, run
from clusters.kind import nodes
from clusters.kind.layout import Layout
from clusters.kubectl import kubectl
from clusters.kwok.state import BUMP, LIMIT
from clusters.store import kubeconfig_file
from clusters.tools import program

# Where etcd's folder is, in its own container and in the node's.
ETCD = "/var/lib/etcd"
CERTIFICATES = "/etc/kubernetes/pki/etcd"


def save(engine: Engine, layout: Layout, file: Path) -> None:
    """Write etcd's state into a file, at once or not at all."""
    file = file.absolute()
    if not file.parent.is_dir():
        raise PermanentError(f"the snapshot {file} cannot be written: {file.parent} is no folder")
    inside, part = f"{ETCD}/seatrial.snapshot", file.with_name(f".{file.name}.{os.getpid()}.part")
    credentials = [
        f"--cacert={CERTIFICATES}/ca.crt",
        f"--cert={CERTIFICATES}/server.crt",
        f"--key={CERTIFICATES}/server.key",
    ]
    pod = f"etcd-{layout.control_plane}"
    command = ["exec", "--namespace=kube-system", pod, "--", "etcdctl", *credentials, "snapshot", "save", inside]
    try:
        kubectl(kubeconfig_file(layout.name, "admin"), *command, timeout=LIMIT)
        nodes.copy(engine, f"{layout.control_plane}:{inside}", part, timeout=LIMIT)
        part.chmod(0o600)
        part.replace(file)
    except CommandError as fault:
        raise _told(file, fault, "written") from fault
    except OSError as fault:
        raise PermanentError(f"the snapshot {file} cannot be written: {fault.strerror}") from fault
    finally:
        part.unlink(missing_ok=True)
        nodes.inside(engine, layout.control_plane, "rm", "-f", inside)


def _told(file: Path, fault: CommandError, what: str) -> ClusterError:
    if "no space left" in fault.output:
        return PermanentError(f"the snapshot {file} cannot be {what}: the disk is full; free some or name another file")
    last = (fault.output.strip().splitlines() or ["it printed nothing"])[-1].removeprefix("Error: ")
    return ClusterError(f"the snapshot {file} cannot be {what}: {last}")


def prepare(engine: Engine, layout: Layout, file: Path) -> Path:
    """Unpack a snapshot on this machine. Raises PermanentError for a file that is none, or not whole."""
    if not file.is_file():
        raise PermanentError(f"there is no snapshot {file}")
    goal = layout.folder / "etcd.new"
    shutil.rmtree(goal, ignore_errors=True)
    peer = f"https://{_address(engine, layout)}:2380"
    command: list[str | Path] = [
        program("etcdutl"), "snapshot", "restore", file, "--data-dir", goal, "--name", layout.control_plane,
        "--initial-cluster", f"{layout.control_plane}={peer}", "--initial-advertise-peer-urls", peer,
        "--bump-revision", str(BUMP), "--mark-compacted",
    ]  # fmt: skip
    try:
        run(command, timeout=LIMIT)
    except CommandError as fault:
        shutil.rmtree(goal, ignore_errors=True)
        if "no space left" in fault.output:
            raise PermanentError(
                f"the snapshot {file} cannot be restored: the disk is full; nothing changed"
            ) from fault
        last = (fault.output.strip().splitlines() or ["it printed nothing"])[-1].removeprefix("Error: ")
        raise PermanentError(
            f"{file} is not a whole snapshot of a cluster ({last}); cluster {layout.name} is as it was"
        ) from fault
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
    nodes.copy(engine, prepared, f"{node}:{ETCD}.part", timeout=LIMIT)
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
