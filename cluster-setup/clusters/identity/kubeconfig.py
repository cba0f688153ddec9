"""Kubeconfig files, with what the provider knows about the cluster as an extension of the cluster entry."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from clusters.identity.certificates import Certificate
from clusters.model import KUBECONFIG_EXTENSION


@dataclass(frozen=True, slots=True)
class Entry:
    """A cluster as a kubeconfig names it: `authority` is PEM, `known` the extension."""

    name: str
    server: str
    authority: str
    known: Mapping[str, Any]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def extension(
    provider: str,
    capabilities: frozenset[str],
    student: str,
    audit_log: str | None = None,
    components: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the grader reads of a cluster. `audit_log` is for the platform's own file only; `components` has "host:port"
    of each process without which Pods do not run, so that one that has ended is not taken for a student's mistake."""
    known: dict[str, Any] = {"provider": provider, "capabilities": sorted(capabilities), "student": student}
    if components is not None:
        known["components"] = dict(components)
    if audit_log is not None:
        known["auditLog"] = audit_log
    return {"name": KUBECONFIG_EXTENSION, "extension": known}


def render(entry: Entry, user: str, certificate: Certificate) -> str:
    """The text of a kubeconfig with every certificate embedded."""
    cluster = {
        "server": entry.server,
        "certificate-authority-data": _b64(entry.authority),
        "extensions": [dict(entry.known)],
    }
    credentials = {
        "client-certificate-data": _b64(certificate.certificate),
        "client-key-data": _b64(certificate.key),
    }
    context = {"cluster": entry.name, "user": user, "namespace": "default"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": entry.name, "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": entry.name, "context": context}],
            "current-context": entry.name,
        },
        sort_keys=False,
    )
