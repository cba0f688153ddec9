"""API versions, labels and annotations that are gone or on their way out, and what to write now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grader.labfile.faults import did_you_mean
from grader.lint.fields import mapping
from grader.lint.structure import Keys, Problem
from grader.lint.types import Types

# apiVersion -> kinds ("" is all of them) -> (the release that took it away, what to write now).
# From kubernetes.io/docs/reference/using-api/deprecation-guide.
_REMOVED: dict[str, dict[str, tuple[str, str]]] = {
    "extensions/v1beta1": {
        "Ingress": ("1.22", "networking.k8s.io/v1"),
        "NetworkPolicy": ("1.16", "networking.k8s.io/v1"),
        "PodSecurityPolicy": ("1.16", "Pod Security Admission: labels on the Namespace"),
        "": ("1.16", "apps/v1"),
    },
    "apps/v1beta1": {"": ("1.16", "apps/v1")},
    "apps/v1beta2": {"": ("1.16", "apps/v1")},
    "autoscaling/v2beta1": {"": ("1.25", "autoscaling/v2")},
    "autoscaling/v2beta2": {"": ("1.26", "autoscaling/v2")},
    "batch/v1beta1": {"": ("1.25", "batch/v1")},
    "batch/v2alpha1": {"": ("1.21", "batch/v1")},
    "discovery.k8s.io/v1beta1": {"": ("1.25", "discovery.k8s.io/v1")},
    "events.k8s.io/v1beta1": {"": ("1.25", "events.k8s.io/v1")},
    "networking.k8s.io/v1beta1": {"": ("1.22", "networking.k8s.io/v1")},
    "node.k8s.io/v1beta1": {"": ("1.25", "node.k8s.io/v1")},
    "policy/v1beta1": {
        "PodSecurityPolicy": ("1.25", "Pod Security Admission: labels on the Namespace"),
        "": ("1.25", "policy/v1"),
    },
    "rbac.authorization.k8s.io/v1beta1": {"": ("1.22", "rbac.authorization.k8s.io/v1")},
    "rbac.authorization.k8s.io/v1alpha1": {"": ("1.22", "rbac.authorization.k8s.io/v1")},
    "scheduling.k8s.io/v1beta1": {"": ("1.22", "scheduling.k8s.io/v1")},
    "storage.k8s.io/v1beta1": {"": ("1.27", "storage.k8s.io/v1")},
    "admissionregistration.k8s.io/v1beta1": {"": ("1.22", "admissionregistration.k8s.io/v1")},
    "apiextensions.k8s.io/v1beta1": {"": ("1.22", "apiextensions.k8s.io/v1")},
    "apiregistration.k8s.io/v1beta1": {"": ("1.22", "apiregistration.k8s.io/v1")},
    "authentication.k8s.io/v1beta1": {"": ("1.22", "authentication.k8s.io/v1")},
    "authorization.k8s.io/v1beta1": {"": ("1.22", "authorization.k8s.io/v1")},
    "certificates.k8s.io/v1beta1": {"": ("1.22", "certificates.k8s.io/v1")},
    "coordination.k8s.io/v1beta1": {"": ("1.22", "coordination.k8s.io/v1")},
    "flowcontrol.apiserver.k8s.io/v1beta1": {"": ("1.26", "flowcontrol.apiserver.k8s.io/v1")},
    "flowcontrol.apiserver.k8s.io/v1beta2": {"": ("1.29", "flowcontrol.apiserver.k8s.io/v1")},
    "flowcontrol.apiserver.k8s.io/v1beta3": {"": ("1.32", "flowcontrol.apiserver.k8s.io/v1")},
}
# Still served, and not to be taught: (apiVersion, kind) -> (deprecated since, what to write now).
_DEPRECATED = {
    ("v1", "Endpoints"): ("1.33", "discovery.k8s.io/v1 EndpointSlice"),
    ("v1", "ComponentStatus"): ("1.19", "the health endpoints /livez and /readyz"),
}
# Annotation or label -> what took its place.
_OLD_KEYS = {
    "kubernetes.io/ingress.class": "spec.ingressClassName",
    "volume.beta.kubernetes.io/storage-class": "spec.storageClassName",
    "volume.beta.kubernetes.io/storage-provisioner": "volume.kubernetes.io/storage-provisioner",
    "storageclass.beta.kubernetes.io/is-default-class": "storageclass.kubernetes.io/is-default-class",
    "seccomp.security.alpha.kubernetes.io/pod": "spec.securityContext.seccompProfile",
    "scheduler.alpha.kubernetes.io/critical-pod": "spec.priorityClassName",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "node-role.kubernetes.io/master": "node-role.kubernetes.io/control-plane",
}
# Groups of extensions that a cluster may have without the lab: their kinds are taken as they are.
_EXTENSIONS = (
    "metrics.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
    "gateway.networking.k8s.io",
    "snapshot.storage.k8s.io",
)


def kind(types: Types, api_version: str, name: str) -> Problem | None:
    """Why a kind cannot be used, or should not be, or None."""
    group = api_version.rpartition("/")[0]
    removed = _REMOVED.get(api_version, {})
    release, instead = removed.get(name) or removed.get("") or ("", "")
    if release:
        return Problem(("apiVersion",), f"{api_version} {name} was removed in Kubernetes {release}; use {instead}")
    if (api_version, name) in _DEPRECATED:
        release, instead = _DEPRECATED[api_version, name]
        return Problem(("apiVersion",), f"{name} is deprecated since Kubernetes {release}; use {instead}")
    if types.kind(api_version, name) is not None or group in _EXTENSIONS:
        return None
    if versions := types.versions(name):
        return Problem(("apiVersion",), f"{api_version} has no kind {name}; it is in {' and '.join(versions)}")
    hint = did_you_mean(name, types.kinds(api_version)) or did_you_mean(name, types.names())
    if hint or "." not in group or group.endswith(".k8s.io"):
        return Problem(("kind",), f"Kubernetes has no kind {api_version} {name}{hint}")
    message = f"no CustomResourceDefinition of this lab makes {api_version} {name}; put it into setup or solution"
    return Problem(("kind",), message)


def old_keys(value: Any, keys: Keys = ()) -> Iterator[Problem]:
    """Annotations and labels, in an object and its templates, that something else took the place of."""
    for field in ("annotations", "labels"):
        for key in mapping(value, "metadata", field):
            if key in _OLD_KEYS:
                yield Problem((*keys, "metadata", field, key), f'"{key}" is deprecated; use {_OLD_KEYS[key]}')
    spec = mapping(value, "spec")
    for key in mapping(spec, "nodeSelector"):
        if key in _OLD_KEYS:
            yield Problem((*keys, "spec", "nodeSelector", key), f'"{key}" is deprecated; use {_OLD_KEYS[key]}')
    for inner in ("template", "jobTemplate"):
        if isinstance(spec.get(inner), dict):
            yield from old_keys(spec[inner], (*keys, "spec", inner))
