"""The three nodes of a KWOK cluster: zones, disks and sizes worth scheduling on."""

from __future__ import annotations

from typing import Any

ZONES = ("harbour-a", "harbour-b", "harbour-c")
# The disk of a node, by its number: one of three is fast.
DISKS = ("ssd", "hdd", "hdd")
CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}


def node(number: int) -> dict[str, Any]:
    """The Node object number 1, 2, …; zones and disks repeat every three."""
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
                "topology.kubernetes.io/region": "harbour",
                "topology.kubernetes.io/zone": ZONES[(number - 1) % len(ZONES)],
                "node.kubernetes.io/instance-type": "kwok.4cpu-16gi",
                "disktype": DISKS[(number - 1) % len(DISKS)],
            },
        },
        "status": {"capacity": CAPACITY, "allocatable": CAPACITY},
    }
