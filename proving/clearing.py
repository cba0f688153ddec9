"""Taking a lab out of a cluster: its namespace, and what it owns outside of it.

`remove` deletes the namespace, as a student's reset does. `empty` leaves the namespace and deletes everything in it:
the namespace controller waits five seconds by design before it looks at a deleted namespace, which a proof that begins
anew a dozen times cannot afford.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.errors import PermanentError
from clusters.exec import CommandError
from clusters.kubectl import kubectl
from clusters.model import PLATFORM_NAMESPACE
from grader import labfile
from grader.labfile import LabFaults, LoadedLab
from grader.lint.types import kubernetes

# How long a namespace may take to go, in seconds. Kubernetes itself takes five and a little.
PATIENCE = 60.0
# What a namespace has without anybody's doing.
_INBORN = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}


@dataclass(frozen=True, slots=True)
class Kinds:
    """Kind -> resource.group of what a cluster serves now and what can be listed and deleted."""

    narrow: Mapping[str, str]  # in namespaces
    wide: Mapping[str, str]  # cluster-scoped


def kinds(admin: Path) -> Kinds:
    """Ask the API server for its kinds."""
    answer = _patient(lambda: kubectl(admin, "api-resources", "--verbs=list,delete", "--output=json").stdout)
    # Events come back as long as something happens; they go with their namespace.
    served = [r for r in json.loads(answer)["resources"] if r["kind"] != "Event"]
    names = {True: {}, False: {}}  # type: dict[bool, dict[str, str]]
    for one in served:
        names[one["namespaced"]][one["kind"]] = ".".join(filter(None, (one["name"], one.get("group"))))
    return Kinds(names[True], names[False])


def outside(lab: LoadedLab, served: Kinds) -> list[str]:
    """What the lab's manifests have outside of its namespace, as "resource/name" or "namespace resource/name"."""
    wide, narrow = served.wide, served.narrow
    found: dict[str, None] = {}
    for one in _manifests(lab):
        metadata, kind = one["metadata"], one["kind"]
        elsewhere = metadata.get("namespace", lab.spec.namespace) != lab.spec.namespace
        if kind in wide and (kind, metadata["name"]) != ("Namespace", lab.spec.namespace):
            found[f"{wide[kind]}/{metadata['name']}"] = None
        elif kind in narrow and elsewhere:
            found[f"{metadata['namespace']} {narrow[kind]}/{metadata['name']}"] = None
    return list(found)


def foreign(lab: LoadedLab, admin: Path) -> list[str]:
    """What the lab's manifests have outside of its namespace and what is there before it begins."""
    types, home = kubernetes(), lab.spec.namespace
    inside = all(
        types.kind(one["apiVersion"], one["kind"]) is not None
        and types.namespaced(one["apiVersion"], one["kind"])
        and one["metadata"].get("namespace", home) == home
        for one in _manifests(lab)
    )
    return [] if inside else present(admin, outside(lab, kinds(admin)))


def present(admin: Path, refs: Iterable[str]) -> list[str]:
    """Those of `outside` that are there."""
    found = []
    for namespace, names in _by_namespace(refs).items():
        flags = ["--namespace", namespace] if namespace else []
        for name in names:  # One at a time: of several, kubectl says only their kinds, and a lab has few.
            if kubectl(admin, *flags, "get", name, "--ignore-not-found", "--output=name").stdout.strip():
                found.append(f"{namespace} {name}".strip())
    return found


def remove_outside(lab: LoadedLab, admin: Path, served: Kinds, foreign: Collection[str]) -> None:
    """Delete what the lab owns outside of its namespace: what its manifests name and what was not there before it
    began, and PersistentVolumes that were claimed from its namespace."""
    owned = [ref for ref in outside(lab, served) if ref not in foreign]
    owned += [ref for ref in _claimed_volumes(lab, admin) if ref not in foreign and ref not in owned]
    for namespace, names in _by_namespace(owned).items():
        flags = ["--namespace", namespace] if namespace else []
        try:
            kubectl(
                admin,
                *flags,
                "delete",
                *names,
                "--ignore-not-found",
                f"--timeout={PATIENCE:.0f}s",
                timeout=PATIENCE + 5,
            )
        except CommandError as fault:
            left = present(admin, [f"{namespace} {n}".strip() for n in names])
            raise PermanentError(
                f"{', '.join(left) or 'what the lab owns'} cannot be deleted within {PATIENCE:.0f} s: {_said(fault)}; "
                "look at its metadata.finalizers"
            ) from fault


