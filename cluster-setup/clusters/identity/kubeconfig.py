"""Kubeconfig files, with what the provider knows about the cluster as an extension of the cluster entry."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import yaml

from clusters.identity.certificates import Certificate
from clusters.model import KUBECONFIG_EXTENSION


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def extension(
    provider: str, capabilities: frozenset[str], student: str, audit_log: str | None = None
) -> dict[str, Any]:
    """What the grader reads of a cluster. `audit_log` is for the platform's own file only."""
    known: dict[str, Any] = {"provider": provider, "capabilities": sorted(capabilities), "student": student}
    if audit_log is not None:
        known["auditLog"] = audit_log
    return {"name": KUBECONFIG_EXTENSION, "extension": known}


def render(cluster: str, server: str, authority: str, user: str, cert: Certificate, known: Mapping[str, Any]) -> str:
    """The text of a kubeconfig with every certificate embedded; `authority` is PEM."""
    entry = {"server": server, "certificate-authority-data": _b64(authority), "extensions": [dict(known)]}
    credentials = {"client-certificate-data": _b64(cert.certificate), "client-key-data": _b64(cert.key)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": entry}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user, "namespace": "default"}}],
            "current-context": cluster,
        },
        sort_keys=False,
    )
