"""What the API server refuses in a Pod's spec beyond its shape (k8s.io/kubernetes/pkg/apis/core/validation)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grader.checks.quantity import parse
from grader.lint import names
from grader.lint.fields import items, mapping, port, twice
from grader.lint.structure import Keys, Problem, dotted

# What a probe or a lifecycle hook can do.
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def template(value: Any, keys: Keys, restart: tuple[str, ...]) -> Iterator[Problem]:
    """A Pod template; `restart` lists the restart policies that its owner takes, the default first."""
    yield from names.metadata("Pod", mapping(value, "metadata"), (*keys, "metadata"))
    spec = mapping(value, "spec")
    yield from pod(spec, (*keys, "spec"))
    policy = spec.get("restartPolicy", "Always")
    if isinstance(policy, str) and spec and policy not in restart:
        message = f"{dotted((*keys, 'spec', 'restartPolicy'))} is {policy}, and must be {' or '.join(restart)} here"
        yield Problem((*keys, "spec", "restartPolicy"), message)


def pod(spec: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    """A Pod's spec."""
    if isinstance(spec.get("containers"), list) and not spec["containers"]:
        yield Problem((*keys, "containers"), f"{dotted((*keys, 'containers'))} needs at least one container")
    volumes = {v.get("name") for v in items(spec, "volumes")}
    everyone = []
    for field in ("initContainers", "containers"):
        for i, container in enumerate(items(spec, field)):
            everyone.append(container.get("name"))
            yield from _container(container, volumes, (*keys, field, i))
    for name in twice(everyone):
        yield Problem((*keys, "containers"), f'two containers are called "{name}"')
    yield from _volumes(spec, keys)
    yield from names.labels(spec.get("nodeSelector"), (*keys, "nodeSelector"))


def _volumes(spec: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    for name in twice([v.get("name") for v in items(spec, "volumes")]):
        yield Problem((*keys, "volumes"), f'two volumes are called "{name}"')
    for i, volume in enumerate(items(spec, "volumes")):
        here: Keys = (*keys, "volumes", i)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if len(sources) > 1:
            yield Problem(
                here, f'volume "{volume.get("name")}" has {len(sources)} sources, {" and ".join(sources)}; it takes one'
            )
        if isinstance(volume.get("name"), str) and (fault := names.label_fault(volume["name"])):
            yield Problem((*here, "name"), f"a volume's name {fault}")


def _container(container: dict[str, Any], volumes: set[Any], keys: Keys) -> Iterator[Problem]:
    name = container.get("name")
    if isinstance(name, str) and (fault := names.label_fault(name)):
        yield Problem((*keys, "name"), f"a container's name {fault}")
    if not container.get("image"):
        yield Problem(keys, f'container "{name}" has no image')
    yield from _ports(container, keys)
    yield from _mounts(container, volumes, keys)
    yield from _resources(container, keys)
    for i, variable in enumerate(items(container, "env")):
        if variable.get("value") and variable.get("valueFrom"):
            message = f'variable "{variable.get("name")}" has a value and a valueFrom; it takes one of them'
            yield Problem((*keys, "env", i), message)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        given = mapping(container, probe)
        handlers = [h for h in _HANDLERS if given.get(h) is not None]
        if isinstance(container.get(probe), dict) and len(handlers) != 1:
            said = " and ".join(handlers) or "none"
            yield Problem((*keys, probe), f"{probe} needs one of exec, httpGet, tcpSocket, grpc; here: {said}")
        for handler in ("httpGet", "tcpSocket"):
            yield from port(mapping(given, handler).get("port"), (*keys, probe, handler, "port"))


def _ports(container: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    found = items(container, "ports")
    for i, one in enumerate(found):
        here: Keys = (*keys, "ports", i)
        yield from port(one.get("containerPort"), (*here, "containerPort"))
        if one.get("hostPort"):
            yield from port(one["hostPort"], (*here, "hostPort"))
        if isinstance(one.get("name"), str) and (fault := names.port_name_fault(one["name"])):
            yield Problem((*here, "name"), f"a port's name {fault}")
    for name in twice([one.get("name") for one in found]):
        yield Problem((*keys, "ports"), f'two ports are called "{name}"')


def _mounts(container: dict[str, Any], volumes: set[Any], keys: Keys) -> Iterator[Problem]:
    mounts = items(container, "volumeMounts")
    for i, mount in enumerate(mounts):
        if mount.get("name") and mount["name"] not in volumes:
            message = f'mounts volume "{mount["name"]}", which the Pod does not have'
            yield Problem((*keys, "volumeMounts", i), f'container "{container.get("name")}" {message}')
    for path in twice([m.get("mountPath") for m in mounts]):
        yield Problem((*keys, "volumeMounts"), f"two volumes are mounted at {path}")


def _resources(container: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    requests, limits = mapping(container, "resources", "requests"), mapping(container, "resources", "limits")
    for field, given in (("requests", requests), ("limits", limits)):
        for name, value in given.items():
            number = parse(value)
            if number is not None and number < 0:
                yield Problem((*keys, "resources", field, name), f"{field} of {name} is {value}, less than nothing")
    for name in requests.keys() & limits.keys():
        asked, most = parse(requests[name]), parse(limits[name])
        if asked is not None and most is not None and asked > most:
            message = f"requests {requests[name]} of {name}, more than its limit of {limits[name]}"
            yield Problem((*keys, "resources", "requests", name), f'container "{container.get("name")}" {message}')
