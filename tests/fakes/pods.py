"""Pods behind the fake API server: what listens in them, what their commands do, and the streams that lead to them.

Speaks `exec` and `portforward` over websocket and the proxy to a Pod as a real API server does (the wording of its
answers was taken from Kubernetes 1.36).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

# Given what was sent so far: what is answered, piece by piece; None: nothing yet, wait for more.
Listener = Callable[[bytes], Iterable[bytes] | None]
_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/(exec|portforward|log|proxy)(/.*)?")


@dataclass
class Command:
    """What a command prints, on channel 1 or 2, and how it ends: an exit code, a Status, never, or as the stream
    does."""

    prints: Iterable[bytes] = ()
    code: int | None = 0
    errors: bytes = b""
    fault: str = ""  # the kubelet's reason for not starting it
    breaks_off: bool = False  # the stream ends, and the kubelet says nothing


@dataclass
class FakePod:
    """What a Pod does. `ports` listen on its address and its loopback, `loopback` and `address` on one of them."""

    ports: Mapping[int, Listener] = field(default_factory=dict)
    loopback: Mapping[int, Listener] = field(default_factory=dict)
    address: Mapping[int, Listener] = field(default_factory=dict)
    commands: Mapping[tuple[str, ...], Command] = field(default_factory=dict)
    log: Iterable[bytes] = ()
    log_status: int = 200
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # (container, command)
    breaks: str = ""  # what the kubelet says of a connection once the Pod has answered
    forwarded: list[int] = field(default_factory=list)


class Request(Protocol):
    """What is used of an http.server handler."""

    path: str
    command: str
    headers: Any
    connection: socket.socket
    close_connection: bool


def page(body: str | bytes = b"hello", status: int = 200, **fields: str) -> Listener:
    """A server of HTTP that gives every request the same answer."""
    content = body.encode() if isinstance(body, str) else body
    head = {"Content-Length": str(len(content)), "Content-Type": "text/plain", **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
    whole = f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + content

    def listen(sent: bytes) -> Iterable[bytes] | None:
        return [whole] if b"\r\n\r\n" in sent else None

    return listen


def raw(*pieces: bytes, lasting: bytes = b"") -> Listener:
    """A server that says this to whatever it is sent, and `lasting` for ever after."""

    def listen(_sent: bytes) -> Iterable[bytes]:
        yield from pieces
        while lasting:
            yield lasting

    return listen


def silent(_sent: bytes) -> None:
    """A server that takes connections and never says anything."""


def handle(request: Request, pods: Mapping[tuple[str, str], FakePod], ended: Any) -> bool:
    """Answer a request that leads into a Pod. False where it leads to none of these."""
    url = urlsplit(request.path)
    found = _PATH.fullmatch(url.path)
    if found is None:
        return False
    namespace, name, verb, rest = found.groups()
    name, _, port = unquote(name).partition(":")
    pod = pods.get((namespace, name))
    if pod is None:
        return False
    query = parse_qs(url.query)
    request.close_connection = True
    try:
        if verb == "exec":
            _exec(request, pod, query, ended)
        elif verb == "portforward":
            _forward(request, pod, int(query["ports"][0]), ended)
        elif verb == "log":
            _log(request, pod, query)
        else:
            _proxy(request, pod, int(port), rest or "/", ended)
    except (BrokenPipeError, ConnectionResetError):
        pass  # whoever asked has heard enough
    return True


def say(request: Request, status: int, body: bytes, kind: str = "application/json") -> None:
    """One whole answer, without its body to a HEAD."""
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    request.connection.sendall(head.encode() + (b"" if request.command == "HEAD" else body))


def _status(code: int, message: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return json.dumps(status).encode()


def _proxy(request: Request, pod: FakePod, port: int, path: str, ended: Any) -> None:
    """As the API server: a connection to the Pod's address. A request to upgrade it is a fault of whoever asks."""
    if request.headers.get("Upgrade"):
        raise AssertionError("the proxy to a Pod must not be asked to upgrade: its memory has no bound then")
    head = request.command == "HEAD"
    listener = {**pod.ports, **pod.address}.get(port)
    if listener is None:
        refused = f"dial tcp 10.244.0.9:{port}: connect: connection refused"
        say(request, 503, _status(503, f"error trying to reach service: {refused}"))
        return
    said = listener(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    if said is None:
        ended.wait()
        return
    answer = b""
    for piece in said:
        answer += piece
        if b"\r\n\r\n" in answer:
            break
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if status is None:
        malformed = f'malformed HTTP response "{answer[:20].decode("latin-1")}"'
        say(request, 503, _status(503, f"error trying to reach service: net/http: {malformed}"))
    elif head:
        request.connection.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\nConnection: close\r\n\r\n")
    else:
        request.connection.sendall(answer)


def _log(request: Request, pod: FakePod, query: Mapping[str, Sequence[str]]) -> None:
    if pod.log_status != 200:
        said = f'container "{query["container"][0]}" in pod is waiting to start: ContainerCreating'
        say(request, pod.log_status, _status(pod.log_status, said))
        return
    left = int(query["limitBytes"][0])
    request.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    for piece in pod.log:
        request.connection.sendall(piece[:left])
        left -= len(piece[:left])
        if left <= 0:
            return


def _exec(request: Request, pod: FakePod, query: Mapping[str, Sequence[str]], ended: Any) -> None:
    command = tuple(query["command"])
    pod.ran.append((query["container"][0], command))
    known = pod.commands.get(command)
    _open(request)
    if known is None or known.fault:
        message = known.fault if known else f'exec: "{command[0]}": executable file not found in $PATH'
        _send(request, b"\3" + json.dumps({"status": "Failure", "message": message}).encode())
        return
    for piece in known.prints:
        _send(request, b"\1" + piece)
    if known.errors:
        _send(request, b"\2" + known.errors)
    if known.breaks_off:
        return
    if known.code is None:
        ended.wait()
        return
    _send(request, b"\3" + json.dumps(_ended(known.code)).encode())


def _ended(code: int) -> dict[str, Any]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    message = f"command terminated with non-zero exit code: exit status {code}"
    return {"status": "Failure", "message": message, "reason": "NonZeroExitCode", "details": {"causes": causes}}


def _forward(request: Request, pod: FakePod, port: int, ended: Any) -> None:
    pod.forwarded.append(port)
    _open(request)
    number = struct.pack("<H", port)
    _send(request, b"\0" + number)
    _send(request, b"\1" + number)
    listener = {**pod.ports, **pod.loopback}.get(port)
    if listener is None:
        refused = f"failed to connect to localhost:{port}: dial tcp4 127.0.0.1:{port}: connect: connection refused"
        _send(request, f"\1error forwarding port {port} to pod x, uid : {refused}".encode())
        return
    sent = b""
    while True:
        said = listener(sent)
        if said is not None:
            for piece in said:
                _send(request, b"\0" + piece)
            if pod.breaks:
                _send(request, b"\1" + pod.breaks.encode())
            if not getattr(listener, "lasting", False):
                _end(request)
                return
            sent = b""
        more = _receive(request)
        if more is None:
            return
        sent += more[1:]


def _open(request: Request) -> None:
    key = request.headers["Sec-WebSocket-Key"].encode()
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324 - RFC 6455
    protocol = request.headers["Sec-WebSocket-Protocol"].split(",")[0].strip()
    request.connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n".encode()
        + f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n".encode()
    )


