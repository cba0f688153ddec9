"""The door before a workspace: who passes it, what passes it, and what it makes of requests that are none."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from webapp.accounts import ticket
from webapp.settings import PREFIX
from webapp.workspaces import door, head, places
from webapp.workspaces.door import FrontDoor
from webapp.workspaces.places import Place

SECRET = "5" * 64
OWN, OTHERS = ticket.make(SECRET, 1), ticket.make(SECRET, 2)
COOKIE = f"Cookie: {ticket.COOKIE}={OWN}"
PAGE = "Accept: text/html,application/xhtml+xml;q=0.9"


@dataclass
class Server:
    """A student's server that answers whatever it is asked, to anybody, and keeps what it was sent."""

    place: Place
    got: list[bytearray] = field(default_factory=list)
    serving: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        self.got.append(got)
        self.serving += 1
        while data := await reader.read(65536):
            answer = b"\r\n\r\n" not in got
            got += data
            if answer and b"\r\n\r\n" in got:
                kind = b"101 Other" if b"pgrade" in got else b"200 OK"
                writer.write(b"HTTP/1.1 " + kind + b"\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
            elif not answer:
                writer.write(b"<" + data + b">")
        writer.close()
        await gone(writer)
        self.serving -= 1

    async def ask(self, *pieces: bytes, until: bytes | None = None) -> bytes:
        """Send these pieces; what is answered until the door closes, or until it ends with these bytes."""
        reader, writer = await asyncio.open_unix_connection(str(self.place.door))
        answer = b""
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0)
            while until is None or not answer.endswith(until):
                data = await asyncio.wait_for(reader.read(65536), 30)
                if not data:
                    break
                answer += data
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            writer.close()
            await gone(writer)
        return answer


async def gone(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture(scope="module", autouse=True)
def _only_what_is_new_is_looked_through() -> Iterator[None]:
    """`held` looks at every object there is: millions, after other tests."""
    gc.freeze()
    yield
    gc.unfreeze()


def held() -> int:
    """How many connections the door has."""
    gc.collect()
    return sum(isinstance(one, FrontDoor | door.Once) for one in gc.get_objects())


@asynccontextmanager
async def a_workspace(server: bool = True) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="door-") as folder:
        place = places.of(Path(folder), 1)
        place.make()
        made, loop = Server(place), asyncio.get_running_loop()
        front = await loop.create_unix_server(functools.partial(FrontDoor, place, OWN), str(place.door))
        behind = await asyncio.start_unix_server(made.serve, str(place.socket)) if server else None
        yield made
        async with asyncio.timeout(30):
            while made.serving or held():
                await asyncio.sleep(0.01)
        for each in (front, behind):
            if each is not None:
                each.close()


def at_door(test: Callable[[Server], Awaitable[None]], server: bool = True) -> None:
    async def running() -> None:
        async with a_workspace(server) as made:
            await test(made)

    asyncio.run(running())


def request(*fields: str, first: str = "GET /user/ada/lab HTTP/1.1", body: bytes = b"") -> bytes:
    return "\r\n".join([first, "Host: x", *fields, "", ""]).encode("latin-1") + body


