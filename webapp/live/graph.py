"""The picture of what there is in a cluster, as nodes and edges. Pure; every name in it is data and nothing else.

    machines  [{name, state, detail}]                                       the cluster's nodes
    nodes     [{id, kind, name, namespace, state, detail, node, count}]     state: ok, pending, bad or gone
    edges     [{from, to, kind}]                                            kind: owns, selects, routes, mounts, binds,
                                                                            scales or allows

An id is an object's uid, so that what was deleted and made anew is another. `node` is the machine that a Pod is on.
Many of one owner are one node with a `count`: a picture of 500 Pods says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grader.model import Object, ObjectList, Want
from grader.reports.shown import plain
from webapp.live import states

# The kinds in the picture, and those that only say how others belong together.
KINDS = {
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "ReplicationController": "v1",
    "ReplicaSet": "apps/v1",
    "Pod": "v1",
    "Service": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PersistentVolume": "v1",
}
BESIDE = {"EndpointSlice": "discovery.k8s.io/v1", "Node": "v1"}
# More of one kind and owner than this are one node with a count; and at most so many nodes are drawn.
TOGETHER, MOST = 12, 150
# What is the platform's or the cluster's own, and no student's.
_SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "seatrial-system", "local-path-storage")


def wants(namespace: str) -> frozenset[Want]:
    """The lists that the picture is drawn from."""
    return frozenset(
        Want(version, kind, "" if kind in ("Node", "PersistentVolume") else namespace)
        for kind, version in {**KINDS, **BESIDE}.items()
    )


def draw(lists: Sequence[ObjectList], namespace: str) -> dict[str, Any]:
    """The picture. `namespace` is the lab's: what lies elsewhere says where."""
    scene = _Scene(lists)
    nodes = [_node(one, scene, namespace) for one in scene.objects]
    edges = [edge for one in scene.objects for edge in _edges(one, scene)]
    edges = [edge for edge in edges if edge[0] in scene.ids and edge[1] in scene.ids]
    nodes, edges = _grouped(nodes, edges)
    left_out = max(0, len(nodes) - MOST)
    nodes = nodes[:MOST]
    there = {node["id"] for node in nodes}
    return {
        "namespace": namespace,
        "machines": [_machine(one) for one in scene.machines],
        "nodes": nodes,
        "edges": [
            {"from": a, "to": b, "kind": kind}
            for a, b, kind in dict.fromkeys(edges)
            if a in there and b in there and a != b
        ],
        "left_out": left_out,
    }


Edge = tuple[str, str, str]
Node = dict[str, Any]


class _Scene:
    """The objects by kind, and what is asked of them more than once."""

    def __init__(self, lists: Sequence[ObjectList]) -> None:
        self.by_kind: dict[str, list[Object]] = defaultdict(list)
        seen: set[tuple[str, str]] = set()
        versions = {**KINDS, **BESIDE}
        for one in lists:
            if versions.get(one.kind) != one.api_version:
                continue
            for item in one.items:
                key = (one.kind, _id(item))
                if key not in seen and not _ours(item):
                    seen.add(key)
                    self.by_kind[one.kind].append(item)
        self.machines = self.by_kind["Node"]
        self.objects = [item for kind in KINDS for item in self.by_kind[kind] if not _spent(item)]
        self.ids = {_id(item) for item in self.objects}
        self.named = {
            (str(item["kind"]), str(_about(item).get("namespace") or ""), str(_about(item).get("name"))): _id(item)
            for item in self.objects
        }
        self.pods: dict[str, list[Object]] = defaultdict(list)
        for pod in self.by_kind["Pod"]:
            self.pods[str(_about(pod).get("namespace"))].append(pod)
        self.slices: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for piece in self.by_kind["EndpointSlice"]:
            about = _about(piece)
            service = states.mapping(about.get("labels")).get("kubernetes.io/service-name")
            self.slices[str(about.get("namespace")), str(service)].append(piece)

    def find(self, kind: str, namespace: str, name: object) -> str:
        """The id of an object by its name; "" where there is none."""
        return self.named.get((kind, namespace, str(name)), "")


def _about(item: Object) -> Mapping[str, Any]:
    return states.mapping(item.get("metadata"))


def _id(item: Object) -> str:
    about = _about(item)
    return str(about.get("uid") or f"{item.get('kind')}/{about.get('namespace')}/{about.get('name')}")


def _ours(item: Object) -> bool:
    about = _about(item)
    space = about.get("namespace")
    return space in _SYSTEM or (item.get("kind"), space, about.get("name")) == ("Service", "default", "kubernetes")


def _spent(item: Object) -> bool:
    """A ReplicaSet of an earlier revision, scaled to nothing."""
    if item.get("kind") != "ReplicaSet" or not _about(item).get("ownerReferences"):
        return False
    wanted = states.mapping(item.get("spec")).get("replicas")
    return wanted == 0 and not states.mapping(item.get("status")).get("replicas")