def remove(lab: LoadedLab, admin: Path) -> None:
    """Delete the lab's namespace and wait until it is gone. Idempotent.

    Raises PermanentError with the finalizer and the object that hold it where it sticks.
    """
    name = lab.spec.namespace
    if name in (PLATFORM_NAMESPACE, "default") or name.startswith("kube-"):
        raise PermanentError(f"lab {lab.slug} lives in namespace {name}, which is not a lab's to delete")
    kubectl(admin, "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    # Pods with thirty seconds of grace would hold the namespace for sixteen more.
    kubectl(admin, "--namespace", name, "delete", "pods", "--all", "--grace-period=1", "--wait=false")
    gone(admin, name)


def gone(admin: Path, name: str) -> None:
    """Wait until a namespace that is being deleted is no more. Raises PermanentError, see `remove`."""
    try:
        flags = ("--for=delete", f"--timeout={PATIENCE:.0f}s")
        kubectl(admin, "wait", f"namespace/{name}", *flags, timeout=PATIENCE + 10)
    except CommandError as fault:
        out = kubectl(admin, "get", "namespace", name, "--ignore-not-found", "--output=json").stdout
        if out.strip():
            raise PermanentError(_stuck(admin, name, json.loads(out))) from fault


def empty(lab: LoadedLab, admin: Path, served: Kinds) -> None:
    """Delete everything in the lab's namespace and leave it standing. Raises PermanentError where something stays."""
    name = lab.spec.namespace
    deadline = time.monotonic() + PATIENCE
    while left := _contents(admin, name, served):
        standing = [o for o in left if "deletionTimestamp" not in o["metadata"]]
        if standing:
            # What nobody owns goes first, or a controller makes anew what it has just lost.
            standing.sort(key=lambda o: bool(o["metadata"].get("ownerReferences")))
            refs = [f"{served.narrow[o['kind']]}/{o['metadata']['name']}" for o in standing]
            flags = ("--ignore-not-found", "--wait=false", "--grace-period=1")
            kubectl(admin, "--namespace", name, "delete", *refs, *flags)
        else:
            time.sleep(0.1)  # Between two looks at what is on its way out.
        if time.monotonic() > deadline:
            raise PermanentError(_held(name, left, f"cannot be emptied within {PATIENCE:.0f} s"))
    # Last, because things happen while the rest goes.
    kubectl(admin, "--namespace", name, "delete", "events", "--all", "--wait=false")


def _contents(admin: Path, namespace: str, served: Kinds) -> list[Mapping[str, Any]]:
    wanted = ",".join(served.narrow.values())
    out = kubectl(admin, "--namespace", namespace, "get", wanted, "--ignore-not-found", "--output=json").stdout
    items: list[Mapping[str, Any]] = json.loads(out).get("items", []) if out.strip() else []
    return [o for o in items if (o["kind"], o["metadata"]["name"]) not in _INBORN]


def _stuck(admin: Path, name: str, namespace: Mapping[str, Any]) -> str:
    everything = _contents(admin, name, kinds(admin))
    held = [o for o in everything if o["metadata"].get("finalizers")]
    own = namespace["metadata"].get("finalizers")
    if held or own:
        objects = held or [{**namespace, "kind": "Namespace"}]
        return _held(name, objects, f"is stuck in Terminating after {PATIENCE:.0f} s")
    told = [c["message"] for c in namespace.get("status", {}).get("conditions", []) if c.get("status") == "True"]
    reason = "; ".join(told) or "nothing works on it; see with `seatrial cluster list` whether all of the cluster runs"
    return f"namespace {name} is stuck in Terminating after {PATIENCE:.0f} s: {reason}"


def _held(name: str, objects: Sequence[Mapping[str, Any]], what: str) -> str:
    """The one sentence: which finalizer, on what object, and the command that takes it away."""
    one = next((o for o in objects if o["metadata"].get("finalizers")), None)
    if one is None:
        listed = ", ".join(f"{o['kind']}/{o['metadata']['name']}" for o in objects[:3])
        return f"namespace {name} {what}: {listed} is still there without a finalizer; look at its controller's log"
    kind, metadata = one["kind"], one["metadata"]
    more = f" (and {len(objects) - 1} more objects)" if len(objects) > 1 else ""
    where = "" if kind == "Namespace" else f"--namespace {name} "
    finalizers = ", ".join(metadata["finalizers"])
    return (
        f"namespace {name} {what}: {kind} {metadata['name']} keeps the finalizer {finalizers}{more}; "
        f"remove it with `kubectl {where}patch {kind.lower()} {metadata['name']} --type=merge "
        '--patch=\'{"metadata": {"finalizers": null}}\'` and try again'
    )


def _manifests(lab: LoadedLab) -> Iterable[Mapping[str, Any]]:
    """Every object that the lab's own files make. A fault in one of them is `lab lint`'s to tell, not a reset's."""
    sources: list[Callable[[], Iterable[Any]]] = [
        lambda: labfile.setup(lab),
        lambda: labfile.solution(lab).manifests,
        lambda: [m for wrong in labfile.wrongs(lab) for m in wrong.manifests],
    ]
    for source in sources:
        try:
            yield from (manifest.object for manifest in source())
        except LabFaults:
            continue


def _claimed_volumes(lab: LoadedLab, admin: Path) -> list[str]:
    out = kubectl(admin, "get", "persistentvolumes", "--ignore-not-found", "--output=json").stdout
    volumes = json.loads(out).get("items", []) if out.strip() else []
    claims = ((v["metadata"]["name"], v["spec"].get("claimRef") or {}) for v in volumes)
    return [f"persistentvolumes/{name}" for name, claim in claims if claim.get("namespace") == lab.spec.namespace]


def _by_namespace(refs: Iterable[str]) -> dict[str, list[str]]:
    """ "" -> cluster-scoped names, and each namespace -> its names."""
    found: dict[str, list[str]] = {}
    for ref in refs:
        namespace, _, name = ref.rpartition(" ")
        found.setdefault(namespace, []).append(name)
    return found


def _said(fault: CommandError) -> str:
    return " / ".join(fault.output.strip().splitlines()[-2:]) or "no answer"


def _patient(ask: Callable[[], str]) -> str:
    """Ask again for a while: an aggregated API that is still starting makes discovery fail as a whole."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask()
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.25)
