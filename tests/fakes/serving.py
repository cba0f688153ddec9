"""An HTTP server of this process, at a port of its own of the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

from flask import Flask
from werkzeug.serving import make_server


@contextmanager
def running(server: HTTPServer) -> Iterator[str]:
    """Its address, while it serves."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://{server.server_address[0]!s}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> Iterator[str]:
    """The same for a handler; each request has a thread."""
    with running(ThreadingHTTPServer((host, 0), handler)) as address:
        yield address


@contextmanager
def application(app: Flask) -> Iterator[str]:
    """The same for a portal's pages; what a browser left open does not hold up the end."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    with running(server) as address:
        yield address
