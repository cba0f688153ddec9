"""A HorizontalPodAutoscaler that does not scale."""

from __future__ import annotations

from grader.checks.quantity import parse
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, condition, kind_word, listed, maps, namespace, number, shown, text
from grader.model import Object

_HPA = "HorizontalPodAutoscaler"


def target(scene: Scene, hpa: Object) -> Object | None:
    """What spec.scaleTargetRef names, where it was collected."""
    wanted = at(hpa, "spec", "scaleTargetRef")
    word = kind_word(text(at(wanted, "apiVersion")), text(at(wanted, "kind")))
    return scene.relations.named(word, namespace(hpa), text(at(wanted, "name")))


@broken("hpa-no-target", _HPA, written=True)
def no_target(scene: Scene, hpa: Object) -> str | None:
    """scaleTargetRef names nothing."""
    wanted = at(hpa, "spec", "scaleTargetRef")
    word = kind_word(text(at(wanted, "apiVersion")), text(at(wanted, "kind")))
    failed = condition(hpa, "AbleToScale").get("reason") == "FailedGetScale"
    looked = scene.relations.collected(word, namespace(hpa))
    if not text(at(wanted, "name")) or target(scene, hpa) is not None or not (failed or looked):
        return None
    near = scene.instead(word, namespace(hpa), text(at(wanted, "name")))
    return f"{scene.who(hpa)} scales {shown(word)} {shown(at(wanted, 'name'))}, which does not exist{near}."


@broken("hpa-no-requests", _HPA, written=True)
def no_requests(scene: Scene, hpa: Object) -> str | None:
    """A percentage is one of what the containers request, and one of them requests nothing."""
    scaled = target(scene, hpa)
    for metric in maps(at(hpa, "spec", "metrics")) if scaled is not None else ():
        resource = text(at(metric, "resource", "name"))
        if at(metric, "resource", "target", "type") != "Utilization":
            continue
        for container in maps(at(scaled, "spec", "template", "spec", "containers")):
            if not any(parse(at(container, "resources", part, resource)) for part in ("requests", "limits")):
                return (
                    f"{scene.who(hpa)} wants a percentage of the {shown(resource, 40)} request, and container "
                    f"{shown(container.get('name'), 63)} of {scene.who(scaled or {})} requests none."
                )
    return None


@broken("hpa-target-at-zero", _HPA)
def target_at_zero(scene: Scene, hpa: Object) -> str | None:
    """Scaled to 0 by hand, which switches autoscaling off."""
    if condition(hpa, "ScalingActive").get("reason") != "ScalingDisabled":
        return None
    return f"{scene.who(hpa)} is switched off: what it scales has 0 replicas."


@broken("hpa-shared-pods", _HPA)
def shared_pods(scene: Scene, hpa: Object) -> str | None:
    """Two autoscalers scale the same Pods."""
    mine = at(hpa, "spec", "scaleTargetRef")
    others = [
        o
        for o in scene.relations.objects(_HPA, namespace(hpa))
        if o is not hpa and mine and all(at(o, "spec", "scaleTargetRef", k) == at(mine, k) for k in ("kind", "name"))
    ]
    if not others and condition(hpa, "ScalingActive").get("reason") != "AmbiguousSelector":
        return None
    which = f", as {listed(scene.who(o) for o in others)} does" if others else " of another HorizontalPodAutoscaler"
    return f"{scene.who(hpa)} scales the same Pods{which}: neither acts while both are there."


@broken("hpa-no-metrics", _HPA)
def no_metrics(scene: Scene, hpa: Object) -> str | None:
    """No measurement has come yet, or none will."""
    active = condition(hpa, "ScalingActive")
    if active.get("status") != "False" or not text(active.get("reason")).startswith(("FailedGet", "InvalidMetric")):
        return None
    message = text(active.get("message"))[:2000]
    if "no metrics returned" in message or "did not receive metrics" in message:
        return f"{scene.who(hpa)} has no measurements of its Pods yet: they come a while after the Pods run."
    cause = message.rpartition("metrics API: ")[2] or message
    return f"{scene.who(hpa)} gets no measurements: {shown(cause, 160).rstrip('.')}."


@broken("hpa-at-maximum", _HPA)
def at_maximum(scene: Scene, hpa: Object) -> str | None:
    """It would make more, and maxReplicas holds it."""
    limited = condition(hpa, "ScalingLimited")
    if limited.get("status") != "True" or limited.get("reason") != "TooManyReplicas":
        return None
    return f"{scene.who(hpa)} wants more Pods than its maxReplicas, {number(at(hpa, 'spec', 'maxReplicas'))}, allows."


@broken("hpa-at-minimum", _HPA)
def at_minimum(scene: Scene, hpa: Object) -> str | None:
    """The load asks for fewer Pods than minReplicas."""
    limited = condition(hpa, "ScalingLimited")
    if limited.get("status") != "True" or limited.get("reason") != "TooFewReplicas":
        return None
    low = number(at(hpa, "spec", "minReplicas")) or 1
    return f"{scene.who(hpa)} sees so little load that it stays at its minReplicas, {low}."