@pytest.mark.parametrize(
    "fields",
    [
        (COOKIE,),
        (f"Cookie: a=b; {ticket.COOKIE}={OWN};c=d",),
        (f"Cookie: {ticket.COOKIE}={OTHERS}; {ticket.COOKIE}={OWN}",),
        (f"Cookie: {ticket.COOKIE}=\xff\xfe", f"cookie:{ticket.COOKIE}={OWN}"),
        ("Authorization: token 0123456789abcdef",),
        ("authorization: Bearer 0123456789abcdef",),
    ],
)
def test_the_owner_and_who_has_a_token_pass(fields: tuple[str, ...]) -> None:
    async def test(server: Server) -> None:
        assert (await server.ask(request("Connection: close", *fields), until=b"hi")).startswith(b"HTTP/1.1 200")
        (got,) = server.got
        assert got.startswith(b"GET /user/ada/lab HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        assert ticket.COOKIE.encode() not in got and OTHERS.encode() not in got and OWN.encode() not in got
        assert (b"a=b;c=d" in got) == ("a=b" in fields[0])

    at_door(test)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (f"Cookie: {ticket.COOKIE}={OTHERS}",),
        (f"Cookie: {ticket.COOKIE}=",),
        (f"Cookie: {ticket.COOKIE}={OWN[:-1]}",),
        (f"Cookie: {ticket.COOKIE}={OWN}x",),
        (f"Cookie: {ticket.COOKIE.upper()}={OWN}",),
        (f"Cookie: x{ticket.COOKIE}={OWN}",),
        (f"Cookie: a={ticket.COOKIE}={OWN}",),
        (f"X-Cookie: {ticket.COOKIE}={OWN}",),
        ("Authorization: Basic ZXZlOmV2ZQ==",),
        ("Authorization: token",),
        ("Authorization: token ",),
        ("Authorization:",),
        ("X-Authorization: token abc",),
    ],
)
def test_nobody_else_passes(fields: tuple[str, ...]) -> None:
    async def test(server: Server) -> None:
        page = await server.ask(request(PAGE, *fields, first="GET /user/ada/a%2Fb?x=1&next=/y HTTP/1.1"))
        assert page.startswith(b"HTTP/1.1 303 ")
        (there,) = [line[10:] for line in page.decode().split("\r\n") if line.startswith("Location: ")]
        assert urlsplit(there).path == f"{PREFIX}/workspace"
        assert parse_qs(urlsplit(there).query) == {"next": ["/user/ada/a%2Fb?x=1&next=/y"]}
        for refused in (
            request(*fields),
            request("Accept: application/json", *fields),
            request(PAGE, *fields, first="POST /user/ada/lab HTTP/1.1", body=b"x" * 100_000),
            request(PAGE, *fields, first="GET /user/ada/api/me HTTP/1.1"),
            request(PAGE, *fields, first=f"GET /user/ada/{'a' * 4000} HTTP/1.1"),
            request(PAGE, "Connection: Upgrade", "Upgrade: websocket", *fields),
        ):
            assert (await server.ask(refused)).startswith(b"HTTP/1.1 403 ")
        assert server.got == []

    at_door(test)


