"""Which ports a cluster's processes were given, and whether somebody else took one meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Collection

from clusters.kwok.config import PORTS
from clusters.kwok.failure import PortTaken
from clusters.kwok.layout import Layout
from clusters.ports import free

# How long the kernel may take to free the port of a process that was killed, and how often we look, in seconds.
FREE_WITHIN = 5.0
LOOK_EVERY = 0.02


def check(layout: Layout, components: Collection[str]) -> None:
    """Raises PortTaken where somebody else listens at a port of these components, none of which runs."""
    # A killed component is no longer seen before its port is free.
    deadline = time.monotonic() + FREE_WITHIN
    for option, port in of_cluster(layout).items():
        while (taken := PORTS[option] in components and not free(port)) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        if taken:
            raise PortTaken(
                f"port {port} of cluster {layout.name} ({PORTS[option]}) is taken by another process; end that one and "
                "try again, or make the cluster anew"
            )


def of_cluster(layout: Layout) -> dict[str, int]:
    """The ports of a cluster by kwokctl's names; none of one that is being made or removed."""
    try:
        options = json.loads(layout.config.read_text().split("\n---\n", 1)[0])["options"]
    except (OSError, json.JSONDecodeError, KeyError):
        return {}
    return {option: options[option] for option in PORTS if option in options}
