"""The KwokctlConfiguration of a cluster. Everything goes through this file: kwokctl's repeated --extra-args land on the
wrong component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusters.identity.files import AUDIT_POLICY
from clusters.kwok.layout import Layout
from clusters.ports import LOOPBACK
from clusters.tools import program

MANIFESTS = Path(__file__).parent / "manifests"

# Where etcd is, for whoever runs in the cluster's folder: two sockets, which its URLs want to look like host and port.
ETCD, ETCD_PEER = "unix://localhost:2379", "unix://localhost:2380"
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
# kwokctl's options that take a port -> the component that listens there.
PORTS = {
    "kubeApiserverPort": "kube-apiserver",
    "kubeControllerManagerPort": "kube-controller-manager",
    "kubeSchedulerPort": "kube-scheduler",
    "kwokControllerPort": "kwok-controller",
    "metricsServerPort": "metrics-server",
}
# What a process is started with beside kwokctl's own arguments.
ARGUMENTS: dict[str, dict[str, str]] = {
    "etcd": {},
    "kwok-controller": {},
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
        # For a lab of half an hour: an autoscaler looks every 5 s instead of 15, believes a Pod's load after 10 s
        # instead of 5 minutes, and scales down after 30 s instead of 5 minutes.
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
# Collect garbage earlier than Go would: a quarter less memory for each cluster, measured in docs/benchmarks.md.
ENVIRONMENT = {"GOGC": "50"}
COMPONENTS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller", "metrics-server",
)  # fmt: skip
# What kwokctl sets itself and we set otherwise.
#
# etcd has neither a password nor TLS, so whoever reaches the loopback interface would own the cluster. It listens on
# two sockets instead, in the cluster's folder, which is every process's working directory. Certificates would do as
# well, at the price of a handshake for each of the API server's hundred connections.
CHANGED: dict[str, dict[str, str]] = {
    "etcd": {
        "listen-client-urls": ETCD,
        "advertise-client-urls": ETCD,
        "listen-peer-urls": ETCD_PEER,
        "initial-advertise-peer-urls": ETCD_PEER,
        "initial-cluster": f"node0={ETCD_PEER}",
    },
    "kube-apiserver": {"etcd-servers": ETCD},
    # The shortest that it takes, in place of 15 s.
    "metrics-server": {"metric-resolution": "10s"},
}


def kwokctl_configuration(layout: Layout, ports: Mapping[str, int]) -> dict[str, Any]:
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
            "kubeAuditPolicy": str(AUDIT_POLICY),
            "cacheDir": str(layout.folder / "cache"),
            "enable": ["metrics-server"],
            "metricsServerManifests": [str(MANIFESTS / "metrics-server")],
            "etcdQuotaBackendSize": "2Gi",
        },
        "componentsPatches": [
            {
                "name": name,
                "extraArgs": [
                    *({"key": k, "value": v} for k, v in _arguments(layout, name).items()),
                    *({"key": k, "value": v, "override": True} for k, v in CHANGED.get(name, {}).items()),
                ],
                "extraEnvs": [{"name": k, "value": v} for k, v in ENVIRONMENT.items()],
            }
            for name in COMPONENTS
        ],
    }


def _arguments(layout: Layout, component: str) -> dict[str, str]:
    if component == "kube-controller-manager":
        # It would run what it finds in a folder of the host's.
        return {**ARGUMENTS[component], "flex-volume-plugin-dir": str(layout.home / "flexvolumes")}
    return ARGUMENTS[component]
