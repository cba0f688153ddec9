"""Services, Ingresses, and what else finds Pods by their labels."""

from __future__ import annotations

from collections.abc import Iterator

from grader.explain import objects
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, condition, label_list, listed, maps, name, namespace, number, plural, shown, text
from grader.explain.selectors import nearest_labels, plain, spelled
from grader.model import Object


@broken("service-no-selector", "Service", written=True)
def no_selector(scene: Scene, service: Object) -> str | None:
    """Without a selector nothing keeps its endpoints."""
    if at(service, "spec", "selector") or at(service, "spec", "type") == "ExternalName" or not _spec(service):
        return None
    if scene.relations.children(service, "EndpointSlice"):
        return None
    return f"{scene.who(service)} has no selector, so it finds no Pods."


@broken("selects-no-pod", "Service", written=True)
def selects_no_pod(scene: Scene, service: Object) -> str | None:
    """Its selector names labels that no Pod has."""
    selector = plain(at(service, "spec", "selector"))
    if not selector or not scene.relations.collected("Pod", namespace(service)):
        return None
    return _no_pod(scene, service, selector, "it asks for ")


@broken("policy-selects-no-pod", "NetworkPolicy", "PodDisruptionBudget", written=True)
def policy_selects_no_pod(scene: Scene, policy: Object) -> str | None:
    """A NetworkPolicy or PodDisruptionBudget for Pods that are not there."""
    part = "podSelector" if objects.kind(policy) == "NetworkPolicy" else "selector"
    selector = at(policy, "spec", part)
    if not isinstance(selector, dict) or not selector or not scene.relations.collected("Pod", namespace(policy)):
        return None
    return _no_pod(scene, policy, selector, f"its {part} asks for ")


def _no_pod(scene: Scene, obj: Object, selector: Object, asks: str) -> str | None:
    pods = scene.relations.live_pods(namespace(obj))
    if scene.relations.selected(selector, namespace(obj)):
        return None
    start = f"{scene.who(obj)} selects no Pod: {asks}{spelled(selector)}"
    if not pods:
        return f"{start}, and there are no Pods here."
    found = nearest_labels(plain(selector), pods)
    if found is None:
        return f"{start}, your Pods have no labels."
    alike = found[1]
    same = [p for p in pods if alike.items() <= objects.labels(p).items()]
    whose = "your Pods have" if len(same) == len(pods) else f"{scene.who(found[0])} has"
    return f"{start}, {whose} {label_list(alike)}."


@broken("named-port-unknown", "Service", written=True)
def named_port_unknown(scene: Scene, service: Object) -> str | None:
    """targetPort is a name that no container port has."""
    pods = _pods(scene, service)
    for port in maps(at(service, "spec", "ports")) if pods else ():
        target = port.get("targetPort")
        there = list(_ports(pods[0]))
        if isinstance(target, str) and not any(p.get("name") == target for pod in pods[:50] for p in _ports(pod)):
            names = [f"{text(p.get('name')) or 'without a name'} ({number(p.get('containerPort'))})" for p in there]
            have = f"its ports are {listed(names)}" if names else "it states no ports"
            return (
                f"{scene.who(service)} sends to the container port named {shown(target, 63)}, which no Pod of it has: "
                f"{scene.who(pods[0])}, {have}."
            )
    return None


@broken("target-port", "Service", written=True)
def target_port(scene: Scene, service: Object) -> str | None:
    """targetPort is a number that no container states."""
    pods = _pods(scene, service)
    stated = {number(p.get("containerPort")) for pod in pods[:50] for p in _ports(pod)}
    for port in maps(at(service, "spec", "ports")) if stated else ():
        target = port.get("targetPort", port.get("port"))
        if isinstance(target, int) and target not in stated:
            return (
                f"{scene.who(service)} sends port {number(port.get('port'))} to port {target} of its Pods, "
                f"whose containers state {listed(sorted(stated))}."
            )
    return None


