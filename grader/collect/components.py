"""Whether the processes run without which a cluster takes objects and does nothing with them."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

# One that was started a moment ago listens a moment later: for so many seconds it is asked again.
PATIENCE = 5.0
# How long one may take to take a connection, and the pause between two attempts, in seconds.
CONNECT, PAUSE = 1.0, 0.1
# What only labs that need metrics miss.
_METRICS = "metrics-server"


def down(extension: Mapping[str, Any], *, metrics: bool) -> tuple[str, ...]:
    """The components that the provider names in the kubeconfig and that take no connection, by name.

    Empty where it names none: of another one's cluster nothing is known but its API server.
    """
    stated = extension.get("components")
    if not isinstance(stated, dict):
        return ()
    left = {str(name): str(address) for name, address in stated.items() if metrics or name != _METRICS}
    deadline = time.monotonic() + PATIENCE
    while left := {name: address for name, address in left.items() if not _listens(address)}:
        if time.monotonic() > deadline:
            return tuple(sorted(left))
        time.sleep(PAUSE)
    return ()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), CONNECT):
            return True
    except (OSError, ValueError, OverflowError):
        return False
