"""A proxy that understands CONNECT, for one connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either side may hang up first
        while chunk := source.recv(4096):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tunnel(to: str) -> Iterator[tuple[str, list[str]]]:
    """The proxy's URL, and the request lines that it was sent. Whatever is asked for, it leads to the URL `to`."""
    target, asked = urlsplit(to), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            here, _ = listener.accept()
            with here, socket.create_connection((target.hostname or "", target.port or 80)) as there:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += here.recv(1)
                asked.append(head.split(b"\r\n")[0].decode())
                here.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_carry, args=(there, here), daemon=True)
                back.start()
                _carry(here, there)
                back.join()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join()
