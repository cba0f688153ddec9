"""Deployments, ReplicaSets, DaemonSets and Jobs that do not do what was asked, though their Pods could be made."""

from __future__ import annotations

from grader.explain import objects
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import (
    at,
    condition,
    kind,
    label_list,
    listed,
    name,
    namespace,
    number,
    pairs,
    plural,
    shown,
    text,
    words,
)
from grader.explain.selectors import nearest_labels, spelled
from grader.model import Object


@broken("paused", "Deployment")
def paused(scene: Scene, made: Object) -> str | None:
    """A paused Deployment rolls nothing out."""
    if at(made, "spec", "paused") is not True:
        return None
    return f"{scene.who(made)} is paused, so changes of its Pod template are not rolled out until it is resumed."


@broken("hpa-sets-replicas", "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", written=True)
def hpa_sets_replicas(scene: Scene, made: Object) -> str | None:
    """A HorizontalPodAutoscaler writes spec.replicas, so what a person writes there does not stay."""
    asked = at(scene.look.partial if scene.look else None, "spec", "replicas")
    if asked is None or asked == at(made, "spec", "replicas"):
        return None
    for hpa in scene.relations.objects("HorizontalPodAutoscaler", namespace(made)):
        target = at(hpa, "spec", "scaleTargetRef")
        if at(target, "name") == name(made) and at(target, "kind") == kind(made):
            low, high = number(at(hpa, "spec", "minReplicas")) or 1, number(at(hpa, "spec", "maxReplicas"))
            return f"{scene.who(hpa)} sets the replicas of {scene.who(made)}, from {low} to {high}."
    return None


