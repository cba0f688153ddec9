"""A controller cannot make its Pods: quota, limits, policy, a missing ServiceAccount or PriorityClass."""

from __future__ import annotations

import re

from grader.explain.mistakes import Scene, broken
from grader.explain.objects import MESSAGE_LIMIT, at, condition, kind, namespace, number, shown, text
from grader.model import Object

_MAKERS = ("ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job")
# "Error creating: pods "web-1" is forbidden: …": what stands before the reason.
_PREAMBLE = re.compile(
    r"^(?:\(combined from similar events\): )?(?:Error creating: |create Pod \S+ in \S+ \S+ failed error: )?"
    r'(?:pods? "[^"]{0,253}" is forbidden: )?'
)
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")
_MUST_SPECIFY = re.compile(r"failed quota: (\S+): must specify ([a-z0-9./,-]+)")
_LIMITS = re.compile(r"(?:maximum|minimum|max) .{0,160}(?:but|is) .{0,80}")
_SECURITY = re.compile(r'violates PodSecurity "([a-z]+):[^"]{1,40}": ([^,(]{1,160})')
_ACCOUNT = re.compile(r"(?:looking up|fetching) service account (\S+?)/(\S+?): ")
_PRIORITY = re.compile(r"no PriorityClass with name (\S+) was found")


def refusal(scene: Scene, maker: Object) -> str:
    """Why the controller's last attempt to make a Pod failed, in the API server's words; "" where none failed."""
    failure = condition(maker, "ReplicaFailure")
    if failure.get("status") == "True":
        return _PREAMBLE.sub("", text(failure.get("message"))[:2000])
    # A StatefulSet, DaemonSet or Job has no such condition. Events outlive the fault: they count only while Pods lack.
    if kind(maker) in ("ReplicaSet", "ReplicationController") or not lacks_pods(maker):
        return ""
    events = scene.relations.events(maker, "FailedCreate")
    return _PREAMBLE.sub("", text(events[-1].get("message"))[:2000]) if events else ""


def lacks_pods(maker: Object) -> bool:
    """Whether a controller has made fewer Pods than it should."""
    status = at(maker, "status")
    if kind(maker) == "DaemonSet":
        return number(at(status, "currentNumberScheduled")) < number(at(status, "desiredNumberScheduled"))
    if kind(maker) == "Job":
        return not any(number(at(status, part)) for part in ("active", "succeeded", "failed"))
    wanted = at(maker, "spec", "replicas")
    return number(at(status, "replicas")) < (1 if wanted is None else number(wanted))


@broken("quota-exceeded", *_MAKERS)
def quota_exceeded(scene: Scene, maker: Object) -> str | None:
    """A ResourceQuota is used up."""
    found = _QUOTA.search(refusal(scene, maker))
    if found is None:
        return None
    quota, asked, used, hard = (shown(part) for part in found.groups())
    return (
        f"{scene.who(maker)} cannot make Pods: ResourceQuota {quota} allows {hard}, {used} are used, and one more "
        f"needs {asked}."
    )


@broken("quota-needs-resources", *_MAKERS)
def quota_needs_resources(scene: Scene, maker: Object) -> str | None:
    """A ResourceQuota on CPU or memory demands that every container states it."""
    found = _MUST_SPECIFY.search(refusal(scene, maker))
    if found is None:
        return None
    needed = shown(found.group(2).rstrip(",")).replace(",", ", ")
    quota = shown(found.group(1))
    return f"{scene.who(maker)} cannot make Pods: ResourceQuota {quota} demands that each container states {needed}."


@broken("limit-range", *_MAKERS)
def limit_range(scene: Scene, maker: Object) -> str | None:
    """A LimitRange refuses the containers' resources."""
    found = _LIMITS.search(refusal(scene, maker))
    return (
        f"{scene.who(maker)} cannot make Pods: the namespace's LimitRange says {shown(found.group(), 200)}."
        if found
        else None
    )


@broken("pod-security", *_MAKERS)
def pod_security(scene: Scene, maker: Object) -> str | None:
    """The namespace enforces a Pod security level."""
    found = _SECURITY.search(refusal(scene, maker))
    if found is None:
        return None
    return (
        f"{scene.who(maker)} cannot make Pods: the namespace enforces the Pod security level {found.group(1)}, "
        f"and its Pods have {shown(found.group(2), 160)}."
    )


@broken("no-service-account", *_MAKERS)
def no_service_account(scene: Scene, maker: Object) -> str | None:
    """The Pods' ServiceAccount is missing."""
    found = _ACCOUNT.search(refusal(scene, maker))
    if found is None:
        return None
    account = scene.named("ServiceAccount", shown(found.group(1), 63), found.group(2))
    return f"{scene.who(maker)} cannot make Pods: there is no {account}."


@broken("no-priority-class", *_MAKERS)
def no_priority_class(scene: Scene, maker: Object) -> str | None:
    """The Pods' PriorityClass is missing."""
    found = _PRIORITY.search(refusal(scene, maker))
    return f"{scene.who(maker)} cannot make Pods: no PriorityClass is named {shown(found.group(1))}." if found else None


@broken("pods-refused", *_MAKERS)
def pods_refused(scene: Scene, maker: Object) -> str | None:
    """The API server refuses the Pods for another reason."""
    message = refusal(scene, maker)
    return f"{scene.who(maker)} cannot make Pods: {shown(message, MESSAGE_LIMIT).rstrip('.')}." if message else None


@broken("statefulset-no-service", "StatefulSet", written=True)
def statefulset_no_service(scene: Scene, made: Object) -> str | None:
    """spec.serviceName names no Service."""
    wanted, space = text(at(made, "spec", "serviceName")), namespace(made)
    if not wanted or not scene.relations.collected("Service", space) or scene.relations.named("Service", space, wanted):
        return None
    near = scene.instead("Service", space, wanted)
    return f"{scene.who(made)} has serviceName {shown(wanted)}, and there is no such Service{near}."