def _send(request: Request, message: bytes) -> None:
    request.connection.sendall(b"".join(_frames(message)))


def _end(request: Request) -> None:
    """Close, and wait for the other end to do so: what it still sends must not turn into a reset."""
    request.connection.sendall(struct.pack("!BBH", 0x88, 2, 1000))
    while request.connection.recv(1 << 16):
        continue


def _frames(message: bytes) -> Iterator[bytes]:
    size = len(message)
    if size < 126:
        yield struct.pack("!BB", 0x82, size)
    elif size < 1 << 16:
        yield struct.pack("!BBH", 0x82, 126, size)
    else:
        yield struct.pack("!BBQ", 0x82, 127, size)
    yield message


def _receive(request: Request) -> bytes | None:
    """One message of a client; None once it closes."""
    head = _exactly(request.connection, 2)
    if head is None or head[0] & 0x0F == 8:
        return None
    size = head[1] & 0x7F
    if size > 125:
        size = int.from_bytes(_exactly(request.connection, 2 if size == 126 else 8) or b"", "big")
    mask, masked = _exactly(request.connection, 4), _exactly(request.connection, size)
    if mask is None or masked is None:
        return None
    return bytes(b ^ mask[i % 4] for i, b in enumerate(masked))


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            return None
        got += more
    return got


@dataclass
class NameServer:
    """A name server over TCP: addresses by whole name; a name in `failing` gives that code, and one in `hanging` no
    answer, so that nothing asked after it gets one either."""

    names: Mapping[str, Sequence[str]]
    failing: Mapping[str, int] = field(default_factory=dict)
    hanging: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)
    lasting = True

    def __call__(self, sent: bytes) -> Iterable[bytes] | None:
        if len(sent) < 2 or len(sent) < 2 + int.from_bytes(sent[:2], "big"):
            return None
        number, question = sent[2:4], sent[14:]
        labels, at = [], 0
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, kind = ".".join(labels), struct.unpack_from("!H", question, at + 1)[0]
        self.asked.append(name)
        if name in self.hanging:
            return None
        records = [r for a in self.names.get(name, ()) if (r := _record(a, kind))]
        code = self.failing.get(name, 0 if name in self.names else 3)
        head = number + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        message = head + question[: at + 5] + b"".join(records)
        return [struct.pack("!H", len(message)) + message]


def _record(address: str, kind: int) -> bytes | None:
    """A record whose name points back to the question's; None where the address is of another kind."""
    if re.fullmatch(r"[0-9.]+", address):
        own, data = 1, socket.inet_pton(socket.AF_INET, address)
    elif ":" in address:
        own, data = 28, socket.inet_pton(socket.AF_INET6, address)
    else:
        own, data = 5, b"".join(bytes([len(part)]) + part.encode() for part in address.split(".")) + b"\0"
    if own not in (kind, 5):
        return None
    return b"\xc0\x0c" + struct.pack("!HHIH", own, 1, 5, len(data)) + data
