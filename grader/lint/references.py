"""References to objects that nothing creates.

What counts is the lab's end: setup with the solution over it. So a Service that setup breaks on purpose, and the
solution mends, is no fault. Where the solution is a script, what the script mentions by name counts as made by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from grader.labfile.faults import did_you_mean
from grader.labfile.manifests import Manifest
from grader.lint.fields import items, mapping
from grader.lint.structure import Keys

# What the platform, or Kubernetes itself, has in every cluster.
_PROVIDED = {
    "StorageClass": {"standard", "standard-wait", ""},
    "ServiceAccount": {"default"},
    "ConfigMap": {"kube-root-ca.crt"},
    "PriorityClass": {"system-cluster-critical", "system-node-critical"},
    "ClusterRole": {"view", "edit", "admin", "cluster-admin"},
}
_CLUSTER_SCOPED = ("StorageClass", "PriorityClass", "ClusterRole", "PersistentVolume", "RuntimeClass")
# Where the template of Pods is, by kind.
_PODS: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"), ("spec", "template")
    ),
}


class Reference(NamedTuple):
    """`keys` name an object of `kind`, or Pods by `labels`."""

    keys: Keys
    kind: str
    name: str = ""
    labels: dict[str, str] | None = None
    field: str = ""  # a key of a ConfigMap or Secret, or a port of a Service


def dangling(manifests: Sequence[Manifest], namespace: str, script: str) -> Iterator[tuple[Manifest, Keys, str]]:
    """Each reference that leads nowhere at the end of the lab: the manifest, where in it, and a sentence.

    `manifests` are in the order in which they are applied. `script` is the text that runs after them, "" for none.
    """
    last: dict[tuple[str, str, str], Manifest] = {_identity(m, namespace): m for m in manifests}
    for manifest in last.values():
        if mentions(script, mapping(manifest.object, "metadata").get("name", "")):
            continue
        home = _identity(manifest, namespace)[1]
        for reference in _references(manifest.object):
            message = _missing(reference, home, last, script)
            if message:
                yield manifest, reference.keys, message


def _identity(manifest: Manifest, namespace: str) -> tuple[str, str, str]:
    kind, meta = manifest.object["kind"], manifest.object["metadata"]
    home = "" if kind in _CLUSTER_SCOPED else str(meta.get("namespace") or namespace)
    return kind, home, meta["name"]


def mentions(script: str, word: str) -> bool:
    """Whether a script names a thing, as a word by itself."""
    return bool(word) and re.search(rf"(?<![-\w]){re.escape(word)}(?![-\w])", script) is not None


def _missing(reference: Reference, home: str, objects: dict[tuple[str, str, str], Manifest], script: str) -> str | None:
    if reference.labels is not None:
        return _selects_nothing(reference, home, objects, script)
    kind, name = reference.kind, reference.name
    if name in _PROVIDED.get(kind, ()) or name.startswith("system:") or mentions(script, name):
        return None
    if kind == "StorageClass" and any(
        k == "PersistentVolume" and mapping(m.object, "spec").get("storageClassName") == name
        for (k, _, _), m in objects.items()
    ):
        return None
    found = objects.get((kind, "" if kind in _CLUSTER_SCOPED else home, name))
    if found is None:
        near = did_you_mean(name, [n for k, h, n in objects if k == kind and h in (home, "")])
        return f'nothing creates {kind} "{name}"{near}'
    return _missing_field(reference, found.object)


def _missing_field(reference: Reference, target: dict[str, Any]) -> str | None:
    if not reference.field:
        return None
    if reference.kind == "Service":
        ports = items(mapping(target, "spec"), "ports")
        has = [str(p[field]) for p in ports for field in ("port", "name") if field in p]
        what = "port"
    else:
        has = [key for field in ("data", "stringData", "binaryData") for key in mapping(target, field)]
        what = "key"
    if reference.field in has:
        return None
    near = did_you_mean(reference.field, has)
    return f'{reference.kind} "{reference.name}" has no {what} "{reference.field}"{near}'


def _selects_nothing(
    reference: Reference, home: str, objects: dict[tuple[str, str, str], Manifest], script: str
) -> str | None:
    wanted = reference.labels or {}
    seen: list[str] = []
    for (kind, place, _), manifest in objects.items():
        if kind in _PODS and place == home:
            labels = mapping(manifest.object, *_PODS[kind], "metadata", "labels")
            if all(labels.get(key) == text for key, text in wanted.items()):
                return None
            seen.append(", ".join(f"{k}={v}" for k, v in labels.items()))
    if all(mentions(script, str(text)) for text in wanted.values()):
        return None
    asked = ", ".join(f"{k}={v}" for k, v in wanted.items())
    has = f"; the Pods of this lab have {' or '.join(sorted(set(seen)))}" if any(seen) else ""
    return f"no Pod of this lab has the labels {asked}{has}"


def _references(value: dict[str, Any]) -> Iterator[Reference]:
    kind, spec = value["kind"], mapping(value, "spec")
    if kind in _PODS:
        path = _PODS[kind]
        claims = {mapping(c, "metadata").get("name") for c in items(spec, "volumeClaimTemplates")}
        yield from _of_pod(mapping(value, *path, "spec"), (*path, "spec"), claims)
    if kind == "Service" and mapping(spec, "selector"):
        yield Reference(("spec", "selector"), "Pod", labels=mapping(spec, "selector"))
    if kind == "PodDisruptionBudget" and mapping(spec, "selector", "matchLabels"):
        yield Reference(("spec", "selector"), "Pod", labels=mapping(spec, "selector", "matchLabels"))
    if kind == "HorizontalPodAutoscaler" and spec.get("scaleTargetRef"):
        target = mapping(spec, "scaleTargetRef")
        yield Reference(("spec", "scaleTargetRef"), str(target.get("kind")), str(target.get("name")))
    if kind == "PersistentVolumeClaim":
        yield from _of_claim(spec, ("spec",))
    for i, claim in enumerate(items(spec, "volumeClaimTemplates")):
        yield from _of_claim(mapping(claim, "spec"), ("spec", "volumeClaimTemplates", i, "spec"))
    if kind == "StatefulSet" and spec.get("serviceName"):
        yield Reference(("spec", "serviceName"), "Service", str(spec["serviceName"]))
    if kind == "Ingress":
        yield from _of_ingress(spec)
    if kind in ("RoleBinding", "ClusterRoleBinding"):
        role = mapping(value, "roleRef")
        yield Reference(("roleRef",), str(role.get("kind")), str(role.get("name")))
        for i, subject in enumerate(items(value, "subjects")):
            same = subject.get("namespace") in (None, mapping(value, "metadata").get("namespace"))
            if subject.get("kind") == "ServiceAccount" and same:
                yield Reference(("subjects", i), "ServiceAccount", str(subject.get("name")))


def _of_claim(spec: dict[str, Any], keys: Keys) -> Iterator[Reference]:
    if spec.get("storageClassName"):
        yield Reference((*keys, "storageClassName"), "StorageClass", str(spec["storageClassName"]))
    if spec.get("volumeName"):
        yield Reference((*keys, "volumeName"), "PersistentVolume", str(spec["volumeName"]))


def _of_ingress(spec: dict[str, Any]) -> Iterator[Reference]:
    backends: list[tuple[Keys, dict[str, Any]]] = [(("spec", "defaultBackend"), mapping(spec, "defaultBackend"))]
    for i, rule in enumerate(items(spec, "rules")):
        for j, path in enumerate(items(mapping(rule, "http"), "paths")):
            backends.append((("spec", "rules", i, "http", "paths", j, "backend"), mapping(path, "backend")))
    for keys, backend in backends:
        service = mapping(backend, "service")
        if service.get("name"):
            port = mapping(service, "port")
            field = str(port.get("number") or port.get("name") or "")
            yield Reference((*keys, "service"), "Service", str(service["name"]), field=field)
    for i, tls in enumerate(items(spec, "tls")):
        if tls.get("secretName"):
            yield Reference(("spec", "tls", i, "secretName"), "Secret", str(tls["secretName"]))


def _of_pod(spec: dict[str, Any], keys: Keys, claims: set[Any]) -> Iterator[Reference]:
    for field, kind in (("serviceAccountName", "ServiceAccount"), ("priorityClassName", "PriorityClass")):
        if spec.get(field):
            yield Reference((*keys, field), kind, str(spec[field]))
    for i, secret in enumerate(items(spec, "imagePullSecrets")):
        yield Reference((*keys, "imagePullSecrets", i), "Secret", str(secret.get("name")))
    for i, volume in enumerate(items(spec, "volumes")):
        here: Keys = (*keys, "volumes", i)
        sources = [(here, volume)]
        for j, source in enumerate(items(mapping(volume, "projected"), "sources")):
            sources.append(((*here, "projected", "sources", j), source))
        for place, source in sources:
            yield from _of_source(source, place)
        claim = mapping(volume, "persistentVolumeClaim").get("claimName")
        if claim and volume.get("name") not in claims:
            yield Reference((*here, "persistentVolumeClaim", "claimName"), "PersistentVolumeClaim", str(claim))
    for field in ("containers", "initContainers"):
        for i, container in enumerate(items(spec, field)):
            yield from _of_container(container, (*keys, field, i))


def _of_source(source: dict[str, Any], keys: Keys) -> Iterator[Reference]:
    for field, kind, called in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        given = mapping(source, field)
        name = given.get(called) or given.get("name")
        if name and not given.get("optional"):
            yield Reference((*keys, field), kind, str(name))
            for j, item in enumerate(items(given, "items")):
                yield Reference((*keys, field, "items", j), kind, str(name), field=str(item.get("key")))


def _of_container(container: dict[str, Any], keys: Keys) -> Iterator[Reference]:
    for i, variable in enumerate(items(container, "env")):
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            given = mapping(variable, "valueFrom", field)
            if given.get("name") and not given.get("optional"):
                here: Keys = (*keys, "env", i, "valueFrom", field)
                yield Reference(here, kind, str(given["name"]), field=str(given.get("key") or ""))
    for i, source in enumerate(items(container, "envFrom")):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            given = mapping(source, field)
            if given.get("name") and not given.get("optional"):
                yield Reference((*keys, "envFrom", i, field), kind, str(given["name"]))
