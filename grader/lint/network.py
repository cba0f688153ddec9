"""What the API server refuses in Services and Ingresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grader.lint import names
from grader.lint.fields import items, mapping, port, twice
from grader.lint.structure import Keys, Problem

# The node ports that a cluster gives out unless it is told otherwise.
_SERVICE_PORTS = range(30000, 32768)


def service(value: dict[str, Any]) -> Iterator[Problem]:
    """A Service."""
    spec, ports = mapping(value, "spec"), items(mapping(value, "spec"), "ports")
    kind = spec.get("type", "ClusterIP")
    if kind == "ExternalName":
        if not spec.get("externalName"):
            yield Problem(("spec",), "a Service of type ExternalName needs an externalName")
    elif not ports and spec.get("clusterIP") != "None":
        yield Problem(("spec",), "spec.ports is missing, and it is required")
    for i, one in enumerate(ports):
        here: Keys = ("spec", "ports", i)
        yield from port(one.get("port"), (*here, "port"))
        yield from port(one.get("targetPort"), (*here, "targetPort"))
        if len(ports) > 1 and not one.get("name"):
            yield Problem(here, "a Service with several ports must name each of them")
        if isinstance(one.get("name"), str) and (fault := names.label_fault(one["name"])):
            yield Problem((*here, "name"), f"a port's name {fault}")
        yield from _node_port(one.get("nodePort"), kind, (*here, "nodePort"))
    for name in twice([one.get("name") for one in ports]):
        yield Problem(("spec", "ports"), f'two ports are called "{name}"')
    for number, protocol in twice([(one.get("port"), one.get("protocol", "TCP")) for one in ports]):
        yield Problem(("spec", "ports"), f"port {number}/{protocol} stands here twice")
    yield from names.labels(spec.get("selector"), ("spec", "selector"))


def _node_port(value: Any, kind: str, keys: Keys) -> Iterator[Problem]:
    if not value:
        return
    if kind not in ("NodePort", "LoadBalancer"):
        yield Problem(keys, f"nodePort is not for a Service of type {kind}")
    elif isinstance(value, int) and value not in _SERVICE_PORTS:
        yield Problem(keys, f"nodePort is {value}; a cluster gives out {_SERVICE_PORTS[0]} to {_SERVICE_PORTS[-1]}")


def ingress(value: dict[str, Any]) -> Iterator[Problem]:
    """An Ingress."""
    spec = mapping(value, "spec")
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield Problem(("spec",), "an Ingress needs rules or a defaultBackend")
    yield from _backend(spec.get("defaultBackend"), ("spec", "defaultBackend"))
    for i, rule in enumerate(items(spec, "rules")):
        for j, path in enumerate(items(mapping(rule, "http"), "paths")):
            here: Keys = ("spec", "rules", i, "http", "paths", j)
            text = path.get("path")
            if path.get("pathType") in ("Exact", "Prefix") and not str(text or "").startswith("/"):
                yield Problem((*here, "path"), 'a path of pathType Exact or Prefix must begin with "/"')
            yield from _backend(path.get("backend"), (*here, "backend"))


def _backend(value: Any, keys: Keys) -> Iterator[Problem]:
    service = mapping(value, "service")
    given = mapping(service, "port")
    if isinstance(value, dict) and bool(service) == bool(value.get("resource")):
        yield Problem(keys, "a backend names either a service or a resource")
    if service and (given.get("name") is None) == (given.get("number") is None):
        yield Problem(keys, "a backend's port has either a name or a number")
    yield from port(given.get("number"), (*keys, "service", "port", "number"))
