"""From an object down to what it depends on: the deeper a cause lies, the earlier it is told."""

from __future__ import annotations

from collections.abc import Iterator

from grader.explain.mistakes import Scene
from grader.explain.objects import at, condition, kind, labels, namespace, number, pairs, text
from grader.explain.relations import Relations
from grader.explain.rules.autoscaling import target
from grader.explain.rules.networking import backends
from grader.explain.rules.scheduling import claims_of
from grader.explain.selectors import plain
from grader.model import Object

_SERVICE_OF_SLICE = "kubernetes.io/service-name"
_REVISION = "deployment.kubernetes.io/revision"
# One broken Pod of a controller tells as much as a thousand.
_PODS = 3
# A bound on the whole walk, whatever owner references say.
_LONGEST = 40


def causes(scene: Scene, root: Object) -> Iterator[Object]:
    """An object with all that it depends on, the deepest first and itself last."""
    return _descend(scene, root, set())


def _descend(scene: Scene, obj: Object, seen: set[int]) -> Iterator[Object]:
    if id(obj) in seen or len(seen) >= _LONGEST:
        return
    seen.add(id(obj))
    for below in _below(scene, obj):
        yield from _descend(scene, below, seen)
    yield obj


def _below(scene: Scene, obj: Object) -> Iterator[Object]:
    relations, space = scene.relations, namespace(obj)
    match kind(obj):
        case "Deployment":
            yield from _newest_set(relations, obj)
        case "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet" | "Job":
            yield from _unwell(relations.children(obj, "Pod"))
        case "CronJob":
            yield from relations.children(obj, "Job")[-1:]
        case "Pod":
            claims = (relations.named("PersistentVolumeClaim", space, c) for c in claims_of(obj))
            yield from (c for c in claims if c is not None)
        case "Service":
            yield from _behind(relations, obj)
        case "EndpointSlice":
            service = relations.named("Service", space, labels(obj).get(_SERVICE_OF_SLICE, ""))
            yield from [service] if service else []
        case "Ingress":
            services = (relations.named("Service", space, text(b.get("name"))) for b in backends(obj))
            yield from (s for s in services if s is not None)
        case "PodDisruptionBudget":
            yield from _unwell(relations.selected(at(obj, "spec", "selector"), space))
        case "HorizontalPodAutoscaler":
            scaled = target(scene, obj)
            yield from [scaled] if scaled else []


def _newest_set(relations: Relations, deployment: Object) -> list[Object]:
    """The ReplicaSet that the Deployment is rolling out."""
    sets = relations.children(deployment, "ReplicaSet")
    return sorted(sets, key=lambda s: _int(pairs(at(s, "metadata", "annotations")).get(_REVISION, "")))[-1:]


def _unwell(pods: list[Object]) -> list[Object]:
    return [p for p in pods if _is_unwell(p)][:_PODS]


def _is_unwell(pod: Object) -> bool:
    phase = at(pod, "status", "phase")
    return phase == "Failed" or (phase != "Succeeded" and condition(pod, "Ready").get("status") != "True")


def _behind(relations: Relations, service: Object) -> Iterator[Object]:
    """The Pods of a Service that are not ready, and then the controllers that should have made more of them."""
    selector = plain(at(service, "spec", "selector"))
    pods = relations.selected(selector, namespace(service)) if selector else []
    yield from _unwell(pods)
    makers = {id(m): m for p in pods if (m := relations.owner(p)) is not None}
    yield from list(makers.values())[:_PODS]
    if selector and not pods:
        yield from makers_of(relations, selector, namespace(service))


def makers_of(relations: Relations, wanted: dict[str, str], space: str) -> list[Object]:
    """The controllers whose Pods would have these labels: ReplicaSets and what else stands on its own."""
    kinds = ("ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "Deployment")
    return [
        maker
        for word in kinds
        for maker in relations.objects(word, space)
        if wanted.items() <= pairs(at(maker, "spec", "template", "metadata", "labels")).items()
        and at(maker, "spec", "replicas") != 0
    ][:_PODS]


def state(scene: Scene, obj: Object) -> str:
    """How much is there of what was asked, as a sentence with a space after it; "" where that says nothing."""
    word = kind(obj)
    if word in ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"):
        wanted = at(obj, "spec", "replicas")
        many, have = (1 if wanted is None else number(wanted)), number(at(obj, "status", "availableReplicas"))
        return f"{scene.who(obj)}: {have} of {many} available. " if have < many else ""
    if word == "DaemonSet":
        many, have = (number(at(obj, "status", k)) for k in ("desiredNumberScheduled", "numberAvailable"))
        return f"{scene.who(obj)}: {have} of {many} available. " if have < many else ""
    if word == "Service":
        selector = plain(at(obj, "spec", "selector"))
        pods = scene.relations.selected(selector, namespace(obj)) if selector else []
        have = sum(condition(p, "Ready").get("status") == "True" for p in pods)
        return f"{scene.who(obj)}: {have} of its {len(pods)} Pods ready. " if have < len(pods) else ""
    return ""


def _int(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
