"""A Pod has a node, and its containers do not run or are not ready."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grader.explain.mistakes import Scene, broken
from grader.explain.objects import MESSAGE_LIMIT, at, condition, maps, number, plural, shown, text
from grader.model import Object

_IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_CONFIG = re.compile(r'(configmap|secret) "([^"]{1,253})" not found', re.IGNORECASE)
_KEY = re.compile(r"couldn't find key (\S{1,253}) in (ConfigMap|Secret) (\S{1,320})")


def _containers(pod: Object) -> Iterator[Object]:
    """The statuses of its containers, in the order in which they run."""
    for part in ("initContainerStatuses", "containerStatuses"):
        yield from maps(at(pod, "status", part))


def _waiting(pod: Object) -> Iterator[tuple[Object, str, str]]:
    """Each waiting container, with the reason and the message."""
    for one in _containers(pod):
        waiting = at(one, "state", "waiting")
        if isinstance(waiting, dict):
            yield one, text(waiting.get("reason")), text(waiting.get("message"))[:2000]


def _ended(container: Object) -> Object:
    """How it ended, now or the last time."""
    for part in ("state", "lastState"):
        ended = at(container, part, "terminated")
        if isinstance(ended, dict):
            return ended
    return {}


@broken("image-pull", "Pod")
def image_pull(scene: Scene, pod: Object) -> str | None:
    """The image cannot be had."""
    for one, reason, _ in _waiting(pod):
        if reason in _IMAGE:
            declared = maps(at(pod, "spec", "containers")) + maps(at(pod, "spec", "initContainers"))
            image = next((text(c.get("image")) for c in declared if c.get("name") == one.get("name")), "")
            what = "is not a valid image name" if reason == "InvalidImageName" else "cannot be pulled"
            return f"{scene.who(pod)}: image {shown(image or one.get('image'), 160)} {what} ({reason})."
    return None


@broken("config-missing", "Pod")
def config_missing(scene: Scene, pod: Object) -> str | None:
    """A ConfigMap, a Secret or a key that a container or volume reads is not there."""
    said = [message for _, reason, message in _waiting(pod) if reason == "CreateContainerConfigError"]
    if any(reason in ("ContainerCreating", "PodInitializing") for _, reason, _ in _waiting(pod)):
        said += [text(e.get("message"))[:2000] for e in scene.relations.events(pod, "FailedMount")[-1:]]
    for message in said:
        if key := _KEY.search(message):
            return (
                f"{scene.who(pod)} cannot start: {key.group(2)} {shown(key.group(3))} has no key {shown(key.group(1))}."
            )
        if found := _CONFIG.search(message):
            kind = "Secret" if found.group(1).casefold() == "secret" else "ConfigMap"
            return f"{scene.who(pod)} cannot start: there is no {kind} {shown(found.group(2))}."
    return f"{scene.who(pod)} cannot start: {shown(said[0], MESSAGE_LIMIT).rstrip('.')}." if said else None


@broken("out-of-memory", "Pod")
def out_of_memory(scene: Scene, pod: Object) -> str | None:
    """It used more memory than its limit."""
    for one in _containers(pod):
        if _ended(one).get("reason") == "OOMKilled":
            declared = maps(at(pod, "spec", "containers")) + maps(at(pod, "spec", "initContainers"))
            limits = [at(c, "resources", "limits", "memory") for c in declared if c.get("name") == one.get("name")]
            limit = f", {shown(limits[0], 20)}" if limits and limits[0] else ""
            which = f"{scene.who(pod)}: container {shown(one.get('name'), 63)}"
            return f"{which} was killed for using more memory than its limit{limit}."
    return None


@broken("cannot-execute", "Pod")
def cannot_execute(scene: Scene, pod: Object) -> str | None:
    """Its command could not even be started."""
    for one in _containers(pod):
        ended, waits = _ended(one), text(at(one, "state", "waiting", "reason"))
        if waits in ("RunContainerError", "CreateContainerError") or ended.get("reason") in (
            "StartError",
            "ContainerCannotRun",
        ):
            message = shown(at(one, "state", "waiting", "message") or ended.get("message"), MESSAGE_LIMIT)
            return f"{scene.who(pod)}: container {shown(one.get('name'), 63)} cannot be started: {message.rstrip('.')}."
    return None


@broken("liveness-restarts", "Pod")
def liveness(scene: Scene, pod: Object) -> str | None:
    """The kubelet restarts it because its liveness or startup probe fails."""
    restarts = sum(number(c.get("restartCount")) for c in _containers(pod))
    events = [e for e in scene.relations.events(pod, "Unhealthy") if not text(e.get("message")).startswith("Readiness")]
    if not restarts or not events or _ready(pod):
        return None
    reason = shown(events[-1].get("message"), MESSAGE_LIMIT).rstrip(".")
    return f"{scene.who(pod)} was restarted {plural(restarts, 'time')}: {reason}."


@broken("crash-loop", "Pod")
def crash_loop(scene: Scene, pod: Object) -> str | None:
    """It ends again and again."""
    for one, reason, _ in _waiting(pod):
        if reason == "CrashLoopBackOff":
            code = at(one, "lastState", "terminated", "exitCode")
            how = f" with exit code {code}" if isinstance(code, int) else ""
            again = plural(number(one.get("restartCount")), "restart")
            return (
                f"{scene.who(pod)}: container {shown(one.get('name'), 63)} ends{how} soon after it starts ({again}); "
                "kubectl logs --previous shows its last words."
            )
    return None


@broken("init-not-done", "Pod")
def init_not_done(scene: Scene, pod: Object) -> str | None:
    """An init container has not ended, so the others wait."""
    if condition(pod, "Initialized").get("status") != "False":
        return None
    for one in maps(at(pod, "status", "initContainerStatuses")):
        code = _ended(one).get("exitCode")
        if code != 0:
            state = f"failed with exit code {code}" if isinstance(code, int) else "has not ended yet"
            return (
                f"{scene.who(pod)}: init container {shown(one.get('name'), 63)} {state}, and the others start after it."
            )
    return None


@broken("not-ready", "Pod")
def not_ready(scene: Scene, pod: Object) -> str | None:
    """It runs, and its readiness probe or a readiness gate says no."""
    if at(pod, "status", "phase") != "Running" or condition(pod, "Ready").get("status") != "False":
        return None
    events = [e for e in scene.relations.events(pod, "Unhealthy") if text(e.get("message")).startswith("Readiness")]
    if events:
        return f"{scene.who(pod)} runs and is not ready: {shown(events[-1].get('message'), MESSAGE_LIMIT).rstrip('.')}."
    for gate in maps(at(pod, "spec", "readinessGates")):
        wanted = text(gate.get("conditionType"))
        if condition(pod, wanted).get("status") != "True":
            return f"{scene.who(pod)} runs and is not ready: nothing has set its readiness gate {shown(wanted)}."
    probed = any("readinessProbe" in c for c in maps(at(pod, "spec", "containers")))
    return f"{scene.who(pod)} runs and is not ready{': its readiness probe does not succeed' if probed else ''}."


@broken("pod-ended", "Pod")
def pod_ended(scene: Scene, pod: Object) -> str | None:
    """It has run to its end, or was evicted."""
    phase, reason = at(pod, "status", "phase"), text(at(pod, "status", "reason"))
    if phase not in ("Succeeded", "Failed"):
        return None
    if reason:
        message = shown(at(pod, "status", "message"), 160).rstrip(".")
        return f"{scene.who(pod)} has ended ({shown(reason, 40)}{f': {message}' if message else ''})."
    how = "its containers finished, and a Pod with this restartPolicy stays finished"
    code = next((c for one in _containers(pod) if isinstance(c := _ended(one).get("exitCode"), int) and c), None)
    return (
        f"{scene.who(pod)} has ended ({phase}): {how if code is None else f'a container ended with exit code {code}'}."
    )


def _ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"
