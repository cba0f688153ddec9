"""Ports of the loopback interface for a new cluster.

They lie below those that the kernel gives to outgoing connections: one of these would otherwise take a port while its
cluster is stopped. They are drawn at random, so two clusters made at one moment hardly ever draw the same.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection
from pathlib import Path

from clusters import store
from clusters.errors import TransientError

# Where every process of a cluster listens, and nowhere else.
LOOPBACK = "127.0.0.1"
# Where ports are drawn from, both included, and which of them the kernel keeps for outgoing connections.
LOWEST, HIGHEST = 20000, 32767
# The lowest that anybody may listen at.
UNPRIVILEGED = 1024
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# How often a port is drawn before we give up: half of all may be taken, and one draw in a billion fails.
DRAWS = 1000


def choose(wanted: Collection[str]) -> dict[str, int]:
    """A free port for each name, none of which belongs to another cluster, be it stopped. Raises TransientError."""
    lowest, highest = _range()
    taken = store.ports()
    chosen: list[int] = []
    for _ in range(DRAWS):
        if len(chosen) == len(wanted):
            return dict(zip(wanted, chosen, strict=True))
        port = lowest + secrets.randbelow(highest - lowest + 1)
        if port not in taken and free(port):
            taken.add(port)
            chosen.append(port)
    raise TransientError(
        f"there are no free ports between {lowest} and {highest}; end something that listens, try again"
    )


def free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as one:
        # Connections that have just ended do not hinder a server.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _range() -> tuple[int, int]:
    """Where ports are drawn from; where the kernel leaves no room below its own, among those."""
    try:
        highest = min(HIGHEST, int(EPHEMERAL.read_text().split()[0]) - 1)
    except (OSError, ValueError, IndexError):
        highest = HIGHEST
    if highest >= LOWEST + DRAWS:
        return LOWEST, highest
    return (UNPRIVILEGED, highest) if highest >= UNPRIVILEGED + DRAWS else (LOWEST, HIGHEST)