@broken("endpoints-not-ready", "Service")
def endpoints_not_ready(scene: Scene, service: Object) -> str | None:
    """It selects Pods, and they are not ready, so they are no endpoints."""
    pods = _pods(scene, service)
    ready = [p for p in pods if condition(p, "Ready").get("status") == "True"]
    if not pods or len(ready) == len(pods) or at(service, "spec", "publishNotReadyAddresses") is True:
        return None
    selected, few = plural(len(pods), "Pod"), f"{len(ready)} of {len(pods)}"
    return f"{scene.who(service)} selects {selected}, and only what is ready becomes an endpoint: {few}."


@broken("no-load-balancer", "Service")
def no_load_balancer(scene: Scene, service: Object) -> str | None:
    """Nothing here hands out load balancers."""
    if at(service, "spec", "type") != "LoadBalancer" or at(service, "status", "loadBalancer", "ingress"):
        return None
    if "load-balancer" in scene.relations.evidence.capabilities:
        return None
    return f"{scene.who(service)} waits for a load balancer, and this cluster has nothing that makes one."


@broken("ingress-no-service", "Ingress", written=True)
def ingress_no_service(scene: Scene, ingress: Object) -> str | None:
    """A backend names no Service, or a port that the Service does not have."""
    space = namespace(ingress)
    if not scene.relations.collected("Service", space):
        return None
    for backend in backends(ingress):
        wanted, service = text(backend.get("name")), scene.relations.named("Service", space, text(backend.get("name")))
        if service is None:
            near = scene.instead("Service", space, wanted)
            return f"{scene.who(ingress)} sends to Service {shown(wanted)}, which does not exist{near}."
    return None


@broken("ingress-port", "Ingress", written=True)
def ingress_port(scene: Scene, ingress: Object) -> str | None:
    """A backend names a port that its Service does not have."""
    for backend in backends(ingress):
        service = scene.relations.named("Service", namespace(ingress), text(backend.get("name")))
        ports = maps(at(service, "spec", "ports"))
        asked = at(backend, "port", "number") or at(backend, "port", "name")
        if service is None or asked is None or any(asked in (p.get("port"), p.get("name")) for p in ports):
            continue
        there = listed(p.get("port") for p in ports) or "none"
        return (
            f"{scene.who(ingress)} sends to port {shown(asked, 63)} of {scene.who(service)}, whose ports are {there}."
        )
    return None


@broken("ingress-class", "Ingress", written=True)
def ingress_class(scene: Scene, ingress: Object) -> str | None:
    """ingressClassName names no IngressClass."""
    wanted = text(at(ingress, "spec", "ingressClassName"))
    if (
        not wanted
        or not scene.relations.collected("IngressClass", "")
        or scene.relations.named("IngressClass", "", wanted)
    ):
        return None
    there = [name(c) for c in scene.relations.objects("IngressClass", "")]
    return f"{scene.who(ingress)} asks for IngressClass {shown(wanted)}; this cluster has {listed(there) or 'none'}."


def backends(ingress: Object) -> Iterator[Object]:
    """Each backend.service of an Ingress."""
    every = [at(ingress, "spec", "defaultBackend")]
    every += [at(p, "backend") for r in maps(at(ingress, "spec", "rules")) for p in maps(at(r, "http", "paths"))]
    for backend in every:
        service = at(backend, "service")
        if isinstance(service, dict):
            yield service


def _pods(scene: Scene, service: Object) -> list[Object]:
    selector = plain(at(service, "spec", "selector"))
    return scene.relations.selected(selector, namespace(service)) if selector else []


def _ports(pod: Object) -> Iterator[Object]:
    for container in maps(at(pod, "spec", "containers")) + maps(at(pod, "spec", "initContainers")):
        yield from maps(container.get("ports"))


def _spec(obj: Object) -> bool:
    return isinstance(at(obj, "spec"), dict)
