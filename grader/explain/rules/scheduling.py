"""The scheduler finds no node for a Pod."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from grader.checks.quantity import parse
from grader.explain import objects
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, condition, label_list, listed, maps, name, namespace, pairs, shown, text
from grader.explain.selectors import nearest, nearest_labels
from grader.model import Object

_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]{1,253})" not found')
_LACKS = re.compile(r"Insufficient ([a-z0-9](?:[a-z0-9./-]{0,78}[a-z0-9])?)")


def complaint(pod: Object) -> str:
    """What the scheduler says about a Pod that it could not place; "" where it could, or has not tried."""
    scheduled = condition(pod, "PodScheduled")
    return text(scheduled.get("message"))[:2000] if scheduled.get("status") == "False" else ""


@broken("scheduling-gated", "Pod")
def gated(scene: Scene, pod: Object) -> str | None:
    """spec.schedulingGates hold it back."""
    gates = [text(g.get("name")) for g in maps(at(pod, "spec", "schedulingGates"))]
    return f"{scene.who(pod)} is not scheduled while it has the scheduling gate {listed(gates)}." if gates else None


@broken("no-such-scheduler", "Pod")
def no_scheduler(scene: Scene, pod: Object) -> str | None:
    """spec.schedulerName names a scheduler that does not run here."""
    wanted = text(at(pod, "spec", "schedulerName"))
    if wanted in ("", "default-scheduler") or at(pod, "spec", "nodeName") or condition(pod, "PodScheduled"):
        return None
    return f"{scene.who(pod)} waits for a scheduler named {shown(wanted)}, and none has taken it up."


@broken("no-such-node", "Pod")
def no_node(scene: Scene, pod: Object) -> str | None:
    """spec.nodeName, written by hand, names no node."""
    wanted = text(at(pod, "spec", "nodeName"))
    if not wanted or not scene.relations.objects("Node", "") or scene.relations.named("Node", "", wanted):
        return None
    near = scene.instead("Node", "", wanted)
    return f"{scene.who(pod)} is meant for Node {shown(wanted)}, which does not exist{near}."


@broken("claim-missing", "Pod")
def claim_missing(scene: Scene, pod: Object) -> str | None:
    """It mounts a claim that does not exist."""
    found = _NO_CLAIM.search(complaint(pod))
    if found is None:
        return None
    near = scene.instead("PersistentVolumeClaim", namespace(pod), found.group(1))
    return f"{scene.who(pod)} mounts PersistentVolumeClaim {shown(found.group(1))}, which does not exist{near}."


@broken("claim-unbound", "Pod")
def claim_unbound(scene: Scene, pod: Object) -> str | None:
    """It mounts a claim that has no volume. Why, the claim itself tells where it was collected."""
    if "unbound immediate PersistentVolumeClaims" not in complaint(pod):
        return None
    for claim in claims_of(pod):
        said = scene.relations.events_about(
            "PersistentVolumeClaim", namespace(pod), claim, "ProvisioningFailed", "FailedBinding"
        )
        if said:
            reason = shown(said[-1].get("message"), 160).rstrip(".")
            which = f"its PersistentVolumeClaim {shown(claim)}"
            return f"{scene.who(pod)} cannot be scheduled: {which} has no volume ({reason})."
    return f"{scene.who(pod)} cannot be scheduled: its PersistentVolumeClaim {listed(claims_of(pod))} has no volume."


def claims_of(pod: Object) -> list[str]:
    """The names of the PersistentVolumeClaims that a Pod mounts."""
    named = (text(at(v, "persistentVolumeClaim", "claimName")) for v in maps(at(pod, "spec", "volumes")))
    return [n for n in named if n]


@broken("node-selector", "Pod")
def node_selector(scene: Scene, pod: Object) -> str | None:
    """No node has the labels that spec.nodeSelector asks for."""
    wanted = pairs(at(pod, "spec", "nodeSelector"))
    nodes = scene.relations.objects("Node", "")
    if not wanted or "node affinity/selector" not in complaint(pod):
        return None
    if any(all(objects.labels(n).get(k) == v for k, v in wanted.items()) for n in nodes):
        return None
    there = sorted({f"{k}={objects.labels(n)[k]}" for n in nodes for k in wanted if k in objects.labels(n)})
    has = f"; the nodes have {listed(there)}" if there else _alike(wanted, nodes)
    asks = f"it asks for a node with {label_list(wanted)}"
    return f"{scene.who(pod)} cannot be scheduled: {asks}, and no node has that{has}."


def _alike(wanted: dict[str, str], nodes: Sequence[Object]) -> str:
    near = nearest_labels(wanted, nodes)
    alike = {k: v for k, v in near[1].items() if v in wanted.values() or nearest(k, wanted, 0.75)} if near else {}
    return f"; Node {shown(name(near[0]))} has {label_list(alike)}" if near and alike else ""


@broken("resources", "Pod")
def resources(scene: Scene, pod: Object) -> str | None:
    """It requests more than a node has, or has left."""
    lacking = _LACKS.search(complaint(pod))
    if lacking is None:
        return None
    word = lacking.group(1)
    asked = _requested(pod, word)
    sizes = [at(n, "status", "allocatable", word) for n in scene.relations.objects("Node", "")]
    known = [(size, spelt) for spelt in sizes if (size := parse(spelt)) is not None]
    if asked is None or not known:
        return f"{scene.who(pod)} cannot be scheduled: no node has enough {shown(word)} left for what it requests."
    largest, spelt = max(known, key=lambda pair: pair[0])
    has = f"the largest node has {shown(spelt)}" if asked[0] > largest else "no node has that much left"
    return f"{scene.who(pod)} cannot be scheduled: it requests {shown(word)} {asked[1]}, and {has}."


def _requested(pod: Object, word: str) -> tuple[Fraction, str] | None:
    """What the containers request together, and how to say it."""
    stated = [at(c, "resources", "requests", word) for c in maps(at(pod, "spec", "containers"))]
    sizes = [(size, spelt) for spelt in stated if (size := parse(spelt)) is not None]
    if not sizes:
        return None
    return sum((size for size, _ in sizes), Fraction(0)), " + ".join(shown(spelt, 20) for _, spelt in sizes[:4])


@broken("taint", "Pod")
def taint(scene: Scene, pod: Object) -> str | None:
    """The nodes have taints that it does not tolerate."""
    if "untolerated taint" not in complaint(pod):
        return None
    found = {
        f"{text(t.get('key'))}{'=' + text(t.get('value')) if t.get('value') else ''}:{text(t.get('effect'))}"
        for n in scene.relations.objects("Node", "")
        for t in maps(at(n, "spec", "taints"))
        if t.get("effect") in ("NoSchedule", "NoExecute") and t.get("key") != "node.kubernetes.io/unschedulable"
    }
    which = f" ({listed(sorted(found))})" if found else ""
    return f"{scene.who(pod)} cannot be scheduled: it does not tolerate the taints of the nodes that are left{which}."


@broken("cordoned", "Pod")
def cordoned(scene: Scene, pod: Object) -> str | None:
    """The nodes that would do are cordoned."""
    if "were unschedulable" not in complaint(pod):
        return None
    shut = [name(n) for n in scene.relations.objects("Node", "") if at(n, "spec", "unschedulable") is True]
    which = f" ({listed(shut)})" if shut else ""
    return (
        f"{scene.who(pod)} cannot be scheduled: the nodes that would do are cordoned{which}; "
        "kubectl uncordon opens one."
    )


@broken("unschedulable", "Pod")
def unschedulable(scene: Scene, pod: Object) -> str | None:
    """The scheduler's own words, where no rule knows them: affinity, spread, ports."""
    message = complaint(pod).partition(" no new claims")[0].partition(" preemption:")[0]
    return f"{scene.who(pod)} cannot be scheduled: {shown(message, 200).rstrip('.')}." if message else None
