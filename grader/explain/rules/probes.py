"""Probes that were not answered, or not as asked. What is said here is what the Pods and the cluster replied."""

from __future__ import annotations

from grader.checks.probing import UNANSWERED, told
from grader.explain.mistakes import Scene, unanswered
from grader.explain.objects import at, condition, listed, maps, number, shown
from grader.explain.selectors import plain
from grader.labfile.schema import ProbeSpec
from grader.model import Object, Reply

_OUTSIDE = frozenset({"external-name", "foreign-endpoint", "host-network", "own-name-server"})


@unanswered("probe-other-port", deeper=True)
def other_port(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """Nothing listens on the port, and the Pod's containers state others."""
    pod = _refusing(scene, reply)
    stated = _stated(pod)
    if pod is None or not stated or reply.port in stated:
        return None
    return f"Nothing listens on port {reply.port} of {scene.who(pod)}; its containers state {listed(stated)}."


@unanswered("probe-not-listening", deeper=True)
def not_listening(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """Nothing listens on the port at the Pod's address, as the container says it would."""
    pod = _refusing(scene, reply)
    if pod is None or condition(pod, "Ready").get("status") != "True":
        return None
    return (
        f"{scene.who(pod)} runs, and nothing listens on port {reply.port} of its address; a server that is bound to "
        "127.0.0.1 is reached from inside its Pod alone."
    )


@unanswered("probe-name-unknown", deeper=True)
def name_unknown(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """No Service is called so."""
    if spec.dns is None or reply.reason != "no-such-name":
        return None
    wanted, _, rest = spec.dns.name.partition(".")
    space = scene.home if not rest or rest.partition(".")[0] == scene.home else ""
    if not space or not scene.relations.collected("Service", space) or scene.relations.named("Service", space, wanted):
        return None
    near = scene.instead("Service", space, wanted)
    return f"There is no Service {shown(wanted, 63)} in Namespace {shown(space, 63)}{near}."


@unanswered("probe-name-without-address", deeper=True)
def name_without_address(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """The name is that of a headless Service behind which no Pod is ready."""
    if spec.dns is None or reply.reason not in ("no-address", "no-such-name"):
        return None
    service = scene.relations.named("Service", scene.home, spec.dns.name.partition(".")[0])
    if service is None or at(service, "spec", "clusterIP") != "None":
        return None
    selector = plain(at(service, "spec", "selector"))
    pods = scene.relations.selected(selector, scene.home) if selector else []
    ready = sum(condition(pod, "Ready").get("status") == "True" for pod in pods)
    if ready:
        return None
    return f"{scene.who(service)} is headless, so its name stands for its Pods, and of {len(pods)} none is ready."


@unanswered("probe-out-of-reach")
def out_of_reach(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """It leads to something that is no Pod of the lab's."""
    return _told(spec, reply) if reply.reason in _OUTSIDE else None


@unanswered("probe-no-such-port")
def no_such_port(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """The Service or Pod has no port of this number or name."""
    return _told(spec, reply) if reply.reason == "no-port" else None


@unanswered("probe-command-cut")
def command_cut(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """The command did not end, or printed without end."""
    return _told(spec, reply) if spec.exec is not None and reply.state != UNANSWERED and reply.code is None else None


@unanswered("probe-exit-code")
def exit_code(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """The command ended otherwise than asked."""
    return _told(spec, reply) if spec.exec is not None else None


@unanswered("probe-other-answer")
def other_answer(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """Somebody answered, and something else than asked."""
    return _told(spec, reply) if reply.state != UNANSWERED else None


@unanswered("probe-no-answer")
def no_answer(scene: Scene, spec: ProbeSpec, reply: Reply) -> str | None:
    """Nobody answered."""
    return _told(spec, reply)


def _told(spec: ProbeSpec, reply: Reply) -> str:
    return f"{told(spec, reply)}."


def _refusing(scene: Scene, reply: Reply) -> Object | None:
    """The Pod that refused the connection."""
    return scene.relations.named("Pod", scene.home, reply.pod) if reply.reason == "refused" else None


def _stated(pod: Object | None) -> list[int]:
    containers = maps(at(pod, "spec", "containers"))
    return sorted({number(p.get("containerPort")) for c in containers for p in maps(c.get("ports"))})
