"""What the nodes of a new cluster are told apart by: a zone and a disk each, worth scheduling on."""

from __future__ import annotations

REGION = "harbour"
ZONES = ("harbour-a", "harbour-b", "harbour-c")
# One node of three is fast.
DISKS = ("ssd", "hdd", "hdd")


def labels(index: int) -> dict[str, str]:
    """The labels of node number 0, 1, …; they repeat every three."""
    return {
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": ZONES[index % len(ZONES)],
        "disktype": DISKS[index % len(DISKS)],
    }
