"""Making a lab ready in a cluster, and making it ready anew."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clusters.exec import CommandError
from clusters.kubectl import NoServer, kubectl
from clusters.model import PLATFORM_NAMESPACE
from grader import labfile
from grader.labfile import LoadedLab, Manifest
from grader.lint.structure import whole
from grader.lint.types import kubernetes
from grader.model import LabError
from proving import clearing, record

# How long Kubernetes may take for what it does by itself in a new namespace, and to serve a new kind; in seconds.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Started:
    """A lab that a student can begin with. `fresh` is False where it stood there already and nothing was touched."""

    lab: LoadedLab
    kubeconfig: Path  # the student's, its default namespace set to the lab's
    student: str
    fresh: bool


def start(lab: LoadedLab, admin: Path, student: Path, student_name: str, *, reset: bool = False) -> Started:
    """Make a lab ready: namespace, default ServiceAccount, setup, the record, the student's default namespace.

    `admin` and `student` are kubeconfig files. Idempotent: a lab that stands there for this student is left as it is,
    the student's work included; a namespace that is gone is made again. `reset` removes first what the lab owns.
    Raises ClusterError (no API server, a namespace that does not go) and LabError (the server rejects the setup).
    """
    place = record.look(lab, admin)
    if reset:
        _take_away(lab, admin, place)
        place = record.look(lab, admin)
    elif place.terminating:
        clearing.gone(admin, lab.spec.namespace)
        place = record.look(lab, admin)
    fresh = not record.as_recorded(lab, place, student_name)
    if fresh:
        _make(lab, admin, student_name, place)
    use_namespace(student, lab.spec.namespace)
    return Started(lab, student, student_name, fresh)


def restart(lab: LoadedLab, admin: Path, student: Path, student_name: str) -> Started:
    """As `start(reset=True)`, but the namespace is emptied instead of deleted, which saves the five seconds that
    Kubernetes waits before it looks at a deleted namespace."""
    place = record.look(lab, admin)
    if place.namespace is None or place.record is None or place.terminating:
        nothing = place.namespace is None and place.record is None
        return start(lab, admin, student, student_name, reset=not nothing)
    _clear(lab, admin, place)
    _make(lab, admin, student_name, place)
    use_namespace(student, lab.spec.namespace)
    return Started(lab, student, student_name, True)


def clear(lab: LoadedLab, admin: Path) -> None:
    """Take a lab out of the cluster, but for its empty namespace and its record, so that another can be tried there."""
    place = record.look(lab, admin)
    if place.namespace is not None and place.record is not None and not place.terminating:
        _clear(lab, admin, place)


def use_namespace(kubeconfig: Path, namespace: str) -> None:
    """Set the default namespace of a kubeconfig's current context."""
    if _namespace_of(kubeconfig) == namespace:
        return
    kubectl(kubeconfig, "config", "set-context", "--current", f"--namespace={namespace}")


def documents(manifests: Iterable[Manifest]) -> str:
    """Manifests as `kubectl apply --filename=-` reads them. Not as one List: of that, nothing is applied where one
    item is of a kind that is not served yet."""
    return "\n---\n".join(json.dumps(m.object, default=str) for m in manifests)


def _clear(lab: LoadedLab, admin: Path, place: record.Place) -> None:
    served = clearing.kinds(admin)
    clearing.empty(lab, admin, served)
    clearing.remove_outside(lab, admin, served, place.foreign)


def _take_away(lab: LoadedLab, admin: Path, place: record.Place) -> None:
    clearing.remove(lab, admin)
    if place.record is not None:  # Without a record nobody knows what was there before, so nothing else is touched.
        clearing.remove_outside(lab, admin, clearing.kinds(admin), place.foreign)
        record.remove(lab, admin)


def _make(lab: LoadedLab, admin: Path, student: str, place: record.Place) -> None:
    objects = labfile.setup(lab)  # A fault in the lab's files is told before the cluster is touched.
    foreign = place.foreign if place.record else clearing.foreign(lab, admin)
    uid = _make_namespaces(lab, admin, place)
    flags = ("--for=create", f"--timeout={PATIENCE:.0f}s")
    kubectl(admin, "--namespace", lab.spec.namespace, "wait", "serviceaccount/default", *flags, timeout=PATIENCE + 5)
    if objects:
        _apply_setup(lab, admin, objects)
    record.write(lab, admin, student, foreign, uid)


def _make_namespaces(lab: LoadedLab, admin: Path, place: record.Place) -> str:
    """Make the namespaces that are missing; the UID of the lab's own."""
    wanted: list[dict[str, Any]] = [] if place.platform else [{"name": PLATFORM_NAMESPACE}]
    labels = {record.LAB_LABEL: lab.slug}
    standing = (place.namespace or {}).get("metadata", {}).get("labels", {})
    if not labels.items() <= standing.items():
        wanted.append({"name": lab.spec.namespace, "labels": labels})
    made = record.apply_as_platform(admin, [{"apiVersion": "v1", "kind": "Namespace", "metadata": m} for m in wanted])
    namespaces = [*made, *([place.namespace] if place.namespace else [])]
    return next(str(n["metadata"]["uid"]) for n in namespaces if n["metadata"]["name"] == lab.spec.namespace)


def _namespace_of(kubeconfig: Path) -> str | None:
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        named = {c["name"]: c["context"] for c in config["contexts"]}
        found = named[config["current-context"]].get("namespace")
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return None  # kubectl says better what is wrong with it.
    return found if isinstance(found, str) else None


def _well_formed(objects: Iterable[Manifest]) -> bool:
    """Whether each has the shape of its kind in the pinned Kubernetes. What others lack the API server says best."""
    types = kubernetes()
    shapes = [(m.object, types.kind(m.object["apiVersion"], m.object["kind"])) for m in objects]
    return all(of is not None and not any(whole(types, value, of)) for value, of in shapes)


def _apply_setup(lab: LoadedLab, admin: Path, objects: Iterable[Manifest]) -> None:
    """Client-side apply, as a colleague of the student's would do it: `kubectl apply` can go on from there."""
    objects = list(objects)
    sent, defines = documents(objects), any(m.object.get("kind") == "CustomResourceDefinition" for m in objects)
    validate = record.UNASKED if _well_formed(objects) else "--validate=strict"
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            kubectl(admin, "--namespace", lab.spec.namespace, "apply", validate, "--filename=-", stdin=sent)
            return
        except NoServer:
            raise
        except CommandError as fault:
            # A custom resource beside its definition: the new kind is served a moment later.
            if defines and "no matches for kind" in fault.output and time.monotonic() < deadline:
                time.sleep(0.25)
                continue
            said = " / ".join(line for line in fault.output.strip().splitlines() if line)
            raise LabError(
                f"the API server does not take the setup of lab {lab.slug}: {said}; mend {lab.folder / 'setup'} "
                "(`seatrial lab lint` names the lines) and start the lab again"
            ) from fault