@pytest.mark.parametrize(
    "raw",
    [
        request(COOKIE, first="GET http://x/user/ada/ HTTP/1.1"),
        request(COOKIE, first="GET * HTTP/1.1"),
        request(COOKIE, first="GET /user/ada/ HTTP/2.0"),
        request(COOKIE, first="GET /user/ada/"),
        request(COOKIE, first="GET  /user/ada/ HTTP/1.1"),
        request(COOKIE, first="GET /user/ada/ x HTTP/1.1"),
        request(COOKIE, first=""),
        request(COOKIE, " folded: line"),
        request("Cookie:", f" {ticket.COOKIE}={OWN}"),
        request(COOKIE, "X : y"),
        request(COOKIE, "no colon"),
        request(COOKIE, "X: a\0b"),
        request(f"Cookie: a\0; {ticket.COOKIE}={OWN}"),
        request(COOKIE, "X: a\nGET /other HTTP/1.1"),
        request(COOKIE, "X: a\rb"),
        request(COOKIE, "Content-Length: 1", "Content-Length: 2"),
        request(COOKIE, "Content-Length: +1"),
        request(COOKIE, "Content-Length: 1", "Transfer-Encoding: chunked"),
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    async def test(server: Server) -> None:
        assert (await server.ask(raw)).startswith(b"HTTP/1.1 400 ")
        assert server.got == []

    at_door(test)


def test_in_one_byte_pieces_and_with_a_body() -> None:
    async def test(server: Server) -> None:
        raw = request(COOKIE, "Connection: close", first="POST /user/ada/x HTTP/1.0", body=b"body\r\n\r\nmore")
        assert (await server.ask(*(raw[i : i + 1] for i in range(len(raw))), until=b">")).startswith(b"HTTP/1.1 200")
        assert (await server.ask(raw, until=b"hi")).startswith(b"HTTP/1.1 200")
        for got in server.got:
            assert bytes(got[:9]) == b"POST /use"
        assert server.got[1].endswith(b"body\r\n\r\nmore")

    at_door(test)


def test_no_second_request_follows_the_first() -> None:
    async def test(server: Server) -> None:
        second = request(first="GET /user/ada/second HTTP/1.1")
        for connection in ("Connection: keep-alive", "Connection: upgrade", "Connection: close, x", "X: y"):
            assert (await server.ask(request(COOKIE, connection), until=b"hi")).startswith(b"HTTP/1.1 200")
            assert server.got[-1].count(b"Connection:") == 1 and b"Connection: close\r\n" in server.got[-1]
            assert await server.ask(request(COOKIE, connection) + second) == b""
            body = request(COOKIE, connection, "Content-Length: 3", first="PUT /user/ada/x HTTP/1.1", body=b"abc")
            assert (await server.ask(body, until=b"hi")).startswith(b"HTTP/1.1 200")
            assert server.got[-1].endswith(b"\r\n\r\nabc")
            assert await server.ask(body + second) == b""
            answer = await server.ask(request(COOKIE, connection, "Transfer-Encoding: chunked"))
            assert answer.startswith(b"HTTP/1.1 411 ")
        # The answer is there, the workspace leaves the connection open, and then the second one comes.
        reader, writer = await asyncio.open_unix_connection(str(server.place.door))
        writer.write(request(COOKIE, "Connection: keep-alive"))
        assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")
        writer.write(second)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readuntil(b">")
        writer.close()
        await gone(writer)
        assert not any(b"second" in got for got in server.got)

    at_door(test)


def test_bytes_go_both_ways_after_an_upgrade() -> None:
    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_unix_connection(str(server.place.door))
        writer.write(request(COOKIE, "Connection: keep-alive, Upgrade", "Upgrade: websocket"))
        assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 101")
        assert b"Connection: keep-alive, Upgrade\r\n" in server.got[0]
        for said in (b"one", b"two" * 1000):
            writer.write(said)
            told = await reader.readuntil(said[-1:] + b">")
            assert told.startswith(b"<")
        writer.close()

    at_door(test)


def test_heads_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: Server) -> None:
        for long in (b"GET /" + b"a" * 70_000, request(COOKIE, "X: " + "a" * door.LONGEST)):
            assert (await server.ask(long)).startswith(b"HTTP/1.1 431 ")
        fits = request(COOKIE, "Connection: close", "X: " + "a" * (door.LONGEST - 1000))
        assert (await server.ask(fits, until=b"hi")).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(door, "WITHIN", 0.1)
        for begun in (b"", b"GET /user/ada/ HTTP/1.1\r\n"):
            assert (await server.ask(begun)).startswith(b"HTTP/1.1 408 ")
        monkeypatch.setattr(door, "LINGER", 0.1)
        reader, writer = await asyncio.open_unix_connection(str(server.place.door))
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        while not reader.at_eof() or not writer.is_closing():
            try:
                writer.write(b"x" * 65536)
                await writer.drain()
            except (ConnectionResetError, BrokenPipeError):
                break
        writer.close()
        assert len(server.got) == 1

    at_door(test)


def test_where_no_server_is_the_door_closes_as_a_socket_without_one_does() -> None:
    async def test(server: Server) -> None:
        assert await server.ask(request(COOKIE)) == b""
        assert (await server.ask(request(PAGE))).startswith(b"HTTP/1.1 303 ")

    at_door(test, server=False)


def test_nothing_is_kept_of_a_connection_that_has_ended() -> None:
    async def test(server: Server) -> None:
        async def many() -> int:
            for _ in range(40):
                await server.ask(request(COOKIE, "Connection: close"), until=b"hi")
                await server.ask(request(PAGE))
            async with asyncio.timeout(30):
                while server.serving or held():
                    await asyncio.sleep(0.01)
            server.got.clear()
            return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        assert await many() == await many()

    at_door(test)


def test_a_head_is_read_as_it_stands() -> None:
    found = head.read(b"GET /a?b HTTP/1.1\r\nAccept: a/b;q=1, Text/HTML \r\nX:\r\naccept: */*\r\n\r\n")
    assert (found.method, found.target) == ("GET", b"/a?b")
    assert found.words(b"accept") == {b"a/b", b"text/html", b"*/*"}
    assert found.values(b"x") == [b""] and found.values(b"y") == [] and found.length == 0
