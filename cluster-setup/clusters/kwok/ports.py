"""Free ports of the loopback interface. The kernel picks them at random, so two clusters made at one moment hardly ever
choose the same; where they do, the later one starts over with others (see KwokProvider.create)."""

from __future__ import annotations

import socket

from clusters.kwok.config import LOOPBACK


def choose(wanted: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name. All are held until the last is had, so that they differ."""
    sockets = [socket.socket() for _ in wanted]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return {name: one.getsockname()[1] for name, one in zip(wanted, sockets, strict=True)}
    finally:
        for one in sockets:
            one.close()
