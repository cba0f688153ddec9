"""A websocket to the API server, as small as `exec` and `portforward` need it (RFC 6455).

Written out rather than taken from a library because what a student's Pod sends comes through it: a read has a deadline
and a message a size, and nothing is read ahead of what was asked for, so a Pod that sends for ever fills a window of
TCP and no memory.

    OSError
    ├── TimeoutError   the deadline is past
    └── Broken         the other end does not speak the protocol
    NotUpgraded        the API server answered with something else; `status` and `message` say what
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
from collections.abc import Sequence
from http.client import HTTPConnection
from urllib.parse import urlencode

import orjson

from grader.collect.access import connect
from grader.collect.kubeconfig import Kubeconfig
from grader.collect.probes.limits import Deadline

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
# Bytes of the answer's head, of a refusal's body, and of one message. A kubelet sends at most 32 KiB at a time.
_HEAD, _BODY, _MESSAGE = 64 << 10, 16 << 10, 1 << 20


class Broken(OSError):
    """What came is no websocket."""


class NotUpgraded(Exception):
    """The API server, or the kubelet behind it, would not open a stream. No student can have written this answer."""

    def __init__(self, status: int, message: str) -> None:
        """`message` is the Status object's, or what stands in its place."""
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class WebSocket:
    """One open stream. Close it, or use it as a context."""

    def __init__(self, connection: HTTPConnection, ahead: bytes) -> None:
        """`ahead` are bytes that came with the head of the answer."""
        self._connection, self._ahead = connection, bytearray(ahead)

    @property
    def _socket(self) -> socket.socket:
        return self._connection.sock

    @classmethod
    def open(
        cls, at: Kubeconfig, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str], until: Deadline
    ) -> WebSocket:
        """Open one. Raises NotUpgraded, and OSError where there is no answer."""
        connection = connect(at)
        try:
            key = base64.b64encode(os.urandom(16))
            target = f"{at.server.path.rstrip('/')}{path}?{urlencode(query)}"
            fields = {
                "Host": at.server.netloc.rpartition("@")[2],
                "User-Agent": "seatrial-grader",
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key.decode(),
                "Sec-WebSocket-Protocol": ", ".join(protocols),
                **at.headers,
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            connection.sock.settimeout(until.left())
            connection.sock.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
            return cls(connection, _opened(connection.sock, key, until))
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> WebSocket:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Tell the other end, if it listens, and close the connection: what runs behind it is ended. Idempotent."""
        try:
            if self._connection.sock is not None:
                self._socket.settimeout(1.0)
                self._send(_CLOSE, struct.pack("!H", 1000))
        except OSError:
            pass  # it is gone already, which is what was asked for
        finally:
            self._connection.close()

    def send(self, message: bytes, until: Deadline) -> None:
        """Send one binary message. Raises OSError."""
        self._socket.settimeout(until.left())
        self._send(_BINARY, message)

    def _send(self, kind: int, payload: bytes) -> None:
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, length)
        whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        self._socket.sendall(head + mask + whole.to_bytes(length, "big"))

    def receive(self, until: Deadline) -> bytes | None:
        """The next message; None once the other end has closed. Raises OSError."""
        message = b""
        while True:
            frame = self._frame(until)
            if frame is None:
                return None
            kind, last, payload = frame
            if kind == _CLOSE:
                return None
            if kind == _PING:
                self._send(_PONG, payload)
            elif kind != _PONG:
                message += payload
                if len(message) > _MESSAGE:
                    raise Broken("a message is larger than any that a kubelet sends")
                if last:
                    return message

    def _frame(self, until: Deadline) -> tuple[int, bool, bytes] | None:
        head = self._exactly(2, until)
        if head is None:
            return None
        kind, length = head[0] & 0x0F, head[1] & 0x7F
        if length > 125:
            more = self._exactly(2 if length == 126 else 8, until)
            if more is None:
                return None
            length = int.from_bytes(more, "big")
        if head[0] & 0x70 or head[1] & 0x80 or length > _MESSAGE or kind not in (0, _TEXT, _BINARY, 8, 9, 10):
            raise Broken("what came is no frame of a websocket")
        payload = self._exactly(length, until)
        return None if payload is None else (kind, bool(head[0] & 0x80), payload)

    def _exactly(self, count: int, until: Deadline) -> bytes | None:
        while len(self._ahead) < count:
            self._socket.settimeout(until.left())
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                return None
            self._ahead += chunk
        taken = bytes(self._ahead[:count])
        del self._ahead[:count]
        return taken


def _opened(sock: socket.socket, key: bytes, until: Deadline) -> bytes:
    """Read the answer to the opening handshake; what came behind its head."""
    got = b""
    while b"\r\n\r\n" not in got:
        sock.settimeout(until.left())
        chunk = sock.recv(1 << 16)
        if not chunk or len(got) > _HEAD:
            raise Broken("the API server closed the connection instead of opening a stream")
        got += chunk
    head, _, rest = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = first.split(" ")[1:2]
    if status != ["101"]:
        raise _refusal(int(status[0]) if status and status[0].isdecimal() else 0, rest, sock, fields, until)
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()  # noqa: S324 - what RFC 6455 asks for
    if fields.get("sec-websocket-accept") != accept:
        raise Broken("the API server does not speak websocket")
    return rest


def _refusal(
    status: int, body: bytes, sock: socket.socket, fields: dict[str, str], until: Deadline
) -> NotUpgraded | Broken:
    """What the API server says instead, as far as it is worth reading."""
    if status == 0:
        return Broken("what answers is not HTTP")
    length = int(fields["content-length"]) if fields.get("content-length", "").isdecimal() else _BODY
    try:
        while len(body) < min(length, _BODY):
            sock.settimeout(until.left())
            chunk = sock.recv(1 << 14)
            if not chunk:
                break
            body += chunk
    except TimeoutError:
        pass  # what has come so far must do
    if "chunked" in fields.get("transfer-encoding", ""):
        body = body.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0] or body
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    message = said.get("message") if isinstance(said, dict) else None
    return NotUpgraded(status, message if isinstance(message, str) else body[:500].decode("utf-8", "replace").strip())
