"""How an object is, in one of four states and a few words: ok, pending, bad, gone. Pure, and of hostile objects too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grader.model import Object

State = tuple[str, str]
# Reasons for which a container waits and that mend themselves; every other one is trouble.
_ON_THE_WAY = frozenset({"ContainerCreating", "PodInitializing", ""})
# No text in the picture is longer.
_LONGEST = 120


def of(item: Object) -> State:
    """The state of an object, and what to say about it."""
    if mapping(item.get("metadata")).get("deletionTimestamp"):
        return "gone", "is being deleted"
    state, detail = _KINDS.get(str(item.get("kind")), _plain)(mapping(item.get("spec")), mapping(item.get("status")))
    return state, detail if len(detail) <= _LONGEST else detail[: _LONGEST - 1] + "…"


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def maps(value: Any) -> Iterator[Mapping[str, Any]]:
    """The mappings in a list; none of anything else."""
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _plain(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    return "ok", ""


def _condition(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in maps(status.get("conditions")) if one.get("type") == name), {})


def _pod(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    phase = str(status.get("phase") or "Pending")
    if phase in ("Succeeded", "Failed"):
        return ("ok", "completed") if phase == "Succeeded" else ("bad", str(status.get("reason") or "failed"))
    containers = [*maps(status.get("initContainerStatuses")), *maps(status.get("containerStatuses"))]
    waiting = (str(mapping(mapping(c.get("state")).get("waiting")).get("reason") or "") for c in containers)
    stuck = next((reason for reason in waiting if reason not in _ON_THE_WAY), None)
    if stuck is not None:
        return "bad", stuck
    if phase == "Pending":
        return _waiting(_condition(status, "PodScheduled"))
    if _condition(status, "Ready").get("status") != "True":
        return "pending", "running, not ready"
    restarts = sum(_number(one.get("restartCount")) for one in containers)
    return "ok", "running" + (f", {restarts} restart{'s' if restarts > 1 else ''}" if restarts else "")


def _waiting(scheduled: Mapping[str, Any]) -> State:
    if scheduled.get("status") == "False":
        return "bad", str(scheduled.get("message") or scheduled.get("reason") or "no node takes it")
    return "pending", "being created"


def _replicas(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    stated = spec.get("replicas")
    wanted, ready = 1 if stated is None else _number(stated), _number(status.get("readyReplicas"))
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True":
        return "bad", str(failure.get("message") or failure.get("reason") or "cannot make its Pods")
    updated = _number(status.get("updatedReplicas"))
    detail = f"{ready} of {wanted} ready"
    if "updatedReplicas" in status and updated < wanted:
        detail += f", {updated} new"
    late = _condition(status, "Progressing")
    if late.get("status") == "False":
        return "bad", f"{detail}: {late.get('reason') or 'no progress'}"
    settled = ready == wanted == _number(status.get("replicas"))
    return ("ok" if settled else "pending"), detail


def _daemons(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    wanted, ready = _number(status.get("desiredNumberScheduled")), _number(status.get("numberReady"))
    return ("ok" if ready == wanted else "pending"), f"{ready} of {wanted} ready"


def _job(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    if _condition(status, "Failed").get("status") == "True":
        return "bad", "failed"
    wanted, done = spec.get("completions"), _number(status.get("succeeded"))
    complete = _condition(status, "Complete").get("status") == "True"
    return ("ok" if complete else "pending"), f"{done} of {_number(wanted) or 1} done"


def _cron(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    return ("pending", "suspended") if spec.get("suspend") else ("ok", str(spec.get("schedule") or ""))


def _service(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    kind = str(spec.get("type") or "ClusterIP")
    if kind == "ExternalName":
        return "ok", f"ExternalName {spec.get('externalName') or ''}".strip()
    if spec.get("clusterIP") == "None":
        kind = "headless"
    ports = [f"{one.get('port')} → {one.get('targetPort') or one.get('port')}" for one in maps(spec.get("ports"))]
    waits = kind == "LoadBalancer" and not mapping(status.get("loadBalancer")).get("ingress")
    return ("pending" if waits else "ok"), ", ".join([kind, *ports])


def _claim(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    phase = str(status.get("phase") or "Pending")
    size = mapping(status.get("capacity")).get("storage") or mapping(
        mapping(spec.get("resources")).get("requests")
    ).get("storage")
    state = {"Bound": "ok", "Pending": "pending"}.get(phase, "bad")
    return state, ", ".join(str(word) for word in (phase, size) if word)


def _volume(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    phase = str(status.get("phase") or "Pending")
    state = {"Bound": "ok", "Available": "ok", "Released": "pending", "Pending": "pending"}.get(phase, "bad")
    size, policy = mapping(spec.get("capacity")).get("storage"), spec.get("persistentVolumeReclaimPolicy")
    return state, ", ".join(str(word) for word in (phase, size, policy) if word)


def _autoscaler(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    least = _number(spec.get("minReplicas")) or 1
    most, now = _number(spec.get("maxReplicas")), _number(status.get("currentReplicas"))
    wanted = _number(status.get("desiredReplicas"))
    words = [f"{now} replica{'' if now == 1 else 's'} ({least} to {most})"]
    if wanted and wanted != now:
        words.append(f"wants {wanted}")
    current = {str(mapping(one.get("resource")).get("name")): one for one in maps(status.get("currentMetrics"))}
    known = True
    for metric in maps(spec.get("metrics")):
        about = mapping(metric.get("resource"))
        target = mapping(about.get("target")).get("averageUtilization")
        if target is None:
            continue
        used = mapping(mapping(mapping(current.get(str(about.get("name")))).get("resource")).get("current")).get(
            "averageUtilization"
        )
        known = known and used is not None
        words.append(f"{about.get('name')} {'?' if used is None else used}% of {target}%")
    if _condition(status, "AbleToScale").get("status") == "False":
        return "bad", ", ".join(words)
    active = _condition(status, "ScalingActive").get("status")
    return ("ok" if known and active != "False" and wanted in (0, now) else "pending"), ", ".join(words)


def _machine(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    if _condition(status, "Ready").get("status") != "True":
        return "bad", "not ready"
    return ("pending", "cordoned") if spec.get("unschedulable") else ("ok", "ready")


def _policy(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    kinds = spec.get("policyTypes")
    return "ok", " and ".join(str(one) for one in kinds) if isinstance(kinds, list) else "Ingress"


def _ingress(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    hosts = dict.fromkeys(str(one.get("host") or "any host") for one in maps(spec.get("rules")))
    return "ok", ", ".join(hosts)


_KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], State]] = {
    "Pod": _pod,
    "Deployment": _replicas,
    "ReplicaSet": _replicas,
    "ReplicationController": _replicas,
    "StatefulSet": _replicas,
    "DaemonSet": _daemons,
    "Job": _job,
    "CronJob": _cron,
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "HorizontalPodAutoscaler": _autoscaler,
    "Node": _machine,
    "NetworkPolicy": _policy,
    "Ingress": _ingress,
}
