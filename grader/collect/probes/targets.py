"""A Service or Pod as the Pods that may be asked, and the port of each.

A Service is taken apart here rather than asked by its own address, because what stands behind it is the student's to
say: an ExternalName that leads to the node's own services, or an endpoint that is no Pod, is refused. So is a Pod in
its node's network, whose ports are the node's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from grader.checks.probing import UNANSWERED
from grader.collect.access import Access, ApiFault
from grader.collect.probes.limits import PODS
from grader.labfile.schema import HttpProbe, TcpProbe
from grader.model import Object, Reply

# Endpoints of one Service that are looked at.
_ENDPOINTS = 500


class Refused(Exception):
    """There is nobody who could be asked, or nobody who may be; `reply` says why."""

    def __init__(self, reason: str, said: str = "", pod: str = "", port: int = 0) -> None:
        """`reason` is a word of `grader.checks.probing.REASONS`."""
        super().__init__(reason)
        self.reply = Reply(UNANSWERED, reason, said, pod, port)


@dataclass(frozen=True, slots=True)
class Spot:
    """A port of a Pod that runs."""

    pod: str
    port: int


def core(namespace: str, plural: str, name: str) -> str:
    """The path of one object of the core group."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}/{quote(name, safe='')}"


def spots(access: Access, namespace: str, asked: HttpProbe | TcpProbe) -> Iterator[Spot]:
    """Every port of a Pod that is to be asked, at least one. Raises Refused, and ApiFault."""
    if asked.pod is not None:
        pod = running(access, namespace, asked.pod)
        yield Spot(asked.pod, _container_port(pod, asked.port))
        return
    name = asked.service or ""
    service = _found(access, core(namespace, "services", name), "no-service")
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        raise Refused("external-name", str(spec.get("externalName") or ""))
    behind = _behind(access, namespace, name, _service_port(spec, asked.port))
    if not behind:
        raise Refused("no-endpoints")
    for pod_name, (port, addresses) in sorted(behind.items())[:PODS]:
        pod = running(access, namespace, pod_name)
        own = {str(ip.get("ip")) for ip in (pod.get("status") or {}).get("podIPs") or ()}
        if not addresses <= own:
            raise Refused("foreign-endpoint", ", ".join(sorted(addresses - own)))
        yield Spot(pod_name, port)


def running(access: Access, namespace: str, name: str) -> Object:
    """A Pod whose containers run, in a network of its own. Raises Refused, and ApiFault."""
    pod = found_pod(access, namespace, name)
    if (pod.get("spec") or {}).get("hostNetwork"):
        raise Refused("host-network", pod=name)
    status = pod.get("status") or {}
    if status.get("phase") != "Running" or not status.get("podIP"):
        raise Refused("not-running", state(pod), name)
    return pod


def found_pod(access: Access, namespace: str, name: str) -> Object:
    """A Pod by its name. Raises Refused, and ApiFault."""
    return _found(access, core(namespace, "pods", name), "no-pod")


def state(pod: Object) -> str:
    """What a Pod is doing, in the cluster's own words: "Pending", "ImagePullBackOff"."""
    status = pod.get("status") or {}
    for one in status.get("containerStatuses") or ():
        waits = ((one.get("state") or {}).get("waiting") or {}).get("reason")
        if waits:
            return str(waits)
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _found(access: Access, path: str, missing: str) -> Object:
    try:
        return access.get(path)
    except ApiFault as fault:
        if fault.status == 404:
            raise Refused(missing) from None
        raise


def _service_port(spec: Mapping[str, Any], wanted: int | str) -> str:
    """The name of a Service's port, "" for one without. By this the EndpointSlices know it."""
    ports = [port for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"]
    for port in ports:
        if wanted in (port.get("port"), port.get("name")) or str(wanted) == str(port.get("port")):
            return str(port.get("name") or "")
    raise Refused("no-port", _ports(ports, "port"))


def _container_port(pod: Object, wanted: int | str) -> int:
    if isinstance(wanted, int) or wanted.isdecimal():
        return int(wanted)
    stated = [port for one in pod["spec"].get("containers") or () for port in one.get("ports") or ()]
    for port in stated:
        if port.get("name") == wanted and port.get("protocol", "TCP") == "TCP":
            return int(port["containerPort"])
    raise Refused("no-port", _ports(stated, "containerPort"))


def _ports(ports: list[Any], field: str) -> str:
    told = [f"{p.get(field)} ({p['name']})" if p.get("name") else str(p.get(field)) for p in ports[:6]]
    return f"it has {', '.join(told)}" if told else "it has none"


def _behind(access: Access, namespace: str, service: str, port_name: str) -> dict[str, tuple[int, set[str]]]:
    """The ready Pods behind a Service: name -> port, and the addresses under which they are known."""
    found: dict[str, tuple[int, set[str]]] = {}
    path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace, safe='')}/endpointslices"
    selector = f"kubernetes.io/service-name={service}"
    slices = access.get(path, labelSelector=selector, limit=_ENDPOINTS).get("items") or ()
    for one in slices:
        ports = [p for p in one.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")]
        for endpoint in (one.get("endpoints") or ()) if ports else ():
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            addresses, target = set(map(str, endpoint.get("addresses") or ())), endpoint.get("targetRef") or {}
            if target.get("kind") != "Pod" or target.get("namespace", namespace) != namespace:
                raise Refused("foreign-endpoint", ", ".join(sorted(addresses)))
            port, known = found.get(str(target.get("name")), (int(ports[0]["port"]), set()))
            found[str(target.get("name"))] = (port, known | addresses)
    return found
