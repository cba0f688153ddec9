"""What a cluster needs between an API server that answers and a student who can work: objects, and conditions."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from clusters.errors import TransientError
from clusters.identity.files import ADMISSION, STUDENT
from clusters.kwok.api import COLLECTIONS, CREATED, Api
from clusters.kwok.layout import Layout
from clusters.kwok.nodes import node
from clusters.model import PLATFORM_NAMESPACE

MANIFESTS = Path(__file__).parent / "manifests"
METRICS = "v1beta1.metrics.k8s.io"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
# How often a condition is looked at, in seconds.
INTERVAL = 0.1
# How long the whole may take, in seconds: a machine with a class full of clusters on it is slow.
LIMIT = 120.0


# Where to post what, and the admission policy that refuses it.
Forbidden = tuple[str, dict[str, Any], str]


class Stopped(Exception):
    """Somebody else has failed; there is nothing to wait for any more."""


def objects(nodes: int, metrics_port: int) -> Iterator[dict[str, Any]]:
    """What every cluster has from the start. The admission policies' bindings come last, as one is waited for."""
    files = [MANIFESTS / "cluster.yaml", STUDENT, ADMISSION]
    # The C loader, as half of the time would go into parsing.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = [d for f in files for d in yaml.load_all(f.read_text(), loader) if d]
    metrics = list(yaml.load_all((MANIFESTS / "metrics.yaml").read_text(), loader))
    for document in metrics:
        if document["kind"] == "APIService":
            document["spec"]["service"]["port"] = metrics_port
    last = [d for d in documents if d["kind"].endswith("PolicyBinding")]
    yield from (d for d in documents if d not in last)
    yield from last
    yield from (node(n + 1) for n in range(nodes))
    yield from metrics


def begin(layout: Layout, server: str, nodes: int, metrics_port: int, stop: threading.Event) -> None:
    """Put the objects into a new cluster and wait until a student can work. Raises Stopped once `stop` is set."""
    platform = Api(server, layout.pki, "admin")
    try:
        first, *rest = objects(nodes, metrics_port)
        # Not /readyz, which waits for more than a second longer, for what no object of ours needs.
        _until("the API server takes objects", lambda: platform.offer(first)[0] in CREATED, stop)
        for thing in rest:
            platform.create(thing)
    finally:
        platform.close()
    usable(layout.pki, server, stop)


def usable(pki: Path, server: str, stop: threading.Event, more: Sequence[Forbidden] = ()) -> None:
    """Wait until the control plane works and the student is both let in and held back.

    `pki` has both's certificates; `more` is what the student must be refused beside what every cluster refuses.
    """
    platform = Api(server, pki, "admin")
    student = Api(server, pki, "student")
    try:
        _until(
            "the default ServiceAccount exists",
            lambda: platform.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200,
            stop,
        )
        policies = [*_forbidden(), *more]
        _until("the admission policies are in force", lambda: _held_back(student, policies), stop)
    finally:
        platform.close()
        student.close()


def route_metrics(layout: Layout, server: str, port: int) -> None:
    """Let the API server find this cluster's metrics-server, where it restored the snapshot of another one."""
    platform = Api(server, layout.pki, "admin")
    path = f"{COLLECTIONS['APIService']}/{METRICS}"

    def routed() -> bool:
        status, text = platform.ask("GET", path)
        if status != 200:
            return False
        thing = json.loads(text)
        if thing["spec"]["service"].get("port") == port:
            return True
        thing["spec"]["service"]["port"] = port
        return platform.ask("PUT", path, thing)[0] == 200

    try:
        _until("the metrics are routed", routed, threading.Event())
    finally:
        platform.close()


def release_nodes(layout: Layout, server: str) -> None:
    """Take the leases of all nodes away from a KWOK that is dead."""
    platform = Api(server, layout.pki, "admin")
    try:
        never = threading.Event()
        _until("the leases of the nodes are gone", lambda: platform.ask("DELETE", LEASES)[0] == 200, never)
    finally:
        platform.close()


def _held_back(student: Api, policies: list[Forbidden]) -> bool:
    """Whether each policy has refused the student, which none does before RBAC lets him so far. Shortens the list."""
    while policies:
        path, body, policy = policies[0]
        if f"'{policy}'" not in student.ask("POST", f"{path}?dryRun=All", body)[1]:
            return False
        del policies[0]
    return True


def _forbidden() -> list[Forbidden]:
    """Where to post what, so that which admission policy refuses it."""
    meta = {"metadata": {"name": "seatrial-probe"}}
    volume = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/mnt/nonexistent"},
        "persistentVolumeReclaimPolicy": "Delete",
    }
    asked = {"metadata": {"name": "x", "annotations": {"volume.kubernetes.io/selected-node": "x"}}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, "storageClassName": ""}
    return [
        (f"/api/v1/namespaces/{PLATFORM_NAMESPACE}/configmaps", meta, "seatrial-platform-namespaces"),
        (COLLECTIONS["ClusterRole"], {"metadata": {"name": "system:x"}, "rules": []}, "seatrial-platform-objects"),
        ("/api/v1/persistentvolumes", {**meta, "spec": volume}, "seatrial-hostpath-volumes"),
        (COLLECTIONS["Node"], {**meta, "status": {"phase": "Running"}}, "seatrial-node-status"),
        ("/api/v1/namespaces/default/persistentvolumeclaims", {**asked, "spec": spec}, "seatrial-claim-annotations"),
    ]


def _until(what: str, holds: Callable[[], bool], stop: threading.Event) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        if stop.wait(INTERVAL):
            raise Stopped(what)
        if time.monotonic() > deadline:
            raise TransientError(f"not within {LIMIT:.0f} s: {what}; the machine may be too busy, try again")