def _node(item: Object, scene: _Scene, home: str) -> Node:
    about = _about(item)
    state, detail = states.of(item)
    if item.get("kind") == "Service" and _reaches_nobody(item, scene):
        state, detail = "bad", f"{detail}: selects no Pod"
    space = str(about.get("namespace") or "")
    return {
        "id": _id(item),
        "kind": str(item.get("kind")),
        "name": plain(str(about.get("name") or "")),
        "namespace": "" if space == home else plain(space),
        "state": state,
        "detail": plain(detail),
        "node": str(states.mapping(item.get("spec")).get("nodeName") or "") if item.get("kind") == "Pod" else "",
        "count": 1,
    }


def _machine(item: Object) -> Node:
    state, detail = states.of(item)
    return {"name": str(_about(item).get("name") or ""), "state": state, "detail": plain(detail)}


def _edges(item: Object, scene: _Scene) -> Iterable[Edge]:
    about, me = _about(item), _id(item)
    for owner in states.maps(about.get("ownerReferences")):
        if owner.get("controller"):
            yield str(owner.get("uid")), me, "owns"
    yield from _PAIRS.get(str(item.get("kind")), _none)(item, scene, me, str(about.get("namespace") or ""))


def _none(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    return ()


def _claims(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    for volume in states.maps(states.mapping(item.get("spec")).get("volumes")):
        claim = states.mapping(volume.get("persistentVolumeClaim")).get("claimName")
        if claim:
            yield me, scene.find("PersistentVolumeClaim", space, claim), "mounts"


def _bound(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    yield me, scene.find("PersistentVolume", "", states.mapping(item.get("spec")).get("volumeName")), "binds"


def _scaled(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    target = states.mapping(states.mapping(item.get("spec")).get("scaleTargetRef"))
    yield me, scene.find(str(target.get("kind")), space, target.get("name")), "scales"


def _routed(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    spec = states.mapping(item.get("spec"))
    backends = [spec.get("defaultBackend")]
    for rule in states.maps(spec.get("rules")):
        backends += [path.get("backend") for path in states.maps(states.mapping(rule.get("http")).get("paths"))]
    for backend in backends:
        name = states.mapping(states.mapping(backend).get("service")).get("name")
        if name:
            yield me, scene.find("Service", space, name), "routes"


def _selected(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    """A Service's Pods, as its EndpointSlices have them."""
    for piece in _slices(item, scene):
        for endpoint in states.maps(piece.get("endpoints")):
            target = states.mapping(endpoint.get("targetRef"))
            if target.get("kind") == "Pod":
                yield me, str(target.get("uid") or scene.find("Pod", space, target.get("name"))), "selects"


def _slices(service: Object, scene: _Scene) -> list[Object]:
    about = _about(service)
    return scene.slices[str(about.get("namespace")), str(about.get("name"))]


def _reaches_nobody(service: Object, scene: _Scene) -> bool:
    """Whether its selector fits no Pod. Its controller says so with an EndpointSlice without endpoints."""
    slices = _slices(service, scene) if states.mapping(service.get("spec")).get("selector") else []
    return bool(slices) and not any(True for piece in slices for _ in states.maps(piece.get("endpoints")))


def _allowed(item: Object, scene: _Scene, me: str, space: str) -> Iterable[Edge]:
    selector = states.mapping(states.mapping(item.get("spec")).get("podSelector"))
    wanted = states.mapping(selector.get("matchLabels"))
    if selector.get("matchExpressions"):
        return
    for pod in scene.pods[space]:
        labels = states.mapping(_about(pod).get("labels"))
        if all(labels.get(key) == value for key, value in wanted.items()):
            yield me, _id(pod), "allows"


_PAIRS = {
    "Pod": _claims,
    "PersistentVolumeClaim": _bound,
    "HorizontalPodAutoscaler": _scaled,
    "Ingress": _routed,
    "Service": _selected,
    "NetworkPolicy": _allowed,
}


def _grouped(nodes: list[Node], edges: list[Edge]) -> tuple[list[Node], list[Edge]]:
    """Put many of one kind, place and owner into one node."""
    owner = {to: a for a, to, kind in edges if kind == "owns"}
    families: dict[tuple[str, str, str], list[Node]] = defaultdict(list)
    for node in nodes:
        families[node["kind"], node["namespace"], owner.get(node["id"], "")].append(node)
    into: dict[str, str] = {}
    together: list[Node] = []
    for (kind, space, parent), members in families.items():
        if len(members) <= TOGETHER:
            together += members
            continue
        group = _group(kind, space, parent, members)
        together.append(group)
        into.update((member["id"], group["id"]) for member in members)
    return together, [(into.get(a, a), into.get(b, b), kind) for a, b, kind in edges]


def _group(kind: str, space: str, parent: str, members: list[Node]) -> Node:
    counts = {state: sum(1 for one in members if one["state"] == state) for state in ("ok", "pending", "bad", "gone")}
    worst = next((state for state in ("bad", "pending", "gone") if counts[state]), "ok")
    return {
        "id": f"group:{kind}:{space}:{parent}",
        "kind": kind,
        "name": f"{len(members)} {kind}s",
        "namespace": space,
        "state": worst,
        "detail": ", ".join(f"{count} {_WORDS[state]}" for state, count in counts.items() if count),
        "node": "",
        "count": len(members),
    }


_WORDS = {"ok": "well", "pending": "on the way", "bad": "in trouble", "gone": "going"}
