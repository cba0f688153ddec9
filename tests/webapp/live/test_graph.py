"""The picture of a cluster: who belongs to whom, how each is, and never more than can be looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.model import ObjectList
from webapp.live import graph, states

VERSIONS = {**graph.KINDS, **graph.BESIDE}


def thing(kind: str, name: str, *, namespace: str = "shop", owner: str = "", **rest: Any) -> dict[str, Any]:
    about = {"name": name, "namespace": namespace, "uid": f"{kind}:{name}", **rest.pop("metadata", {})}
    if kind in ("Node", "PersistentVolume"):
        del about["namespace"]
    if owner:
        about["ownerReferences"] = [{"uid": owner, "controller": True}]
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": about, **rest}


def picture(*things: dict[str, Any]) -> dict[str, Any]:
    kinds = dict.fromkeys(one["kind"] for one in things)
    return graph.draw([ObjectList(VERSIONS[k], k, "*", [t for t in things if t["kind"] == k]) for k in kinds], "shop")


def edges(drawn: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(e["from"], e["to"], e["kind"]) for e in drawn["edges"]}


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def test_everything_finds_what_it_belongs_to() -> None:
    mounted = {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}], "nodeName": "node-1"}
    drawn = picture(
        thing("Node", "node-1", status={"conditions": [{"type": "Ready", "status": "True"}]}),
        thing("Deployment", "web", spec={"replicas": 1}),
        thing("ReplicaSet", "web-1", owner="Deployment:web", spec={"replicas": 1}),
        thing("Pod", "web-1-x", owner="ReplicaSet:web-1", spec=mounted, status=READY, metadata={"labels": {"a": "b"}}),
        thing("Service", "web"),
        thing(
            "EndpointSlice",
            "web-abc",
            metadata={"labels": {"kubernetes.io/service-name": "web"}},
            endpoints=[{"targetRef": {"kind": "Pod", "name": "web-1-x"}}],
        ),
        thing("Ingress", "front", spec={"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]}),
        thing("PersistentVolumeClaim", "data", spec={"volumeName": "pv"}),
        thing("PersistentVolume", "pv"),
        thing("HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}}),
        thing("NetworkPolicy", "closed", spec={"podSelector": {"matchLabels": {"a": "b"}}}),
    )
    assert edges(drawn) == {
        ("Deployment:web", "ReplicaSet:web-1", "owns"),
        ("ReplicaSet:web-1", "Pod:web-1-x", "owns"),
        ("Pod:web-1-x", "PersistentVolumeClaim:data", "mounts"),
        ("PersistentVolumeClaim:data", "PersistentVolume:pv", "binds"),
        ("Service:web", "Pod:web-1-x", "selects"),
        ("Ingress:front", "Service:web", "routes"),
        ("HorizontalPodAutoscaler:web", "Deployment:web", "scales"),
        ("NetworkPolicy:closed", "Pod:web-1-x", "allows"),
    }
    assert drawn["machines"] == [{"name": "node-1", "state": "ok", "detail": "ready"}]
    pod = next(n for n in drawn["nodes"] if n["kind"] == "Pod")
    assert (pod["state"], pod["detail"], pod["node"]) == ("ok", "running", "node-1")


@pytest.mark.parametrize(
    ("selector", "endpoints", "state", "detail"),
    [
        ({"app": "web"}, [], "bad", "ClusterIP: selects no Pod"),
        ({"app": "web"}, [{"targetRef": {"kind": "Pod", "name": "web-1-x"}}], "ok", "ClusterIP"),
        ({}, [], "ok", "ClusterIP"),  # Its endpoints are somebody else's to write.
    ],
)
def test_a_service_that_reaches_nobody_is_in_trouble(
    selector: dict[str, str], endpoints: list[object], state: str, detail: str
) -> None:
    slices = thing(
        "EndpointSlice", "web-abc", metadata={"labels": {"kubernetes.io/service-name": "web"}}, endpoints=endpoints
    )
    (service,) = picture(thing("Service", "web", spec={"selector": selector}), slices)["nodes"]
    assert (service["state"], service["detail"]) == (state, detail)
    # Before its controller has looked at it, nobody knows.
    (service,) = picture(thing("Service", "web", spec={"selector": selector}))["nodes"]
    assert service["state"] == "ok"


def test_a_pod_that_replaces_another_is_another() -> None:
    one, two = (thing("Pod", "db-0", metadata={"uid": uid}, status=READY) for uid in ("first", "second"))
    assert [n["id"] for n in picture(one)["nodes"] + picture(two)["nodes"]] == ["first", "second"]


def test_what_is_the_platform_s_or_spent_is_not_drawn_and_what_lies_elsewhere_says_where() -> None:
    drawn = picture(
        thing("Pod", "coredns", namespace="kube-system"),
        thing("Service", "kubernetes", namespace="default"),
        thing("ReplicaSet", "old", owner="Deployment:web", spec={"replicas": 0}),
        thing("Pod", "lost", namespace="default"),
    )
    assert [(n["name"], n["namespace"]) for n in drawn["nodes"]] == [("lost", "default")]


def test_what_would_turn_the_direction_of_text_is_not_handed_on() -> None:
    stuck = {"phase": "Failed", "reason": "\u202eevil\n\x1b[2J"}
    assert picture(thing("Pod", "web", status=stuck))["nodes"][0]["detail"] == "\ufffdevil \ufffd[2J"


def test_five_hundred_pods_are_one_node_with_a_count() -> None:
    pods = [
        thing("Pod", f"web-{n}", owner="ReplicaSet:web", status=READY if n % 2 else {"phase": "Pending"})
        for n in range(500)
    ]
    slices = [{"targetRef": {"kind": "Pod", "uid": f"Pod:web-{n}"}} for n in range(500)]
    drawn = picture(
        thing("ReplicaSet", "web", spec={"replicas": 500}),
        *pods,
        thing("Service", "web"),
        thing("EndpointSlice", "s", metadata={"labels": {"kubernetes.io/service-name": "web"}}, endpoints=slices),
    )
    group = next(n for n in drawn["nodes"] if n["kind"] == "Pod")
    assert (group["count"], group["name"], group["state"]) == (500, "500 Pods", "pending")
    assert group["detail"] == "250 well, 250 on the way"
    assert edges(drawn) == {("ReplicaSet:web", group["id"], "owns"), ("Service:web", group["id"], "selects")}


def test_however_much_there_is_the_picture_is_bounded_and_says_what_is_left_out() -> None:
    many = [thing("Deployment", f"d{n}", namespace=f"n{n}", metadata={"uid": f"d{n}"}) for n in range(1000)]
    drawn = picture(*many)
    assert len(drawn["nodes"]) == graph.MOST
    assert drawn["left_out"] == 1000 - graph.MOST


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        ("Pod", {}, {"phase": "Pending"}, ("pending", "being created")),
        ("Pod", {}, {"phase": "Failed", "reason": "Evicted"}, ("bad", "Evicted")),
        ("Pod", {}, {"phase": "Succeeded"}, ("ok", "completed")),
        ("Pod", {}, {"phase": "Running"}, ("pending", "running, not ready")),
        ("Pod", {}, READY | {"containerStatuses": [{"restartCount": 3}]}, ("ok", "running, 3 restarts")),
        (
            "Pod",
            {},
            {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            ("bad", "CrashLoopBackOff"),
        ),
        (
            "Pod",
            {},
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "no cpu"}]},
            ("bad", "no cpu"),
        ),
        ("Deployment", {}, {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}, ("ok", "1 of 1 ready")),
        ("Deployment", {"replicas": 0}, {}, ("ok", "0 of 0 ready")),
        (
            "Deployment",
            {"replicas": 3},
            {"replicas": 4, "readyReplicas": 3, "updatedReplicas": 1},
            ("pending", "3 of 3 ready, 1 new"),
        ),
        ("DaemonSet", {}, {"desiredNumberScheduled": 3, "numberReady": 2}, ("pending", "2 of 3 ready")),
        ("Job", {"completions": 2}, {"succeeded": 1}, ("pending", "1 of 2 done")),
        ("CronJob", {"schedule": "* * * * *", "suspend": True}, {}, ("pending", "suspended")),
        ("Service", {"type": "LoadBalancer", "ports": [{"port": 80}]}, {}, ("pending", "LoadBalancer, 80 → 80")),
        ("Service", {"clusterIP": "None"}, {}, ("ok", "headless")),
        ("PersistentVolumeClaim", {}, {"phase": "Lost"}, ("bad", "Lost")),
        ("PersistentVolume", {"capacity": {"storage": "1Gi"}}, {"phase": "Released"}, ("pending", "Released, 1Gi")),
        (
            "HorizontalPodAutoscaler",
            {
                "minReplicas": 2,
                "maxReplicas": 6,
                "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 50}}}],
            },
            {
                "currentReplicas": 3,
                "desiredReplicas": 6,
                "currentMetrics": [{"resource": {"name": "cpu", "current": {"averageUtilization": 90}}}],
            },
            ("pending", "3 replicas (2 to 6), wants 6, cpu 90% of 50%"),
        ),
        (
            "Node",
            {"unschedulable": True},
            {"conditions": [{"type": "Ready", "status": "True"}]},
            ("pending", "cordoned"),
        ),
        ("Node", {}, {}, ("bad", "not ready")),
    ],
)
def test_how_each_is(kind: str, spec: Any, status: Any, expected: tuple[str, str]) -> None:
    assert states.of({"kind": kind, "metadata": {}, "spec": spec, "status": status}) == expected
    deleted = {"kind": kind, "metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}, "spec": spec, "status": status}
    assert states.of(deleted)[0] == "gone"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["name", "namespace", "uid", "ownerReferences", "controller", "labels", "replicas", "volumes", "rules",
             "http", "paths", "conditions", "type", "status", "containerStatuses", "metrics", "resource", "ports",
             "endpoints"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(sorted(VERSIONS)), JSON, JSON, JSON)
def test_whatever_an_object_is_there_is_a_picture(kind: str, metadata: Any, spec: Any, status: Any) -> None:
    """A CRD's or a broken server's objects may be anything at all."""
    item = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": spec, "status": status}
    drawn = graph.draw([ObjectList(VERSIONS[kind], kind, "*", [item])], "shop")
    json.dumps(drawn)
    assert all(n["state"] in ("ok", "pending", "bad", "gone") and len(n["detail"]) <= 120 for n in drawn["nodes"])
