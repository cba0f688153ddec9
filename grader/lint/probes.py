"""What in a check's probe could never be answered as asked, or would be whatever a student does.

What counts is the lab's end: setup with the solution over it; what the solution's script mentions by name counts as
made by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grader.labfile.faults import did_you_mean
from grader.labfile.manifests import Manifest
from grader.labfile.schema import CheckBase, DnsProbe, ExecProbe, HttpProbe, LogsProbe, Probe, TcpProbe
from grader.lint.fields import items, mapping
from grader.lint.references import mentions
from grader.lint.structure import Keys, Problem

_LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?", re.IGNORECASE)
_CONTROLLERS = ("Deployment", "ReplicaSet", "DaemonSet", "Job", "ReplicationController", "StatefulSet")


class End:
    """What there is at the end of a lab, by kind and name, in the lab's namespace."""

    def __init__(self, manifests: Sequence[Manifest], namespace: str, script: str) -> None:
        """`manifests` in the order in which they are applied; `script` is the text that runs after them."""
        here = [m.object for m in manifests if m.object["metadata"].get("namespace", namespace) == namespace]
        self.objects: Mapping[tuple[str, str], dict[str, Any]] = {(o["kind"], o["metadata"]["name"]): o for o in here}
        self.script = script

    def find(self, kind: str, name: str) -> tuple[dict[str, Any] | None, str | None]:
        """The object, None where only the script mentions it; and what is wrong where nothing makes it."""
        found = self.objects.get((kind, name))
        if found is not None or mentions(self.script, name):
            return found, None
        if kind == "Pod":
            base = name.rpartition("-")[0] if name.rpartition("-")[2].isdecimal() else ""
            if ("StatefulSet", base) in self.objects:
                return None, None
            maker = next((k for k in _CONTROLLERS if (k, name) in self.objects), None)
            if maker is not None:
                return (
                    None,
                    f'the Pods of {maker} "{name}" have names that the cluster chooses; ask a Service of theirs',
                )
        near = did_you_mean(name, [n for k, n in self.objects if k == kind])
        return None, f'nothing creates {kind} "{name}"{near}'


def check(keys: Keys, probe: Probe, end: End) -> Iterator[Problem]:
    """The faults of one probe; `keys` say where its check stands in lab.yaml."""
    spec = probe.probe
    for word, one in (("http", spec.http), ("tcp", spec.tcp)):
        if one is not None:
            yield from _target((*keys, "probe", word), one, end)
    if spec.http is not None:
        yield from _http((*keys, "probe", "http"), spec.http)
    if spec.dns is not None:
        yield from _dns((*keys, "probe", "dns"), spec.dns, end)
    if spec.exec is not None:
        yield from _exec((*keys, "probe", "exec"), spec.exec, end)
    if spec.logs is not None:
        yield from _inside((*keys, "probe", "logs"), spec.logs, end)
        yield from _text((*keys, "probe", "logs", "contains"), spec.logs.contains)


def holds_already(check: CheckBase) -> bool:
    """Whether a probe holds before any work: a name that must not be there."""
    return isinstance(check, Probe) and check.probe.dns is not None and not check.probe.dns.resolves


def _target(keys: Keys, asked: HttpProbe | TcpProbe, end: End) -> Iterator[Problem]:
    number = int(asked.port) if str(asked.port).isdecimal() else None
    if number is not None and not 1 <= number <= 65535:
        yield Problem((*keys, "port"), f"there is no port {number}; ports are 1 to 65535")
        return
    kind, name = ("Service", asked.service) if asked.service else ("Pod", asked.pod)
    found, fault = end.find(kind, name or "")
    if fault is not None:
        yield Problem((*keys, kind.lower()), fault)
    if found is None:
        return
    spec = mapping(found, "spec")
    if spec.get("type") == "ExternalName":
        yield Problem((*keys, "service"), f'Service "{name}" leads out of the cluster, where no probe goes')
    elif spec.get("hostNetwork"):
        yield Problem((*keys, "pod"), f'Pod "{name}" uses its node\'s network, where no probe goes')
    elif kind == "Service" or number is None:
        yield from _port((*keys, "port"), asked.port, kind, found)


def _port(keys: Keys, wanted: int | str, kind: str, found: dict[str, Any]) -> Iterator[Problem]:
    spec = mapping(found, "spec")
    ports = (
        items(spec, "ports") if kind == "Service" else [p for c in items(spec, "containers") for p in items(c, "ports")]
    )
    has = [str(p[field]) for p in ports for field in ("name", "port" if kind == "Service" else "") if field in p]
    if str(wanted) not in has:
        near = "" if str(wanted).isdecimal() else did_you_mean(str(wanted), has)
        there = f"; it has {', '.join(has)}" if has and not near else ""
        yield Problem(keys, f'{kind} "{found["metadata"]["name"]}" has no port "{wanted}"{near or there}')


def _http(keys: Keys, asked: HttpProbe) -> Iterator[Problem]:
    if not asked.path.startswith("/"):
        yield Problem((*keys, "path"), f'a path begins with "/", and "{asked.path}" does not')
    elif not asked.path.isprintable() or "#" in asked.path or " " in asked.path or "/../" in f"{asked.path}/":
        yield Problem((*keys, "path"), "a path has no blanks, no #, no .. and no control characters")
    if asked.status is not None and not 200 <= asked.status <= 599:
        yield Problem((*keys, "status"), f"{asked.status} is no status of an answer; they are 200 to 599")
    if asked.status is None and asked.contains is None:
        yield Problem(keys, "any answer will do, an error too: say which `status` it must have, or what it `contains`")
    yield from _text((*keys, "contains"), asked.contains)


def _dns(keys: Keys, asked: DnsProbe, end: End) -> Iterator[Problem]:
    labels = asked.name.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(asked.name) > 253:
        yield Problem((*keys, "name"), f'"{asked.name}" is no name that could be looked up')
    if asked.pod is not None:
        _, fault = end.find("Pod", asked.pod)
        if fault is not None:
            yield Problem((*keys, "pod"), fault)


def _exec(keys: Keys, asked: ExecProbe, end: End) -> Iterator[Problem]:
    yield from _inside(keys, asked, end)
    program = asked.command[0]
    if not program or re.search(r"\s", program):
        message = f'there is no program "{program}": write each word by itself, or [sh, -c, "{program}"] for a shell'
        yield Problem((*keys, "command", 0), message)
    if not 0 <= asked.exit_code <= 255:
        yield Problem((*keys, "exit_code"), f"{asked.exit_code} is no exit code; they are 0 to 255")
    yield from _text((*keys, "contains"), asked.contains)


def _inside(keys: Keys, asked: ExecProbe | LogsProbe, end: End) -> Iterator[Problem]:
    found, fault = end.find("Pod", asked.pod)
    if fault is not None:
        yield Problem((*keys, "pod"), fault)
    if found is None:
        return
    spec = mapping(found, "spec")
    names = [str(c.get("name")) for part in ("containers", "initContainers") for c in items(spec, part)]
    if asked.container is not None and asked.container not in names:
        near = did_you_mean(asked.container, names)
        yield Problem((*keys, "container"), f'Pod "{asked.pod}" has no container "{asked.container}"{near}')
    if asked.container is None and len(items(spec, "containers")) > 1:
        yield Problem(keys, f'Pod "{asked.pod}" has several containers: say which `container` is meant')


def _text(keys: Keys, wanted: str | None) -> Iterator[Problem]:
    if wanted == "":
        yield Problem(keys, "every text contains the empty one: leave `contains` out, or say what must be there")
