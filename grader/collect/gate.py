"""The one way out of a script's sandbox: a Unix socket that lets GET requests through to the API server, no more."""

from __future__ import annotations

import http.client
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from grader.collect.access import Access

# A GET of these does more than read: it runs commands, opens tunnels, or reaches what is not the API server's.
_NOT_READING = frozenset({"exec", "attach", "portforward", "proxy"})
# Request headers that pass; the identity is ours, and a script may not take on another.
_PASSED = ("Accept",)


@contextmanager
def gate(access: Access, path: Path) -> Iterator[None]:
    """Serve at `path` for as long as the context lasts."""
    server = _Server(str(path), access)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, access: Access) -> None:
        self.access = access
        super().__init__(path, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A script that hangs up in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self.path.startswith("/") or _NOT_READING.intersection(unquote(path).split("/")):
            self._refuse("this request does more than read")
            return
        own = self.server.access.another()
        headers = {name: self.headers[name] for name in _PASSED if self.headers[name]}
        try:
            with own.answer(self.path, headers) as response:
                self._hand_on(response)
        except (OSError, http.client.HTTPException) as fault:
            self._refuse(f"the API server does not answer ({fault})", 502)
        finally:
            own.close()

    def _hand_on(self, response: http.client.HTTPResponse) -> None:
        self.send_response_only(response.status)
        self.send_header("Content-Type", response.headers.get("Content-Type", "application/json"))
        self.send_header("Connection", "close")
        self.end_headers()
        # read1: what a watch says is handed on as it comes.
        while chunk := response.read1(1 << 16):
            self.wfile.write(chunk)
            self.wfile.flush()

    def _refuse(self, why: str, status: int = 405) -> None:
        self.close_connection = True
        body = b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"message":"%s"}' % (
            status,
            why.translate(_QUIET).encode(),
        )
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _not_get(self) -> None:
        self._refuse("a script of a lab only reads: GET is the one method that passes")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_CONNECT = _not_get

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error belongs to the grade."""


_QUIET = {ord('"'): "'", ord("\\"): "/", ord("\n"): " "}
