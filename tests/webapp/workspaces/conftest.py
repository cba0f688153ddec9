"""Sandboxes with an agent inside, the relay beside them, and stand-ins for the Hub and for students' API servers."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.webapp.workspaces.agents import AGENT
from webapp.settings import Settings, from_environment
from webapp.workspaces import homes, places, sandbox, starting
from webapp.workspaces.control import poke
from webapp.workspaces.limits import LIMITS, Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process

REPOSITORY = Path(__file__).resolve().parents[3]
TOKENS = {1: "ada-token-3f1c", 2: "eve-token-77ab"}


@dataclass
class Outcome:
    """What an attack came to."""

    code: int
    output: str


class Inside:
    """One student's running sandbox."""

    def __init__(
        self, place: Place, process: Process, python: str, outer: subprocess.Popen[bytes] | None = None
    ) -> None:
        """`python` is the one within; `outer` is bubblewrap's outer process, which is ours to collect."""
        self.place, self.process, self.outer, self._python = place, process, outer, python

    def run(self, script: str, timeout: float = 60) -> Outcome:
        """Run a script as the student. Raises OSError where the sandbox has ended."""
        connection = http.client.HTTPConnection("sandbox", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        try:
            connection.sock.connect(str(self.place.socket))
            connection.request("POST", "/", body=script.encode())
            told = json.loads(connection.getresponse().read())
        except http.client.HTTPException as fault:
            raise OSError("the sandbox has ended") from fault
        finally:
            connection.close()
        return Outcome(told["code"], told["output"])

    def python(self, program: str, timeout: float = 60) -> Outcome:
        return self.run(f"{self._python} -I - <<'PROGRAM'\n{program}\nPROGRAM\n", timeout)

    def ends(self, within: float = 60) -> bool:
        """Wait until the sandbox is gone."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.process.pid)
            select.select([descriptor], [], [], within)
            os.close(descriptor)
        return not self.process.alive()

    def end(self) -> None:
        self.process.signal(signal.SIGKILL)
        self.ends()
        if self.outer is not None:
            self.outer.wait(10)
        homes.unmount(self.place)


@dataclass
class House:
    """A data folder with its relay, and the sandboxes in it."""

    settings: Settings
    hub: StandIn
    relay: subprocess.Popen[bytes] | None = None
    running: list[Inside] = field(default_factory=list)
    contained = False

    def open(self, user_id: int, limits: Limits = LIMITS) -> Inside:
        place = places.of(self.settings.workspaces, user_id)
        hub = {"JUPYTERHUB_API_TOKEN": TOKENS.get(user_id, f"token-{user_id}")}
        command = [sys.executable, "-I", "-c", AGENT]
        started = starting.start(self.settings, place, limits, sandbox.environment(hub), command)
        return self.has(Inside(place, started.process, sys.executable, started.outer))

    def has(self, opened: Inside) -> Inside:
        """Another one that runs."""
        self.running.append(opened)
        poke(self.settings.workspaces, opened.place.user_id)
        opened.run("true")
        return opened

    def start_relay(self) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SEATRIAL_DATA": str(self.settings.data)}
        environment["SEATRIAL_PORT"] = str(self.settings.port)
        self.relay = subprocess.Popen(
            [sys.executable, "-m", "webapp.workspaces.relay"], env=environment, cwd=REPOSITORY
        )
        until(lambda: poke(self.settings.workspaces, 1), "the relay answers")

    def kill_relay(self) -> None:
        if self.relay is not None:
            self.relay.kill()
            self.relay.wait()
            self.relay = None

    def close(self) -> None:
        for opened in self.running:
            opened.end()
        self.kill_relay()


class ContainerHouse(House):
    """A data folder whose workspaces are containers."""

    contained = True

    def open(self, user_id: int, limits: Limits = LIMITS) -> Inside:
        from tests.webapp.workspaces.containers import Alone
        from webapp.workspaces.containers import container

        place = places.of(self.settings.workspaces, user_id)
        hub = {"JUPYTERHUB_API_TOKEN": TOKENS.get(user_id, f"token-{user_id}")}
        python = f"{container.PYTHON}/bin/python"
        process = Alone.opened(self.settings, place, limits, hub, [python, "-I", "-c", AGENT])
        return self.has(Inside(place, process, python))


def until(true: Any, what: str, within: float = 60) -> None:
    """Wait for a condition that another process brings about."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        select.select([], [], [], 0.05)


class Server(http.server.ThreadingHTTPServer):
    """One that many may ask at once."""

    request_queue_size = 512


class StandIn:
    """A server of the machine's loopback that remembers what it was asked."""

    def __init__(self, says: str) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.bodies: list[bytes] = []
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                stand_in.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                stand_in.asked.append((self.command, self.path, self.headers.get("Authorization")))
                body = json.dumps({"says": says, "path": self.path}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Set-Cookie", "hub=secret")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer

            def log_message(self, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def demand_sandbox() -> None:
    """Skip where there is no bubblewrap; fail where SEATRIAL_REQUIRE names `portal`."""
    if shutil.which("bwrap"):
        return
    if "portal" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail("bubblewrap is required here")
    pytest.skip("bubblewrap is not installed")


KEPT_IN = ("sandbox", pytest.param("container", marks=pytest.mark.kind))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Attacks are tried on whatever keeps a workspace in."""
    if "test_attacks" in metafunc.module.__name__ and "house" in metafunc.fixturenames:
        metafunc.parametrize("house", KEPT_IN, indirect=True, scope="module")


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A platform with a relay and a Hub that answers anything to anybody; workspaces are sandboxes, or containers."""
    contained = getattr(request, "param", "sandbox") == "container"
    if contained:
        request.getfixturevalue("workspace_image")
    else:
        demand_sandbox()
    hub = StandIn("hub")
    with tempfile.TemporaryDirectory(prefix="ws-", ignore_cleanup_errors=True) as folder:
        settings = from_environment({"SEATRIAL_DATA": folder, "SEATRIAL_PORT": str(hub.port)})
        made = (ContainerHouse if contained else House)(settings, hub)
        try:
            made.start_relay()
            yield made
        finally:
            made.close()
            hub.close()


@pytest.fixture(scope="module")
def api_servers() -> Iterator[dict[int, StandIn]]:
    """A server for each student, which stands for the API server of their cluster."""
    made = {1: StandIn("ada's cluster"), 2: StandIn("eve's cluster")}
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(scope="module")
def delivered(house: House, api_servers: dict[int, StandIn]) -> None:
    """Each student has one lab."""
    for user_id, server in api_servers.items():
        deliver(house, user_id, server.port)


@pytest.fixture(scope="module")
def ada(house: House, delivered: None) -> Inside:
    """A student who works."""
    return house.open(1)


@pytest.fixture(scope="module")
def eve(house: House, delivered: None, ada: Inside) -> Inside:
    """A student who attacks."""
    return house.open(2)


def deliver(house: House, user_id: int, port: int, slug: str = "lamp", readme: str = "# Lamp\n") -> None:
    """Hand a lab into a workspace, as the reconciler does."""
    from webapp.workspaces import files

    lab: Any = SimpleNamespace(slug=slug, readme=lambda: readme)
    user: Any = SimpleNamespace(id=user_id)
    files.deliver(house.settings, user, SimpleNamespace(id="session"), kubeconfig(port), lab)


def kubeconfig(port: int, host: str = "127.0.0.1") -> str:
    """A student's kubeconfig, less its certificates."""
    return f"""apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: https://{host}:{port}
    extensions:
    - name: seatrial
      extension: {{provider: kwok, components: {{scheduler: "127.0.0.1:31234"}}}}
users:
- name: student
  user: {{token: t-{port}}}
contexts:
- name: c
  context: {{cluster: c, user: student, namespace: shop}}
current-context: c
"""
