"""A student puts a server of their own in JupyterLab's place, which lets in everybody: real proxy, Hub and relay."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.webapp.workspaces.conftest import House, StandIn, deliver, demand_sandbox, until
from tests.webapp.workspaces.platforms import Platform, a_platform, type_into
from webapp.accounts import ticket
from webapp.settings import PREFIX
from webapp.workspaces import places, terminals

pytestmark = pytest.mark.portal

# What JupyterLab reads at its start becomes another server, with the same process and at the same port.
HOSTILE = r"""
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.send_response(101 if self.headers.get("Upgrade") else 200)
        for name in ("Connection", "Upgrade"):
            if self.headers.get("Upgrade"):
                self.send_header(name, self.headers[name])
        if not self.headers.get("Upgrade"):
            self.send_header("Connection", "keep-alive")
            self.send_header("Set-Cookie", "planted=1; Path=/")
            self.send_header("Content-Length", "11")
        self.end_headers()
        if not self.headers.get("Upgrade") and self.command != "HEAD":
            self.wfile.write(b"evil script")
        seen = str(self.headers.get("Cookie"))
        with open("/home/student/cookies", "a") as out:
            out.write(seen + "\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = answer

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 8888), Handler).serve_forever()
"""
PAGE = {"Accept": "text/html"}
SOCKET = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "c2VhdHJpYWwtdHJpYWwtMQ==",
}  # fmt: skip


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One in which ada has done that."""
    demand_sandbox()
    with a_platform(tmp_path_factory.mktemp("p"), "ada", "eve") as made:
        stand_in = StandIn("ada's cluster")
        deliver(House(made.settings, stand_in), 1, stand_in.port, slug="first-pod")
        made.api.ensure_server("ada")
        ada: Any = SimpleNamespace(id=1, name="ada")
        name = terminals.open(made.settings, ada, "first-pod")
        written = base64.b64encode(HOSTILE.encode()).decode()
        type_into(made, name, f"mkdir -p ~/.jupyter; echo {written} | base64 -d > ~/.jupyter/jupyter_server_config.py")
        made.api.stop_server("ada")
        made.api.ensure_server("ada")
        yield made
        stand_in.close()


class Client:
    """One connection to the public port."""

    def __init__(self, platform: Platform, *tickets: str) -> None:
        self.connection = http.client.HTTPConnection(platform.settings.host, platform.settings.port, timeout=60)
        self.cookies = {"Cookie": "; ".join(f"{ticket.COOKIE}={one}" for one in tickets)} if tickets else {}

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, where it leads, and what was said."""
        self.connection.request(method, path, headers={**self.cookies, **headers})
        answer = self.connection.getresponse()
        if answer.status == 101:
            answer.close()
            return 101, "", ""
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()


Come = Callable[..., Client]


@pytest.fixture
def come(platform: Platform) -> Iterator[Come]:
    """come(ticket, …): a browser with these tickets."""
    opened: list[Client] = []

    def connect(*tickets: str) -> Client:
        opened.append(Client(platform, *tickets))
        return opened[-1]

    yield connect
    for each in opened:
        each.connection.close()


def ticket_of(platform: Platform, user_id: int) -> str:
    return ticket.make(platform.settings.key(ticket.KEY), user_id)


def test_the_owner_gets_what_the_server_serves(platform: Platform, come: Come) -> None:
    ada = come(ticket_of(platform, 2), ticket_of(platform, 1))
    assert ada.ask("GET", "/user/ada/lab", **PAGE) == (200, "", "evil script")
    assert ada.ask("POST", "/user/ada/lab")[0] == 200
    assert come(ticket_of(platform, 1)).ask("GET", "/user/ada/ws", **SOCKET)[0] == 101
    assert platform.api.at_server("ada", "GET", "api/anything").status == 200


@pytest.mark.parametrize("who", [None, 2, 3])
def test_nobody_else_does(platform: Platform, come: Come, who: int | None) -> None:
    """A stranger, another student, an instructor or an administrator: they have tickets for their own, if any."""
    tickets = [] if who is None else [ticket_of(platform, who)]
    client = come(*tickets)
    status, there, said = client.ask("GET", "/user/ada/lab?x=%2F", **PAGE)
    assert (status, there, said) == (303, f"{PREFIX}/workspace?next=/user/ada/lab%3Fx%3D%252F", "")
    for path in ("/user/ada/", "/user/ada", "/user/%61da/", "/user/ada/..%2fada/", "/user/ada//lab"):
        answer = client.ask("GET", path, **PAGE)
        assert "evil" not in answer[2] and answer[0] != 200, path
    for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
        assert client.ask(method, "/user/ada/lab")[0] == 403, method
    assert client.ask("GET", "/user/ada/api/me", **PAGE)[0] == 403
    assert client.ask("GET", "/user/ada/lab", Authorization="Basic YWRhOmFkYQ==")[0] == 403
    assert come(*tickets).ask("GET", "/user/ada/ws", **SOCKET)[0] == 403


def test_no_connection_is_used_again_for_somebody_else(platform: Platform, come: Come) -> None:
    """The hostile server leaves all of them open."""
    client = come()
    for _ in range(5):
        assert client.ask("GET", "/user/ada/lab", Cookie=f"{ticket.COOKIE}={ticket_of(platform, 1)}")[0] == 200
        assert client.ask("GET", "/user/ada/lab")[0] == 403


def test_the_server_is_shown_no_tickets(platform: Platform, come: Come) -> None:
    ada = come(ticket_of(platform, 2), ticket_of(platform, 1))
    assert ada.ask("GET", "/user/ada/", Cookie=f"{ada.cookies['Cookie']}; mine=1")[0] == 200
    home = places.of(platform.settings.workspaces, 1)
    if not home.image.exists():
        seen = (home.home / "cookies").read_text()
        assert "mine=1" in seen and ticket.COOKIE not in seen
    environ = places.read_json(home.state)["pid"]
    with open(f"/proc/{environ}/environ", "rb") as file:  # noqa: PTH123
        assert platform.settings.key(ticket.KEY).encode() not in file.read()


def test_the_door_is_back_with_the_relay(platform: Platform, come: Come) -> None:
    own = {"Cookie": f"{ticket.COOKIE}={ticket_of(platform, 1)}"}
    platform.kill("relay")
    assert come().ask("GET", "/user/ada/lab", **own)[0] == 503
    platform.start("relay")
    until(lambda: come().ask("GET", "/user/ada/lab", **own)[0] == 200, "the owner is let in again")
    assert come().ask("GET", "/user/ada/lab")[0] == 403
    door = places.of(platform.settings.workspaces, 1).door
    assert door.stat().st_mode & 0o777 == 0o600
