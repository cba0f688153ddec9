"""An API server that serves lists and discovery from memory over HTTP, and fails the way that it is told to.

What its Pods do, and the streams into them, is in tests/fakes/pods.py.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.fakes import pods

Object = dict[str, Any]

# Kinds that this server knows: (apiVersion, kind) -> (plural, namespaced).
KINDS = {
    ("v1", "Pod"): ("pods", True),
    ("v1", "Service"): ("services", True),
    ("v1", "ConfigMap"): ("configmaps", True),
    ("v1", "Event"): ("events", True),
    ("v1", "ResourceQuota"): ("resourcequotas", True),
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("apps/v1", "ReplicaSet"): ("replicasets", True),
    ("discovery.k8s.io/v1", "EndpointSlice"): ("endpointslices", True),
}

_GROUP = "/(?:api/(v1)|apis/([^/]+/[^/]+))"


@dataclass(frozen=True)
class Answer:
    """What is said instead of the truth."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False  # promise more bytes than are sent
    hangs: bool = False  # say nothing until the server ends
    hangs_up: bool = False  # close the connection without a word


def status(code: int, message: str, **headers: str) -> Answer:
    """A Status object as a real server gives it."""
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
    return Answer(code, body.encode(), {"Content-Type": "application/json", **headers})


# Where this server itself has nothing; it may lead into a Pod.
NOWHERE = status(404, "the server could not find the requested resource")
# Given the path with its query, and how many requests for that path came before: an answer, or None for the truth.
Fault = Callable[[str, int], Answer | None]


class FakeApiServer:
    """Listens on a port of the loopback interface from `with serving() as server` on."""

    def __init__(self) -> None:
        self.objects: list[Object] = []
        self.pods: dict[tuple[str, str], pods.FakePod] = {}
        self.allowed = True  # what a SelfSubjectAccessReview says
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[tuple[re.Pattern[str], Fault]] = []
        self.on_request: Callable[[str], None] = lambda _path: None
        self.dies_after: int | None = None
        self.version = 100
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.api = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    def add(self, api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
        """Put an object in; `metadata` in `rest` is added to the name's."""
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
        made = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
        self.objects.append(made)
        return made

    def fault(self, path: str, *answers: Answer | None, lasting: bool = False) -> None:
        """Answer requests whose path matches with these, one after another; the last for ever if `lasting`."""

        def give(_path: str, before: int) -> Answer | None:
            if before < len(answers):
                return answers[before]
            return answers[-1] if lasting else None

        self.faults.append((re.compile(path), give))

    def kubeconfig(self, folder: Path, *, extension: Mapping[str, Any] | None = None, token: str = "") -> Path:
        """Write a kubeconfig that leads here."""
        cluster: dict[str, Any] = {"server": self.url}
        if extension is not None:
            cluster["extensions"] = [{"name": "seatrial", "extension": dict(extension)}]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": "fake", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._http.tls = context

    def start(self) -> None:
        self._thread.start()

    def die(self) -> None:
        """Close the port and every connection, as a killed process does. Idempotent."""
        with self._lock:
            if self.ended.is_set():
                return
            self.ended.set()
        self._http.socket.close()
        for one in list(self._connections):
            # The other side, or the handler, may have closed it at this moment.
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def stop(self) -> None:
        self.die()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def seen(self, pattern: str) -> list[str]:
        """The requests whose path matches."""
        return [path for path in self.requests if re.search(pattern, path)]

    def answer(self, path: str) -> Answer:
        """What to say to a GET."""
        with self._lock:
            self.requests.append(path)
            count = len(self.requests)
        self.on_request(path)
        if self.dies_after is not None and count > self.dies_after:
            self.die()
        for pattern, fault in self.faults:
            if pattern.search(path):
                before = len([p for p in self.requests[:-1] if pattern.search(p)])
                given = fault(path, before)
                if given is not None:
                    return given
        return self._truth(path)

    def _truth(self, path: str) -> Answer:
        url = urlsplit(path)
        if url.path == "/version":
            return _json({"gitVersion": "v1.36.3"})
        found = re.fullmatch(
            r"/(?:api/(v1)|apis/([^/]+/[^/]+))(?:/namespaces/([^/]+))?(?:/([^/]+))?(?:/([^/]+))?", url.path
        )
        if found is None:
            return NOWHERE
        core, grouped, namespace, plural, name = found.groups()
        api_version = core or grouped
        known = {p: (kind, namespaced) for (v, kind), (p, namespaced) in KINDS.items() if v == api_version}
        if namespace is not None and plural is None:
            plural, name, namespace = "namespaces", namespace, None
        if not known or (plural and plural not in known):
            return NOWHERE
        if plural is None:
            return _json({"kind": "APIResourceList", "resources": [_resource(*one) for one in known.items()]})
        kind = known[plural][0]
        items = [
            o
            for o in self.objects
            if (o["apiVersion"], o["kind"]) == (api_version, kind)
            and namespace in (None, o["metadata"].get("namespace"))
        ]
        items = _selected(items, parse_qs(url.query).get("labelSelector", [""])[0])
        if name is not None:
            one = next((o for o in items if o["metadata"]["name"] == name), None)
            return _json(one) if one else status(404, f'{plural} "{name}" not found')
        return self._page(items, kind, api_version, parse_qs(url.query))

    def _page(self, items: list[Object], kind: str, api_version: str, query: dict[str, list[str]]) -> Answer:
        first = int(query.get("continue", ["0"])[0])
        limit = int(query.get("limit", ["0"])[0]) or len(items)
        last = first + limit
        # As the real one: the items of a list carry neither apiVersion nor kind.
        bare = [{k: v for k, v in o.items() if k not in ("apiVersion", "kind")} for o in items[first:last]]
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if last < len(items):
            metadata["continue"] = str(last)
        return _json({"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata, "items": bare})


@contextmanager
def serving() -> Iterator[FakeApiServer]:
    """A server that ends with the context."""
    server = FakeApiServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _selected(items: list[Object], selector: str) -> list[Object]:
    wanted = dict(part.split("=") for part in selector.split(",") if part)
    return [o for o in items if wanted.items() <= o["metadata"].get("labels", {}).items()]


def _resource(plural: str, about: tuple[str, bool]) -> dict[str, Any]:
    return {"name": plural, "kind": about[0], "namespaced": about[1], "verbs": ["get", "list", "watch", "create"]}


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


class _Http(http.server.ThreadingHTTPServer):
    api: FakeApiServer
    tls: ssl.SSLContext | None = None
    daemon_threads = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a bad handshake harms nobody else."""
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        with request:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off is what the tests want."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.api._connections.add(self.connection)

    def finish(self) -> None:
        self.server.api._connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        api = self.server.api
        api.headers.append(dict(self.headers.items()))
        answer = api.answer(self.path)
        if answer is NOWHERE and pods.handle(self, api.pods, api.ended):
            return
        if api.ended.is_set() or answer.hangs_up:
            self.close_connection = True
            return
        if answer.hangs:
            api.ended.wait()
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (1000 if answer.breaks_off else 0)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer.body)
        self.close_connection = self.close_connection or answer.breaks_off

    def do_HEAD(self) -> None:
        """Only a Pod is asked so, by the proxy."""
        self.do_GET()

    def do_POST(self) -> None:
        """The one thing that is asked by POST: what the caller may do."""
        self.rfile.read(int(self.headers["Content-Length"]))
        pods.say(self, 201, json.dumps({"status": {"allowed": self.server.api.allowed}}).encode())
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
