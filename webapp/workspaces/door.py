"""The door before each workspace: what comes from the proxy reaches the student's server only in the owner's name.

The server is the student's, and may serve what it likes to whom it likes, at the portal's own origin. So a browser is
let in only with the owner's ticket; a program, with a token for the Hub, which no page can make a browser send.
"""

from __future__ import annotations

import asyncio
import functools
from importlib import metadata
from urllib.parse import quote

from webapp.accounts import ticket
from webapp.settings import PREFIX
from webapp.workspaces import head
from webapp.workspaces.inside.relay import Connect, Joint, to_unix
from webapp.workspaces.places import Place

# Of a request's head, in bytes and in seconds.
LONGEST, WITHIN = 64 * 1024, 30.0
# How long an address may be that a browser is led back to: what the portal takes as a request's first line is 4 KiB.
ADDRESS = 3500
# How much of a refused request is still taken, so that the answer arrives, in bytes and in seconds.
DISCARDED, LINGER = 1024 * 1024, 5.0

SENTENCE = "This workspace belongs to somebody else; only its owner can open it.\n"
NAME = ticket.COOKIE.encode()
WORDS = {
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    411: "Length Required",
    431: "Request Header Fields Too Large",
}


class FrontDoor(asyncio.Protocol):
    """One connection from the proxy: it reads a head, then leads to the workspace or answers by itself."""

    def __init__(self, place: Place, owners: str) -> None:
        """`owners` is the ticket of the workspace's owner."""
        self._connect: Connect = functools.partial(to_unix, str(place.socket))
        self._ticket = owners
        self._head = bytearray()
        self._discarded: int | None = None
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head, and not for ever."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's always is
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(WITHIN, self._refuse, 408)

    def data_received(self, data: bytes) -> None:
        """Gather the head in however many pieces it comes."""
        if self._discarded is not None:
            self._discarded += len(data)
            if self._discarded > DISCARDED:
                self._transport.abort()
            return
        begin = max(0, len(self._head) - 3)
        self._head += data
        end = self._head.find(b"\r\n\r\n", begin) + 4
        if end > LONGEST or (end == 3 and len(self._head) > LONGEST):
            self._refuse(431)
        elif end > 3:
            self._decide(bytes(self._head[:end]), bytes(self._head[end:]))

    def connection_lost(self, fault: Exception | None) -> None:
        """Whoever knocked has left."""
        self._timer.cancel()

    def _decide(self, raw: bytes, rest: bytes) -> None:
        try:
            request = head.read(raw)
            length = request.length
        except ValueError:
            self._refuse(400)
            return
        if not request.has_token and not any(ticket.is_one(self._ticket, one) for one in request.cookies(NAME)):
            self._turn_away(request)
        elif length is None and not request.last:
            self._refuse(411)
        else:
            passed = request.passed_on(NAME)
            self._pass_on(passed + rest, None if request.last else len(passed) + (length or 0))

    def _pass_on(self, begun: bytes, most: int | None) -> None:
        """From here on the connection is the workspace's."""
        self._timer.cancel()
        self._head.clear()
        joint = Once(self._connect, most)
        self._transport.set_protocol(joint)
        joint.connection_made(self._transport)
        joint.data_received(begun)

    def _turn_away(self, request: head.Head) -> None:
        """Send a browser to the portal, which knows whose it is; tell everybody else."""
        back = f"{PREFIX}/workspace?next={quote(request.target, safe='/')}"
        if request.wants_page and len(back) < ADDRESS:
            self._refuse(303, f"Location: {back}")
        else:
            self._refuse(403, sentence=SENTENCE if request.method != "HEAD" else "")

    def _refuse(self, status: int, *fields: str, sentence: str = "") -> None:
        """Answer, then take what still comes for a while, since who closes too early is not heard."""
        self._timer.cancel()
        self._head.clear()
        self._discarded = 0
        lines = [
            f"HTTP/1.1 {status} {WORDS[status]}",
            *fields,
            f"Content-Length: {len(sentence)}",
            "Content-Type: text/plain; charset=utf-8",
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-store",
            "Connection: close",
            f"X-JupyterHub-Version: {_version()}",  # the Hub asks too, and warns where there is none
        ]
        self._transport.write("\r\n".join([*lines, "", sentence]).encode())
        self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)


class Once(Joint):
    """A connection that leads into the workspace for one request, which may be no longer than it said."""

    def __init__(self, connect: Connect, most: int | None) -> None:
        """`most` is how many bytes may go in, None where who sends them has said that this is the last request."""
        super().__init__(connect)
        self._left = most

    def data_received(self, data: bytes) -> None:
        """Nothing unchecked follows."""
        if self._left is not None:
            if len(data) > self._left and self.transport is not None:
                self.transport.abort()
                return
            self._left -= len(data)
        super().data_received(data)


@functools.cache
def _version() -> str:
    return metadata.version("jupyterhub")
