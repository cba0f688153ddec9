"""The KwokctlConfiguration of a cluster. Everything goes through this file: kwokctl's repeated --extra-args land on the
wrong component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusters.tools import program

# Where every process listens, and nowhere else.
LOOPBACK = "127.0.0.1"
# kwokctl's option -> the upstream program that it names.
BINARIES = {
    "etcdBinary": "etcd",
    "etcdctlBinary": "etcdctl",
    "etcdutlBinary": "etcdutl",
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": "kube-controller-manager",
    "kubeSchedulerBinary": "kube-scheduler",
    "kubectlBinary": "kubectl",
    "kwokControllerBinary": "kwok",
    "metricsServerBinary": "metrics-server",
}
# kwokctl's options that take a port.
PORTS = (
    "etcdPeerPort",
    "etcdPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
    "metricsServerPort",
)


def kwokctl_configuration(ports: Mapping[str, int], audit_policy: Path, metrics_manifest: Path) -> dict[str, Any]:
    """What `kwokctl create cluster --config` reads. `ports` has a port for each of PORTS."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            **{option: str(program(name)) for option, name in BINARIES.items()},
            **{option: ports[option] for option in PORTS},
            "runtime": "binary",
            "bindAddress": LOOPBACK,
            "securePort": True,
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "kubeAuditPolicy": str(audit_policy),
            "enable": ["metrics-server"],
            "metricsServerManifests": [str(metrics_manifest)],
        },
    }
