"""Ports of the loopback interface for a new cluster.

They lie below those that the kernel gives to outgoing connections: one of these would otherwise take a port while its
cluster is stopped. They are drawn at random, so two clusters made at one moment hardly ever draw the same; where they
do, the later one starts over with others (see KwokProvider.create).
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Collection
from pathlib import Path

from clusters import store
from clusters.errors import TransientError
from clusters.kwok.config import LOOPBACK, PORTS
from clusters.kwok.failure import PortTaken
from clusters.kwok.layout import Layout

# Where ports are drawn from, both included, and which of them the kernel keeps for outgoing connections.
LOWEST, HIGHEST = 20000, 32767
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# How often a port is drawn before we give up: half of all may be taken, and one draw in a billion fails.
DRAWS = 1000
# How long the kernel may take to free the port of a process that was killed, and how often we look, in seconds.
FREE_WITHIN = 5.0
LOOK_EVERY = 0.02


def choose(wanted: Collection[str]) -> dict[str, int]:
    """A free port for each name, none of which belongs to another cluster, be it stopped. Raises TransientError."""
    highest = min(HIGHEST, _first_ephemeral() - 1)
    lowest = LOWEST if highest > LOWEST + DRAWS else 1024
    taken = _of_clusters()
    chosen: list[int] = []
    for _ in range(DRAWS):
        if len(chosen) == len(wanted):
            return dict(zip(wanted, chosen, strict=True))
        port = lowest + secrets.randbelow(highest - lowest + 1)
        if port not in taken and _free(port):
            taken.add(port)
            chosen.append(port)
    raise TransientError(
        f"there are no free ports between {lowest} and {highest}; end something that listens, try again"
    )


def _first_ephemeral() -> int:
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return HIGHEST + 1


def check(layout: Layout, components: Collection[str]) -> None:
    """Raises PortTaken where somebody else listens at a port of these components, none of which runs."""
    # A killed component is no longer seen before its port is free.
    deadline = time.monotonic() + FREE_WITHIN
    for option, port in of_cluster(layout).items():
        while (taken := PORTS[option] in components and not _free(port)) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        if taken:
            raise PortTaken(
                f"port {port} of cluster {layout.name} ({PORTS[option]}) is taken by another process; end that one and "
                "try again, or make the cluster anew"
            )


def _of_clusters() -> set[int]:
    """The ports of every KWOK cluster of this user."""
    return {port for name in store.names() for port in of_cluster(Layout.of(name)).values()}


def of_cluster(layout: Layout) -> dict[str, int]:
    """The ports of a cluster by kwokctl's names; none of one that is not KWOK's, or is being made or removed."""
    try:
        options = json.loads(layout.config.read_text().split("\n---\n", 1)[0])["options"]
    except (OSError, json.JSONDecodeError, KeyError):
        return {}
    return {option: options[option] for option in PORTS if option in options}


def _free(port: int) -> bool:
    with socket.socket() as one:
        # Connections that have just ended do not hinder a server.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
