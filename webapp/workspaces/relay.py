"""The relay (`python -m webapp.workspaces.relay`): what a sandbox without a network reaches, who reaches it, and what
it uses.

One process for all students. It keeps nothing in memory that it does not read again from the workspaces' folders, and
may be killed and started at any moment: open connections end, and the next ones find their sockets again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from webapp.accounts import ticket
from webapp.settings import Settings, from_environment
from webapp.workspaces import places, watchdog
from webapp.workspaces.door import FrontDoor
from webapp.workspaces.hub_door import HubDoor
from webapp.workspaces.inside.relay import Connect, Joint
from webapp.workspaces.places import Place
from webapp.workspaces.sandbox import FIRST_UID

# How often every workspace's folder is looked at, in seconds; a change is told before that.
LOOK_EVERY = 2.0
# Connections to API servers that one student may hold; more are closed at once, so that nobody uses up everybody's.
MOST = 200

log = logging.getLogger("relay")


class Door(Joint):
    """A connection from within a sandbox, let in when it is the owner's and not one too many."""

    def __init__(self, desk: Desk, connect: Connect) -> None:
        """`desk` counts the student's connections."""
        super().__init__(connect, self._leave)
        self._desk = desk
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away strangers and crowds."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's always is
        if self._desk.connections >= MOST or not self._desk.owns(transport):
            self._connect = _refused
        self._counted = True
        self._desk.connections += 1
        super().connection_made(transport)

    def _leave(self) -> None:
        if self._counted:
            self._desk.connections -= 1


async def _refused(_: Callable[[], object]) -> object:
    raise ConnectionRefusedError


class Desk:
    """What the relay holds for one workspace: a listening socket for each place that its student may reach, and one
    through which the student's browser reaches it."""

    def __init__(self, place: Place, hub: HubDoor, secret: str) -> None:
        """Nothing is open yet. `secret` is what tickets are made with."""
        self.place = place
        self.connections = 0
        self._hub = hub
        self._front: asyncio.Server | None = None
        self._ticket = ticket.make(secret, place.user_id)
        self._doors: dict[str, asyncio.Server] = {}
        self._leads: dict[str, tuple[str, int]] = {}
        self._uid = FIRST_UID + place.user_id if os.geteuid() == 0 else os.geteuid()

    def owns(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the other end is this workspace's student."""
        end = transport.get_extra_info("socket")
        credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return bool(struct.unpack("3i", credentials)[1] == self._uid)

    async def look(self) -> None:
        """Open what there should be and is not, close what there should not be."""
        if self.place.run.is_dir() and (self._front is None or not self.place.door.is_socket()):
            if self._front is not None:
                self._front.close()
            self._front = await _listen(self.place.door, functools.partial(FrontDoor, self.place, self._ticket), 0o600)
        if not self.place.sockets.is_dir():
            return
        wanted = leads(self.place)
        for name in [name for name, lead in self._leads.items() if wanted.get(name) != lead]:
            self._shut(name)
        for name, (host, port) in wanted.items():
            if name not in self._doors or not (self.place.sockets / name).is_socket():
                self._shut(name)
                factory = functools.partial(Door, self, functools.partial(_to, host, port))
                await self._open(name, factory)
                self._leads[name] = (host, port)
        if "hub.sock" not in self._doors or not (self.place.sockets / "hub.sock").is_socket():
            await self._open("hub.sock", functools.partial(self._hub.connection, self))
        for path in list(self.place.sockets.iterdir()):
            if path.name not in self._doors:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close everything; the sockets' names go too."""
        for name in list(self._doors):
            self._shut(name)
        if self._front is not None:
            self._front.close()
            self.place.door.unlink(missing_ok=True)

    async def _open(self, name: str, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        # The folder is shown to this student alone, and lies below one that is the platform's.
        self._doors[name] = await _listen(self.place.sockets / name, factory, 0o666)

    def _shut(self, name: str) -> None:
        self._leads.pop(name, None)
        door = self._doors.pop(name, None)
        if door is not None:
            door.close()
        (self.place.sockets / name).unlink(missing_ok=True)


def leads(place: Place) -> dict[str, tuple[str, int]]:
    """The sockets that a workspace should have besides the Hub's, and where each leads."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(place.servers.glob("*.json")):
        server = places.read_json(path)
        listen, host, port = server.get("listen"), server.get("host"), server.get("port")
        if isinstance(listen, int) and isinstance(host, str) and isinstance(port, int):
            found[f"{listen}.sock"] = (host, port)
    return found


async def _listen(path: Path, factory: Callable[[], asyncio.BaseProtocol], mode: int) -> asyncio.Server:
    path.unlink(missing_ok=True)
    server = await asyncio.get_running_loop().create_unix_server(factory, str(path), backlog=64)
    path.chmod(mode)
    return server


async def _to(host: str, port: int, factory: Callable[[], asyncio.BaseProtocol]) -> object:
    return await asyncio.wait_for(asyncio.get_running_loop().create_connection(factory, host, port), 10)


class Relay:
    """Every workspace's desk, the door to be told of changes, and the watch."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is open yet."""
        self._workspaces = settings.workspaces
        self._hub = HubDoor(settings.hub_url)
        self._secret = settings.key(ticket.KEY)
        self._desks: dict[int, Desk] = {}
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Serve until cancelled."""
        self._workspaces.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = places.control(self._workspaces)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._told, str(path))
        path.chmod(0o600)
        watch = watchdog.Watchdog(self._workspaces)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_often())
                tasks.create_task(watch.run())
        finally:
            server.close()
            path.unlink(missing_ok=True)
            for desk in self._desks.values():
                desk.close()
            await self._hub.close()

    async def _look_often(self) -> None:
        while True:
            for place in places.every(self._workspaces):
                await self._look(place)
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, place: Place) -> None:
        async with self._looking:
            desk = self._desks.setdefault(place.user_id, Desk(place, self._hub, self._secret))
            try:
                await desk.look()
            except OSError as fault:
                # One workspace's trouble is not the others'.
                log.warning("workspace %d: %s", place.user_id, fault)

    async def _told(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            number = int(await reader.readline())
            place = places.of(self._workspaces, number)
            if place.root.is_dir():
                await self._look(place)
            writer.write(b"done\n")
            await writer.drain()
        writer.close()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    running = asyncio.ensure_future(Relay(settings).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> None:
    """The relay's process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s relay %(levelname)s %(message)s")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0o077)
    asyncio.run(serve(from_environment()))


if __name__ == "__main__":
    main()
