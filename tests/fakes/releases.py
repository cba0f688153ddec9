"""A release server on the loopback interface that misbehaves when it is told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.fakes.serving import served


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def start(self) -> int:
        """The first byte that a Range header asks for."""
        wanted = self.headers.get("Range", "bytes=0-")
        return int(wanted.removeprefix("bytes=").split("-")[0])


@dataclass
class Releases:
    """Files by path (`/host/path`), and how the answers for some of them go wrong.

    `cut`: how many bytes of the body are sent before the connection closes, one number for each answer in turn.
    `status`: which status is answered instead, one for each answer in turn. `ranges`: whether Range is understood.
    `held`: answers send half of the body and then wait until the event is set. `stalls`: so many answers send half of
    the body and then nothing. `dribble`: bytes go out in pieces of this size.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    status: dict[str, list[int]] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    stalls: dict[str, int] = field(default_factory=dict)
    dribble: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    base: str = ""
    requests: list[Request] = field(default_factory=list)
    half_sent: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def publish(self, url: str, content: bytes) -> str:
        """Serve a file under the address that stands in for `url`; returns its SHA-256."""
        parts = urlsplit(url)
        self.files[f"/{parts.netloc}{parts.path}"] = content
        return hashlib.sha256(content).hexdigest()

    def path(self, url: str) -> str:
        """The key of `url` in `files`, `cut`, `status`, `held`, `stalls` and `dribble`."""
        parts = urlsplit(url)
        return f"/{parts.netloc}{parts.path}"

    def mirrors(self, *hosts: str) -> dict[str, str]:
        """What stands in for the hosts."""
        return {host: f"{self.base}/{host}" for host in hosts}

    def asked(self, url: str) -> list[Request]:
        """The GET requests for `url`."""
        return [r for r in self.requests if r.method == "GET" and r.path == self.path(url)]


@contextmanager
def serving(releases: Releases) -> Iterator[Releases]:
    """Run the server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            releases.requests.append(Request("HEAD", self.path, dict(self.headers)))
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            request = Request("GET", self.path, dict(self.headers))
            releases.requests.append(request)
            odd = releases.status.get(self.path)
            body = releases.files.get(self.path)
            if odd or body is None:
                self.send_error(odd.pop(0) if odd else 404)
                return
            start = request.start if releases.ranges else 0
            if start > len(body) or (start and start == len(body)):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.send(body[start:])

        def send(self, body: bytes) -> None:
            cut = releases.cut.get(self.path)
            if cut:
                body = body[: cut.pop(0)]
            hold = releases.held.get(self.path)
            if releases.stalls.get(self.path):
                releases.stalls[self.path] -= 1
                hold = threading.Event()
            if hold:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                releases.half_sent.set()
                while not (hold.wait(0.05) or releases.stopping.is_set()):
                    pass
                body = body[len(body) // 2 :]
            step = releases.dribble.get(self.path, len(body) or 1)
            try:
                for at in range(0, len(body), step):
                    self.wfile.write(body[at : at + step])
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                return  # the client went away, as some tests want it to
            finally:
                self.close_connection = True

    with served(Handler) as releases.base:
        try:
            yield releases
        finally:
            releases.stopping.set()
