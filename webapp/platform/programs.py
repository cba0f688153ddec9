"""The portal's processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clusters.tools import cache, node
from webapp.settings import Settings

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Program:
    """One process: what it is for, the command that it becomes, and which secrets it is given in its environment."""

    name: str
    does: str
    command: Callable[[Settings], list[str]]
    secrets: tuple[tuple[str, str], ...] = ()  # (variable, name of the key)
    sockets: tuple[str, ...] = ()  # in the folder `run`; a killed process leaves its own behind
    after: str | None = None  # the socket that it waits for
    stop: str = "TERM"  # the signal that ends it


def _module(*words: str) -> list[str]:
    # -P: the folder that it is started in is not a place for modules.
    return [sys.executable, "-P", "-m", *words]


def _proxy(settings: Settings) -> list[str]:
    return [
        *node.command(cache.folder()),
        *("--ip", settings.host, "--port", str(settings.port)),
        *("--api-socket", str(settings.run / "proxy.sock")),
        *("--error-path", str(HERE / "errors"), "--log-level", "warn"),
    ]


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "proxy",
            "lets browsers in, at the public port",
            _proxy,
            secrets=(("CONFIGPROXY_AUTH_TOKEN", "proxy"),),
            sockets=("proxy.sock",),
        ),
        Program(
            "hub",
            "signs people in and keeps their workspaces",
            lambda _: _module("webapp.platform.hub_process", "-f", str(HERE / "jupyterhub_config.py")),
            sockets=("hub.sock",),
        ),
        Program(
            "portal",
            "serves the pages",
            lambda _: _module("gunicorn", "-c", "python:webapp.platform.serving", "webapp.platform.wsgi:app"),
            sockets=("portal.sock",),
            stop="INT",  # at once: a browser that looks on live never ends by itself
        ),
        Program(
            "reconciler",
            "makes clusters, starts labs, grades",
            lambda _: _module("webapp.sessions.reconciler"),
            # It fills the pool with all that the machine has: signing in comes first.
            after="hub.sock",
        ),
        Program(
            "relay",
            "connects the sandboxes with their clusters",
            lambda _: _module("webapp.workspaces.relay"),
        ),
    )
}