@broken("scaled-to-zero", "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
def scaled_to_zero(scene: Scene, made: Object) -> str | None:
    """It is asked for no Pod at all."""
    if isinstance(at(made, "spec"), dict) and at(made, "spec", "replicas") == 0 and objects.controller(made) is None:
        return f"{scene.who(made)} is scaled to 0 replicas, so it makes no Pods."
    return None


@broken("pods-claimed", "Deployment", "ReplicaSet", "ReplicationController", written=True)
def pods_claimed(scene: Scene, made: Object) -> str | None:
    """The selector also selects Pods of another controller: two of them look for the same labels."""
    selector = at(made, "spec", "selector")
    if not isinstance(selector, dict) or not selector or objects.controller(made) is not None:
        return None
    for pod in scene.relations.selected(selector, namespace(made)):
        owner = objects.controller(pod)
        if owner is None or _belongs(scene, pod, made):
            continue
        other = scene.named(text(owner.get("kind")), namespace(pod), text(owner.get("name")))
        return (
            f"{scene.who(made)} selects {spelled(selector)}, and so does {other}, which owns Pod {shown(name(pod))}: "
            "two controllers look for the same Pods, and each makes its own."
        )
    return None


def _belongs(scene: Scene, pod: Object, made: Object) -> bool:
    owner = objects.controller(pod)
    if owner is None or owner.get("uid") == objects.uid(made):
        return True
    if kind(made) != "Deployment":
        return False
    # A ReplicaSet that was not collected cannot be told from a foreign one, except by its name.
    between = scene.relations.owner(pod)
    reference = objects.controller(between) if between is not None else None
    if reference is not None:
        return reference.get("uid") == objects.uid(made)
    return text(owner.get("name")).startswith(f"{name(made)}-")


@broken("not-yet-available", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
def not_yet_available(scene: Scene, made: Object) -> str | None:
    """minReadySeconds holds ready Pods back."""
    ready = number(at(made, "status", "readyReplicas")) or number(at(made, "status", "numberReady"))
    available = number(at(made, "status", "availableReplicas")) or number(at(made, "status", "numberAvailable"))
    wait = number(at(made, "spec", "minReadySeconds"))
    if wait <= 0 or available >= ready:
        return None
    return (
        f"{scene.who(made)}: {plural(ready, 'Pod')} ready, {available} counted as available, because minReadySeconds "
        f"asks a Pod to be ready for {wait} s first."
    )


@broken("old-pod-stays", "Deployment")
def old_pod_stays(scene: Scene, made: Object) -> str | None:
    """A Pod of an earlier template does not end, and the strategy Recreate makes no new one before."""
    if at(made, "spec", "strategy", "type") != "Recreate":
        return None
    for pod in scene.relations.selected(at(made, "spec", "selector"), namespace(made)):
        if text(at(pod, "metadata", "deletionTimestamp")):
            held = words(at(pod, "metadata", "finalizers"))
            by = f" and has the finalizer {listed(held)}" if held else ""
            return f"{scene.who(made)} waits for {scene.who(pod)} to end, which is being deleted{by}."
    return None


@broken("rollout-stuck", "Deployment")
def rollout_stuck(scene: Scene, made: Object) -> str | None:
    """The progress deadline has passed, and no deeper cause was found."""
    if condition(made, "Progressing").get("reason") != "ProgressDeadlineExceeded":
        return None
    updated, wanted = number(at(made, "status", "updatedReplicas")), number(at(made, "spec", "replicas"))
    limit = number(at(made, "spec", "progressDeadlineSeconds")) or 600
    return (
        f"The rollout of {scene.who(made)} is stuck: {updated} of {wanted} Pods are new, and nothing has moved for "
        f"{limit} s (progressDeadlineSeconds)."
    )


@broken("no-node-for-daemonset", "DaemonSet", written=True)
def no_node(scene: Scene, made: Object) -> str | None:
    """The nodeSelector matches no node, so there is nothing to schedule."""
    wanted = pairs(at(made, "spec", "template", "spec", "nodeSelector"))
    nodes = scene.relations.objects("Node", "")
    if not wanted or not nodes or number(at(made, "status", "desiredNumberScheduled")):
        return None
    if any(all(objects.labels(n).get(k) == v for k, v in wanted.items()) for n in nodes):
        return None
    near = nearest_labels(wanted, nodes)
    shared = {k: v for k, v in near[1].items() if k in wanted or v in wanted.values()} if near else {}
    has = f"; Node {shown(name(near[0]))} has {label_list(shared)}" if near and shared else ""
    return f"{scene.who(made)} runs on no node: no node has the label {label_list(wanted)}{has}."


@broken("job-suspended", "Job", "CronJob", written=True)
def suspended(scene: Scene, job: Object) -> str | None:
    """spec.suspend holds it back."""
    return (
        f"{scene.who(job)} is suspended (spec.suspend: true), so it starts nothing."
        if at(job, "spec", "suspend") is True
        else None
    )


@broken("job-failed", "Job")
def job_failed(scene: Scene, job: Object) -> str | None:
    """It gave up."""
    failed = condition(job, "Failed")
    if failed.get("status") != "True":
        return None
    reason = text(failed.get("reason"))
    if reason == "BackoffLimitExceeded":
        limit = at(job, "spec", "backoffLimit")
        tries = 6 if limit is None else number(limit)
        return f"{scene.who(job)} failed: its Pods ended in error more often than backoffLimit ({tries}) allows."
    if reason == "DeadlineExceeded":
        seconds = number(at(job, "spec", "activeDeadlineSeconds"))
        return f"{scene.who(job)} failed: it was not done within activeDeadlineSeconds ({seconds} s)."
    return f"{scene.who(job)} failed: {shown(failed.get('message'), 160).rstrip('.')}."


@broken("cronjob-not-yet", "CronJob")
def cronjob_not_yet(scene: Scene, job: Object) -> str | None:
    """Its schedule has not come round since it was made."""
    if at(job, "status", "lastScheduleTime") is not None or not text(at(job, "spec", "schedule")):
        return None
    schedule = shown(at(job, "spec", "schedule"), 40)
    return f'{scene.who(job)} has started no Job yet: its schedule "{schedule}" has not come round.'
