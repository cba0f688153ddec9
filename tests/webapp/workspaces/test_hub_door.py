"""The Hub's door when a student holds it: it opens again by itself, and nobody holds more than a share of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.webapp.workspaces.conftest import StandIn
from webapp.workspaces import hub_door

STUCK = b"POST /hub/api/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
WHOLE = b"GET /hub/api/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Owned:
    """A desk to which everybody is its student."""

    def owns(self, transport: asyncio.BaseTransport) -> bool:
        return True


class Street:
    """A door for each student, all of one relay, and the connections that they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held: list[asyncio.StreamWriter] = []

    async def ask(self, name: str, request: bytes) -> asyncio.StreamReader:
        """A connection on which something was asked, and which is held."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / name))
        self.held.append(writer)
        writer.write(request)
        return reader

    async def status(self, name: str) -> str:
        """What a whole request is answered with."""
        answer = await told(await self.ask(name, WHOLE))
        self.held.pop().close()
        return answer


async def told(reader: asyncio.StreamReader) -> str:
    """The answer's status, "" where the connection is closed without one."""
    try:
        line = await asyncio.wait_for(reader.readline(), 20)
    except ConnectionResetError:
        return ""
    return line.decode()[9:12]


@asynccontextmanager
async def street(folder: Path, *names: str) -> AsyncIterator[Street]:
    """Before a Hub that answers."""
    hub = StandIn("hub")
    door = hub_door.HubDoor(f"http://127.0.0.1:{hub.port}/hub/api")
    loop, made, servers = asyncio.get_running_loop(), Street(folder), []
    for name in names:
        desk = Owned()
        servers.append(await loop.create_unix_server(lambda desk=desk: door.connection(desk), str(folder / name)))
    try:
        yield made
    finally:
        for writer in made.held:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in made.held), return_exceptions=True)
        for server in servers:
            server.close()
        await door.close()
        hub.close()


def test_bodies_that_never_come_do_not_hold_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_door, "PATIENCE", 0.5)

    async def attack() -> None:
        async with street(tmp_path, "eve") as there:
            stuck = [await there.ask("eve", STUCK) for _ in range(3 * hub_door.AT_ONCE)]
            assert {await told(each) for each in stuck} == {"503"}
            assert await there.status("eve") == "200"

    asyncio.run(attack())


def test_one_student_holds_so_many_connections_and_another_is_let_in(tmp_path: Path) -> None:
    async def attack() -> None:
        async with street(tmp_path, "eve", "ada") as there:
            for _ in range(hub_door.MOST):
                await there.ask("eve", b"")
            assert await there.status("eve") == ""
            assert await there.status("ada") == "200"
            there.held[0].close()
            async with asyncio.timeout(20):  # until the relay has seen that one has gone
                while await there.status("eve") != "200":
                    pass

    asyncio.run(attack())
