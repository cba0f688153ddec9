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


# What a process is started with beside kwokctl's own arguments.
ARGUMENTS: dict[str, dict[str, str]] = {
    "kube-apiserver": {
        "profiling": "false",
        # Four files of 64 MB: a student who floods the API fills no disk. What is lost then is the oldest.
        "audit-log-maxsize": "64",
        "audit-log-maxbackup": "3",
        "service-cluster-ip-range": "10.96.0.0/16",
    },
    "kube-controller-manager": {
        "profiling": "false",
        # One of each there is, and after a restore an election would stall for 15 s.
        "leader-elect": "false",
        # For a lab of half an hour: an autoscaler looks every 5 s instead of 15, believes a Pod's load at once instead of
        # after 5 minutes, and scales down after 30 s instead of 5 minutes.
        "horizontal-pod-autoscaler-sync-period": "5s",
        "horizontal-pod-autoscaler-cpu-initialization-period": "10s",
        "horizontal-pod-autoscaler-initial-readiness-delay": "5s",
        "horizontal-pod-autoscaler-downscale-stabilization": "30s",
        "kube-api-qps": "100",
        "kube-api-burst": "200",
    },
    "kube-scheduler": {"profiling": "false", "leader-elect": "false"},
    # It refuses to start where a request may take longer than the resolution.
    "metrics-server": {"kubelet-request-timeout": "5s"},
}
# What kwokctl sets itself and we set otherwise: the shortest resolution that metrics-server takes, in place of 15 s.
OVERRIDES: dict[str, dict[str, str]] = {"metrics-server": {"metric-resolution": "10s"}}
# Collect garbage earlier than Go would: a quarter less memory for each cluster, measured in docs/benchmarks.md.
ENVIRONMENT = {"GOGC": "50"}
COMPONENTS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller", "metrics-server",
)  # fmt: skip


def kwokctl_configuration(ports: Mapping[str, int], audit_policy: Path, metrics_manifests: Path) -> dict[str, Any]:
    """What `kwokctl create cluster --config` reads, beside the Stages. `ports` has a port for each of PORTS."""
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
            "metricsServerManifests": [str(metrics_manifests)],
            "etcdQuotaBackendSize": "2Gi",
        },
        "componentsPatches": [_patch(name) for name in COMPONENTS],
    }


def _patch(component: str) -> dict[str, Any]:
    added = [{"key": k, "value": v} for k, v in ARGUMENTS.get(component, {}).items()]
    changed = [{"key": k, "value": v, "override": True} for k, v in OVERRIDES.get(component, {}).items()]
    return {
        "name": component,
        "extraArgs": [*added, *changed],
        "extraEnvs": [{"name": k, "value": v} for k, v in ENVIRONMENT.items()],
    }
