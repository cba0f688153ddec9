"""An API server that also serves watches, and breaks them the way that it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.apiserver import KINDS, FakeApiServer, Object, _Handler


class WatchServer(FakeApiServer):
    """Objects that are put and removed reach every watch of them, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._http.RequestHandlerClass = _WatchHandler
        self.news = threading.Condition()
        self.events: list[tuple[int, str, Object]] = []
        self.oldest = 0
        self.cuts = 0
        self.raw: list[tuple[str, bytes]] = []
        self.watches: list[str] = []
        self.begun: list[str] = []
        self.stillborn = False

    def put(self, api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
        """Make or change an object."""
        with self.news:
            old = self._take(api_version, kind, name, namespace)
            made = self.add(api_version, kind, name, namespace, **rest)
            made["metadata"].setdefault("uid", (old or {}).get("metadata", {}).get("uid") or f"uid-{self.version}")
            self._tell("MODIFIED" if old else "ADDED", made)
            return made

    def remove(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        with self.news:
            old = self._take(api_version, kind, name, namespace)
            assert old is not None
            self._tell("DELETED", old)

    def bookmark(self) -> None:
        """Tell every watch how far things are."""
        with self.news:
            self.version += 1
            for api_version, kind in KINDS:
                about = {"metadata": {"resourceVersion": str(self.version)}, "kind": kind, "apiVersion": api_version}
                self.events.append((self.version, "BOOKMARK", about))
            self.news.notify_all()

    def cut(self) -> None:
        """End every watch in the middle."""
        with self.news:
            self.cuts += 1
            self.news.notify_all()

    def compact(self) -> None:
        """Forget what was: a watch from before gets 410."""
        with self.news:
            self.version += 1
            self.oldest = self.version

    def say(self, path: str, raw: bytes) -> None:
        """Send bytes down every watch whose path ends so."""
        with self.news:
            self.raw.append((path, raw))
            self.news.notify_all()

    @property
    def so_far(self) -> tuple[int, int, int]:
        """What changes when there is something to do for who streams."""
        return self.cuts, len(self.events), len(self.raw)

    def until(self, watches: int) -> None:
        """Wait until so many watches are open."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.watches) == watches, 30), self.watches

    def _take(self, *key: str) -> Object | None:
        for one in self.objects:
            about = one["metadata"]
            if (one["apiVersion"], one["kind"], about["name"], about.get("namespace", "")) == key:
                self.objects.remove(one)
                return one
        return None

    def _tell(self, kind: str, about: Object) -> None:
        self.version += 1
        about["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, kind, json.loads(json.dumps(about))))
        self.news.notify_all()

    def die(self) -> None:
        super().die()
        self.cut()


@contextmanager
def watching() -> Iterator[WatchServer]:
    """A server that ends with the context."""
    server = WatchServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _WatchHandler(_Handler):
    def do_GET(self) -> None:
        api = self.server.api
        assert isinstance(api, WatchServer)
        query = parse_qs(urlsplit(self.path).query)
        if "watch" not in query:
            super().do_GET()
            return
        self.close_connection = True
        with api.news:
            api.begun.append(self.path)
            stillborn = api.stillborn
        if stillborn:
            return
        path = urlsplit(self.path).path
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with api.news:
            api.watches.append(path)
            api.news.notify_all()
        try:
            self._stream(api, path, int(query["resourceVersion"][0]))
        finally:
            with api.news:
                api.watches.remove(path)
                api.news.notify_all()

    def _stream(self, api: WatchServer, path: str, since: int) -> None:
        with api.news:
            cuts, raw = api.cuts, len(api.raw)
            told = 0
            if since < api.oldest:
                gone = {"kind": "Status", "code": 410, "reason": "Expired"}
                self._chunk(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
                self.wfile.write(b"0\r\n\r\n")
                return
            while api.cuts == cuts and not api.ended.is_set():
                for version, kind, about in api.events[told:]:
                    if version > since and _concerns(path, about):
                        self._chunk(json.dumps({"type": kind, "object": about}).encode() + b"\n")
                told = len(api.events)
                for end, data in api.raw[raw:]:
                    if path.endswith(end):
                        self.wfile.write(data)
                raw = len(api.raw)
                # A client that went away is seen by trying to write to it, as a real server sees it by its socket.
                known = (cuts, told, raw)
                api.news.wait_for(lambda known=known: known != api.so_far or self._hung_up(), 0.05)  # type: ignore[misc]
                if self._hung_up():
                    return

    def _hung_up(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _concerns(path: str, about: Object) -> bool:
    """Whether an object is in the list at a path."""
    plural = KINDS[about["apiVersion"], about["kind"]][0]
    inside = f"/namespaces/{about['metadata'].get('namespace')}/" in path or "/namespaces/" not in path
    return path.endswith(f"/{plural}") and (inside or "name" not in about["metadata"])
