"""Free ports of the loopback interface, such that two clusters made at one moment do not choose the same."""

from __future__ import annotations

import socket

from clusters.kwok.config import LOOPBACK


def choose(wanted: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name. The kernel hands them out one after another, so that others who ask meanwhile get others."""
    sockets = [socket.socket() for _ in wanted]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return {name: one.getsockname()[1] for name, one in zip(wanted, sockets, strict=True)}
    finally:
        for one in sockets:
            one.close()
