"""What a cluster needs between an API server that answers and a student who can work: objects, and conditions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from clusters.api import COLLECTIONS, CREATED, Api
from clusters.identity.files import ADMISSION, STUDENT
from clusters.kwok.layout import Layout
from clusters.kwok.nodes import node
from clusters.readiness import LEASES, until, usable

MANIFESTS = Path(__file__).parent / "manifests"
METRICS = "v1beta1.metrics.k8s.io"


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
        until("the API server takes objects", lambda: platform.offer(first)[0] in CREATED, stop=stop)
        for thing in rest:
            platform.create(thing)
    finally:
        platform.close()
    usable(layout.pki, server, fresh=True, stop=stop)


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
        until("the metrics are routed", routed)
    finally:
        platform.close()


def release_nodes(layout: Layout, server: str) -> None:
    """Take the leases of all nodes away from a KWOK that is dead."""
    platform = Api(server, layout.pki, "admin")
    try:
        until("the leases of the nodes are gone", lambda: platform.ask("DELETE", LEASES)[0] == 200)
    finally:
        platform.close()
