"""The record of a started lab: a ConfigMap in the platform's namespace, where the student cannot write.

Its write in the audit log marks where the lab began, so it is written once at the start and not touched while the lab
is the same. The grader reads the student and the parameters from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.kubectl import kubectl
from clusters.model import PLATFORM_NAMESPACE
from grader.labfile import LoadedLab

# What marks the namespaces and records that belong to a lab.
LAB_LABEL = "seatrial.dev/lab"
# For objects whose shape is known to be right. To have it looked at, kubectl asks for the schemas of everything, which
# an API server that has just been started takes seconds to put together.
UNASKED = "--validate=ignore"


@dataclass(frozen=True, slots=True)
class Place:
    """What stands in the cluster where a lab is to be: the namespaces and the record, None where there is none."""

    namespace: Mapping[str, Any] | None
    platform: Mapping[str, Any] | None
    record: Mapping[str, Any] | None

    @property
    def terminating(self) -> bool:
        """True while the lab's namespace is being deleted."""
        return bool(self.namespace and self.namespace["metadata"].get("deletionTimestamp"))

    @property
    def foreign(self) -> list[str]:
        """What stood outside of the namespace before the lab began, and so is not the lab's to remove."""
        listed: list[str] = json.loads(self.data.get("foreign", "[]"))
        return listed

    @property
    def data(self) -> Mapping[str, str]:
        """What the record says; empty where there is none."""
        found: Mapping[str, str] = (self.record or {}).get("data") or {}
        return found


def look(lab: LoadedLab, admin: Path) -> Place:
    """What stands where the lab is to be. Raises CommandError where no API server answers."""
    names = [f"namespace/{lab.spec.namespace}", f"namespace/{PLATFORM_NAMESPACE}", f"configmap/{_name(lab)}"]
    out = kubectl(admin, "--namespace", PLATFORM_NAMESPACE, "get", *names, "--ignore-not-found", "--output=json").stdout
    found = json.loads(out) if out.strip() else {"items": []}
    objects = {(o["kind"], o["metadata"]["name"]): o for o in found.get("items", [found])}
    return Place(
        objects.get(("Namespace", lab.spec.namespace)),
        objects.get(("Namespace", PLATFORM_NAMESPACE)),
        objects.get(("ConfigMap", _name(lab))),
    )


def as_recorded(lab: LoadedLab, place: Place, student: str) -> bool:
    """Whether the lab already stands there as it was started, for this student and with these parameters."""
    if place.namespace is None or place.record is None or place.terminating:
        return False
    uid = place.namespace["metadata"]["uid"]
    wanted = _data(lab, student, uid)
    return {k: v for k, v in place.data.items() if k != "foreign"} == wanted


def write(lab: LoadedLab, admin: Path, student: str, foreign: Sequence[str], uid: str) -> None:
    """Write the record: the lab has begun. `uid` is of its namespace."""
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _name(lab), "namespace": PLATFORM_NAMESPACE, "labels": {LAB_LABEL: lab.slug}},
        "data": {**_data(lab, student, uid), "foreign": json.dumps(sorted(foreign))},
    }
    apply_as_platform(admin, [record])


def remove(lab: LoadedLab, admin: Path) -> None:
    """Forget that the lab was started. Idempotent."""
    kubectl(admin, "--namespace", PLATFORM_NAMESPACE, "delete", "configmap", _name(lab), "--ignore-not-found")


def apply_as_platform(admin: Path, objects: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Server-side apply of the platform's own objects; the objects as they are then."""
    if not objects:
        return []
    sent = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    flags = ("--server-side", "--force-conflicts", "--field-manager=seatrial", UNASKED, "--output=json")
    answer = json.loads(kubectl(admin, "apply", *flags, "--filename=-", stdin=sent).stdout)
    applied: Sequence[Mapping[str, Any]] = answer["items"] if answer["kind"] == "List" else [answer]
    return applied


def _name(lab: LoadedLab) -> str:
    return f"lab-{lab.slug}"


def _data(lab: LoadedLab, student: str, uid: str) -> dict[str, str]:
    return {
        "lab": lab.slug,
        "student": student,
        "params": json.dumps(dict(lab.params), sort_keys=True),
        "namespace": lab.spec.namespace,
        "namespaceUID": uid,
    }
