"""The three nodes of a KWOK cluster: zones, disks and sizes worth scheduling on."""

from __future__ import annotations

from typing import Any

from clusters.topology import labels

CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}


def node(number: int) -> dict[str, Any]:
    """The Node object number 1, 2, …"""
    name = f"node-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {
                "kwok.x-k8s.io/node": "fake",
                "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource",
            },
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "kwok.4cpu-16gi",
                **labels(number - 1),
            },
        },
        "status": {"capacity": CAPACITY, "allocatable": CAPACITY},
    }
