"""What the Hub's two ways to start a workspace have in common: where it lies, what it is told, how it is reached.

A workspace does not end with the Hub, and is known by its first process' pid, start time and boot. The notebook server
listens at a Unix socket of the platform's, so that no port of the machine leads into a workspace.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyterhub.objects import Server
from jupyterhub.spawner import Spawner
from sqlalchemy import select
from traitlets import Any as AnyTrait
from traitlets import Instance, default
from traitlets.config import LoggingConfigurable

from webapp.accounts.models import User
from webapp.database.engine import Database
from webapp.errors import PortalError
from webapp.settings import Settings, from_environment
from webapp.workspaces import faults, places, processes, sandbox, starting
from webapp.workspaces.limits import LIMITS, Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process

# JupyterHub takes no class for a Spawner that does not start and end anything.
BESIDE: Any = LoggingConfigurable


class Workspace(BESIDE):  # type: ignore[misc]
    """One student's workspace, however it is kept in; for a class that is a Spawner besides, and starts and ends it."""

    settings = Instance(Settings, help="The portal's.").tag(config=True)
    limits = Instance(Limits, help="What a workspace may use.").tag(config=True)
    # The user's id of a name, for a Hub without the portal's database.
    numbers = AnyTrait(allow_none=True).tag(config=True)

    process = Instance(Process, allow_none=True)

    @default("settings")
    def _settings(self) -> Settings:
        return from_environment()

    @default("limits")
    def _limits(self) -> Limits:
        return LIMITS

    @default("env_keep")
    def _env_keep_default(self) -> list[str]:
        return []

    @default("poll_interval")
    def _poll_interval(self) -> int:
        return 3  # a workspace that was killed is to come back soon, and a look at /proc costs nothing

    @property
    def place(self) -> Place:
        """Where the workspace lies. Raises PortalError for a name that the portal does not know."""
        if self._place is None:
            number = self.numbers(self.user.name) if self.numbers else _number(self.settings, self.user.name)
            self._place = places.of(self.settings.workspaces, number)
        return self._place

    _place: Place | None = None

    # The server's address, which the Hub's database has no room for: a Unix socket in place of host and port.

    def _get_server(self) -> Server | None:
        server = Spawner.server.fget(self)
        if server is not None and self.process is not None and server.connect_url != (url := self._url(server)):
            server.connect_url = url
        return server

    def _set_server(self, server: Server | None) -> None:
        Spawner.server.fset(self, server)

    server = property(_get_server, _set_server)

    def _url(self, server: Server) -> str:
        return address(self.place.door) + str(server.base_url)

    async def get_url(self) -> str:
        """Where the server is, also after the Hub was started anew."""
        return str(self.server.url)

    # What the Hub remembers of a sandbox.

    def get_state(self) -> dict[str, Any]:
        """What tells the sandbox's first process from every other, and whose it is."""
        if self.process is None:
            return dict(super().get_state())
        return {**super().get_state(), "process": self.process.document(), "user_id": self.place.user_id}

    def load_state(self, state: dict[str, Any]) -> None:
        """Find it again after the Hub was started anew."""
        super().load_state(state)
        self.process = processes.recorded(state.get("process") or {})
        if self.process is not None and "user_id" in state:
            self._place = places.of(self.settings.workspaces, state["user_id"])

    def clear_state(self) -> None:
        """Nothing runs any more."""
        super().clear_state()
        self.process = None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Nothing of the machine's own users."""
        return env

    def get_env(self) -> dict[str, str]:
        """Every variable inside: the Hub's word to the student's own server, and nothing of this process'."""
        hub = {name: str(value) for name, value in super().get_env().items() if name.startswith("JUPYTERHUB_")}
        # As seen from inside, where the relay stands in for the Hub.
        own = str(hub["JUPYTERHUB_ACTIVITY_URL"]).partition("/hub/api/")[2]
        hub |= {
            "JUPYTERHUB_API_URL": sandbox.HUB_API,
            "JUPYTERHUB_ACTIVITY_URL": f"{sandbox.HUB_API}/{own}",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{sandbox.PORT}{hub.get('JUPYTERHUB_SERVICE_PREFIX', '/')}",
            "JUPYTERHUB_ROOT_DIR": sandbox.HOME,
            "JUPYTERHUB_DEFAULT_URL": "/lab",
        }
        return self.inside(hub)

    def inside(self, hub: dict[str, str]) -> dict[str, str]:
        """Every variable inside. `hub` is what the Hub gives the student's own server."""
        return sandbox.environment(hub)

    async def _answers(self, process: Process) -> None:
        """Ask the server once: the relay within holds the question until it can answer. A sandbox may end before."""
        asking = asyncio.ensure_future(self._ask())
        ending = asyncio.ensure_future(starting.ended(process))
        try:
            await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() or asking.exception() is not None:
                raise starting.fault(self.place)
        finally:
            asking.cancel()
            ending.cancel()

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self.place.socket))
        path = f"{self.server.base_url}api"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        try:
            if not (await reader.readline()).startswith(b"HTTP/1."):
                raise ConnectionResetError
        finally:
            writer.close()

    def forget(self) -> None:
        """Leave nothing behind of a workspace that has ended, but the home."""
        self.place.socket.unlink(missing_ok=True)
        self.place.state.unlink(missing_ok=True)
        faults.forget(self.place)


def address(path: Path) -> str:
    """The URL of a Unix socket as the Hub and the proxy write it. They fold case: what has any is written as %XX."""
    plain = "abcdefghijklmnopqrstuvwxyz0123456789-_."
    return "http+unix://" + "".join(chr(b) if chr(b) in plain else f"%{b:02x}" for b in os.fsencode(path))


def _number(settings: Settings, name: str) -> int:
    database = Database(settings.database_url)
    try:
        with database.reading() as db:
            number = db.scalar(select(User.id).where(User.name == name))
    finally:
        database.close()
    if number is None:
        raise PortalError(f"the portal knows no user {name}; `seatrial user add` makes one")
    return number
