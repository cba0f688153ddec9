"""The configuration of a kind cluster: one file, kept beside the cluster, so that it can be read what it was made
of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from clusters.identity.files import AUDIT_POLICY
from clusters.kind.layout import Layout
from clusters.ports import LOOPBACK
from clusters.topology import labels

PODS, SERVICES = "10.244.0.0/16", "10.96.0.0/16"
# Where the audit log and its policy are in the control plane's container.
AUDIT_FOLDER, AUDIT_FILE = "/var/log/seatrial", "/etc/kubernetes/seatrial-audit.yaml"
CAPABILITIES = Path("/proc/self/status")
SYS_RESOURCE = 24
# What the control plane's programs are started with beside kubeadm's own arguments, as in the provider kwok, which says
# why.
ARGUMENTS: dict[str, dict[str, str]] = {
    "apiServer": {
        "audit-policy-file": AUDIT_FILE,
        "audit-log-path": f"{AUDIT_FOLDER}/audit.log",
        "audit-log-maxsize": "64",
        "audit-log-maxbackup": "3",
        "profiling": "false",
    },
    "controllerManager": {
        "horizontal-pod-autoscaler-sync-period": "5s",
        "horizontal-pod-autoscaler-cpu-initialization-period": "10s",
        "horizontal-pod-autoscaler-initial-readiness-delay": "5s",
        "horizontal-pod-autoscaler-downscale-stabilization": "30s",
        "leader-elect": "false",
    },
    "scheduler": {"leader-elect": "false"},
}


def kind_configuration(layout: Layout, nodes: int, port: int) -> str:
    """What `kind create cluster --config` reads. The first node carries the control plane and Pods too; `port` is where
    its API server is reached on this machine."""
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {
            "ipFamily": "ipv4",
            "apiServerAddress": LOOPBACK,
            "apiServerPort": port,
            "podSubnet": PODS,
            "serviceSubnet": SERVICES,
            "kubeProxyMode": "iptables",
        },
        "kubeadmConfigPatches": [_kubelet()],
        "nodes": [_node(layout, number, nodes) for number in range(nodes)],
    }
    if not may_raise_limits():
        # Or no container starts: each wants to be ended later than this machine lets it ask for.
        config["containerdConfigPatches"] = ['[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n']
    return yaml.safe_dump(config, sort_keys=False)


def may_raise_limits() -> bool:
    """Whether a privileged container on this machine may: not where CAP_SYS_RESOURCE is out of bounds."""
    try:
        lines = CAPABILITIES.read_text().splitlines()
    except OSError:
        return True
    bounding = next((line.split()[1] for line in lines if line.startswith("CapBnd:")), "")
    return not bounding or bool(int(bounding, 16) >> SYS_RESOURCE & 1)


def _kubelet() -> str:
    return yaml.safe_dump(
        {
            "kind": "KubeletConfiguration",
            # kubelet refuses cgroup v1 since 1.35 unless it is told; on cgroup v2 this means nothing.
            "failCgroupV1": False,
            # A Pod that forks for ever ends itself, not the machine.
            "podPidsLimit": 1024,
        }
    )


def _node(layout: Layout, number: int, nodes: int) -> dict[str, Any]:
    if number:
        return {"role": "worker", "labels": labels(number)}
    mounts = [
        _mount(layout.pki / "ca.crt", "/etc/kubernetes/pki/ca.crt"),
        _mount(layout.pki / "ca.key", "/etc/kubernetes/pki/ca.key"),
        _mount(AUDIT_POLICY, AUDIT_FILE),
        {"hostPath": str(layout.audit_log.parent), "containerPath": AUDIT_FOLDER},
    ]
    patches: list[dict[str, Any]] = [
        {"op": "add", "path": f"/{component}/extraArgs/-", "value": {"name": name, "value": value}}
        for component in ("apiServer", "controllerManager")
        for name, value in ARGUMENTS[component].items()
    ]
    volumes = [
        {
            "name": "seatrial-audit",
            "hostPath": AUDIT_FOLDER,
            "mountPath": AUDIT_FOLDER,
            "pathType": "DirectoryOrCreate",
        },
        {
            "name": "seatrial-policy",
            "hostPath": AUDIT_FILE,
            "mountPath": AUDIT_FILE,
            "readOnly": True,
            "pathType": "File",
        },
    ]
    patches.append({"op": "add", "path": "/apiServer/extraVolumes", "value": volumes})
    scheduler = [{"name": name, "value": value} for name, value in ARGUMENTS["scheduler"].items()]
    patches.append({"op": "add", "path": "/scheduler/extraArgs", "value": scheduler})
    target = {"group": "kubeadm.k8s.io", "version": "v1beta4", "kind": "ClusterConfiguration"}
    return {
        "role": "control-plane",
        "labels": labels(number),
        "extraMounts": mounts,
        # It carries Pods too, also where there are others.
        "kubeadmConfigPatches": ["kind: InitConfiguration\nnodeRegistration:\n  taints: []\n"] if nodes > 1 else [],
        "kubeadmConfigPatchesJSON6902": [{**target, "patch": json.dumps(patches)}],
    }


def _mount(here: Path, there: str) -> dict[str, Any]:
    return {"hostPath": str(here), "containerPath": there, "readOnly": True}
