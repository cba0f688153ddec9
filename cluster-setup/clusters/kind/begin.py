"""What a kind cluster needs between an API server that answers and a student who can work: rights, metrics,
conditions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from clusters import kubectl, readiness
from clusters.api import COLLECTIONS, Api
from clusters.identity.files import ADMISSION, STUDENT
from clusters.kind.layout import Layout
from clusters.model import PLATFORM_NAMESPACE
from clusters.store import kubeconfig_file
from clusters.tools import VERSIONS

MANIFESTS = Path(__file__).parent / "manifests"
# How often a condition is looked at, and how long one may take, in seconds.
INTERVAL, LIMIT = 0.2, 240.0
# Of the admission policies, what stands for "not the platform" where the control plane is one plain user.
ALONE = "!('system:masters' in request.userInfo.groups)"
# Here it is many: kubeadm's own identity, kubelets, the controllers' accounts, and the storage provisioner's.
TOGETHER = (
    "!request.userInfo.groups.exists(g, g in ['system:masters', 'kubeadm:cluster-admins', 'system:nodes',"
    " 'system:serviceaccounts:kube-system', 'system:serviceaccounts:local-path-storage'])"
    " && !(request.userInfo.username in ['system:kube-controller-manager', 'system:kube-scheduler'])"
)
# Namespaces that no student writes to, beside those that every cluster has.
STORAGE = "local-path-storage"
NODE_TOKENS = "/api/v1/namespaces/kube-system/secrets?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken"


def objects() -> str:
    """What every kind cluster is given, as YAML: rights, policies, metrics-server."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLATFORM_NAMESPACE}}
    texts = [STUDENT.read_text(), ADMISSION.read_text(), (MANIFESTS / "pods.yaml").read_text()]
    texts.append((MANIFESTS / "metrics-server.yaml").read_text().replace("METRICS_SERVER", VERSIONS["metrics-server"]))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = [namespace, *(d for text in texts for d in yaml.load_all(text, loader) if d)]
    return "\n---\n".join(json.dumps(_fitted(document)) for document in documents)


def _fitted(document: dict[str, Any]) -> dict[str, Any]:
    """A policy with the identities of a control plane that kubeadm made."""
    if document["kind"] != "ValidatingAdmissionPolicy":
        return document
    for condition in document["spec"].get("matchConditions", ()):
        if condition["expression"] == ALONE:
            condition["expression"] = TOGETHER
        condition["expression"] = condition["expression"].replace(
            "'kube-node-lease']", f"'kube-node-lease', '{STORAGE}']"
        )
    return document


def begin(layout: Layout, server: str, nodes: int) -> None:
    """Give a new cluster what it needs, and wait until a student can work. Raises ClusterError."""
    # Not applied: these are new, and nobody compares them with anything.
    kubectl.kubectl(kubeconfig_file(layout.name, "admin"), "create", "--filename=-", stdin=objects())
    platform = Api(server, layout.pki, "admin")
    try:
        until("every node is ready", lambda: _ready(platform) >= nodes)
        # Its text is the same in every cluster of kind's, and a student may read Secrets: it would make him a node.
        until("no node can join any more", lambda: platform.ask("DELETE", NODE_TOKENS)[0] == 200)
    finally:
        platform.close()
    readiness.usable(layout.pki, server, fresh=True, more=_forbidden())


def usable(layout: Layout, server: str, since: datetime) -> None:
    """Wait until a cluster whose containers were started at `since` answers, with all its nodes at work again.

    A node is called ready for half a minute after it has ended, so its lease must have been renewed. Raises
    TransientError.
    """
    platform = Api(server, layout.pki, "admin")

    def at_work() -> bool:
        status, text = platform.ask("GET", readiness.LEASES)
        if status != 200:
            return False
        leases = [lease["spec"].get("renewTime") for lease in json.loads(text)["items"]]
        renewed = all(time_ and datetime.fromisoformat(time_) >= since for time_ in leases)
        return renewed and _ready(platform) == len(leases) > 0

    try:
        until("every node is at work", at_work)
    finally:
        platform.close()
    readiness.usable(layout.pki, server, fresh=False, more=_forbidden())


def _forbidden() -> list[readiness.Forbidden]:
    """What a student is refused because Pods really run; as for the other policies, each alone refuses it."""
    meta = {"metadata": {"name": "seatrial-probe"}}
    container = {"name": "x", "image": "x"}
    volume = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/etc"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    storage = {"provisioner": "x", "parameters": {"nodePath": "/etc"}}
    return [
        (
            "/api/v1/namespaces/default/pods",
            {**meta, "spec": {"hostNetwork": True, "containers": [container]}},
            "seatrial-pods",
        ),
        ("/api/v1/persistentvolumes", {**meta, "spec": volume}, "seatrial-volume-paths"),
        (COLLECTIONS["StorageClass"], {**meta, **storage}, "seatrial-storage-parameters"),
    ]


def _ready(platform: Api) -> int:
    """How many nodes are ready."""
    status, text = platform.ask("GET", "/api/v1/nodes")
    if status != 200:
        return 0
    conditions = [
        {c["type"]: c["status"] for c in n["status"].get("conditions", ())} for n in json.loads(text)["items"]
    ]
    return sum(each.get("Ready") == "True" for each in conditions)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Look until it holds. Raises TransientError when that takes too long."""
    readiness.until(what, holds, limit=LIMIT, interval=INTERVAL)
