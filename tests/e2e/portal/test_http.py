"""Attacks by HTTP on a whole platform: the proxy, the Hub, other people's workspaces, the way in."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import APIRequestContext, APIResponse, Playwright

from tests.e2e.portal.conftest import Platform
from webapp.accounts import passwords
from webapp.accounts.limits import SAME_NAME
from webapp.workspaces.hub import HubApi

pytestmark = pytest.mark.browser
Enter = Callable[..., APIRequestContext]


def attempt(client: APIRequestContext, name: str, password: str, then: str = "", **headers: str) -> APIResponse:
    """Fill in the Hub's form."""
    form = client.get("/hub/login", headers=headers)
    token = re.search(r'name="_xsrf" value="([^"]*)"', form.text())
    assert token is not None
    fields = {"username": name, "password": password, "_xsrf": token[1]}
    return client.post(f"/hub/login{then}", form=fields, headers=headers, max_redirects=0)


@pytest.fixture
def enter(playing: Playwright, platform: Platform) -> Iterator[Enter]:
    """A client without pages: enter("mallory") signed in, enter() not."""
    opened = []

    def come(name: str = "") -> APIRequestContext:
        client = playing.request.new_context(base_url=platform.address)
        opened.append(client)
        if name:
            assert attempt(client, name, platform.passwords[name]).status == 302
            assert client.get("/services/portal/").status == 200
        return client

    yield come
    for client in opened:
        client.dispose()


@dataclass(frozen=True)
class Working:
    """Nadia at work: her workspace runs, and a terminal is open in it."""

    terminal: str
    secret: str  # what stands in a file of hers


@pytest.fixture(scope="module")
def working(playing: Playwright, platform: Platform) -> Iterator[Working]:
    """Her workspace, started as the portal starts it."""
    client = playing.request.new_context(base_url=platform.address)
    assert attempt(client, "nadia", platform.passwords["nadia"]).status == 302
    client.dispose()
    hub = HubApi(platform.portal.settings)
    hub.ensure_server("nadia")
    secret = passwords.draw()
    diary = {"type": "file", "format": "text", "content": secret}
    assert hub.at_server("nadia", "PUT", "api/contents/diary.txt", diary).status == 201
    opened = hub.at_server("nadia", "POST", "api/terminals", {"name": "nadias_shell"})
    assert opened.status == 200
    yield Working(str(opened.body["name"]), secret)
    hub.stop_server("nadia")


# Where the Hub asks who it is, and where nobody is led on to it.
PAGES = ("", "lab", "lab/tree/diary.txt", "files/diary.txt")
API = ("api/terminals", "api/terminals/{terminal}", "api/contents/", "api/contents/diary.txt", "api/kernels", "api/me")


@pytest.mark.parametrize("path", [*PAGES, *API])
def test_ones_own_workspace_is_open(enter: Enter, working: Working, path: str) -> None:
    """Or nothing below would prove anything."""
    client = enter("nadia")
    assert client.get("/user/nadia/lab").status == 200
    answer = client.get(f"/user/nadia/{path.format(terminal=working.terminal)}")
    assert answer.status == 200
    assert urlsplit(answer.url).path.startswith("/user/nadia/")


@pytest.mark.parametrize("who", ["mallory", "instructor", ""])
@pytest.mark.parametrize("path", [*PAGES, *API])
def test_another_students_workspace_is_closed(enter: Enter, working: Working, who: str, path: str) -> None:
    """Also to an instructor: what a student's server serves is the student's, and would run with their rights."""
    client = enter(who)
    address = f"/user/nadia/{path.format(terminal=working.terminal)}"
    answer = client.get(address)
    if path in API or who:
        assert answer.status == 403, (address, answer.status)
    else:
        assert urlsplit(answer.url).path == "/hub/login", address
    assert working.secret not in answer.text()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        # Without a body: a server that refuses before it has read one closes, which the proxy tells as 503.
        made = client.fetch(address, method=method)
        assert made.status in (403, 405), (method, address, made.status)


@pytest.mark.parametrize("who", ["mallory", "instructor"])
@pytest.mark.parametrize(
    "path",
    [
        "/user/Nadia/api/terminals",
        "/user/mallory/../nadia/api/terminals",
        "/user/mallory/%2e%2e/nadia/api/terminals",
        "/user/mallory/..%2fnadia/api/terminals",
        "/user//nadia/api/terminals",
        "/hub/user/nadia/api/terminals",
        "/hub/spawn/nadia",
    ],
)
def test_no_other_spelling_leads_there(enter: Enter, working: Working, who: str, path: str) -> None:
    answer = enter(who).get(path)
    assert working.terminal not in answer.text()
    # 400: no address to lead anybody back to; 424: one's own, which does not run.
    assert answer.status in (400, 403, 404, 424), (path, answer.status)


def ask(platform: Platform, client: APIRequestContext, path: str, **headers: str) -> http.client.HTTPConnection:
    """Send a request with the client's cookies, on a connection of its own."""
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in client.storage_state()["cookies"])
    place = urlsplit(platform.address)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    connection.putrequest("GET", path)
    for name, value in {"Cookie": cookies, **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection


def websocket(platform: Platform, client: APIRequestContext, path: str, origin: str) -> http.client.HTTPConnection:
    """Ask for a WebSocket as a page of `origin` does."""
    words = {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "c2VhdHJpYWwtdHJpYWwtMQ==", "Origin": origin}
    return ask(platform, client, path, Connection="Upgrade", Upgrade="websocket", **words)


def handshake(platform: Platform, client: APIRequestContext, path: str, origin: str) -> int:
    """The status of the answer to that."""
    connection = websocket(platform, client, path, origin)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.usefixtures("at_work")
def test_hundreds_that_say_nothing_keep_nobody_out(enter: Enter, platform: Platform, working: Working) -> None:
    """Connections without a word, heads without an end, WebSockets and event streams of one student's."""
    place = urlsplit(platform.address)
    nadia = enter("nadia")
    nadia.get("/user/nadia/lab")
    with contextlib.ExitStack() as held:
        for number in range(300):
            silent = held.enter_context(socket.create_connection((str(place.hostname), place.port or 0)))
            if number % 2:
                silent.sendall(b"GET /services/portal/ HTTP/1.1\r\nHost: portal\r\nX-Half:")
        opened = []
        for _ in range(100):
            terminal = f"/user/nadia/terminals/websocket/{working.terminal}"
            opened.append(websocket(platform, nadia, terminal, platform.address))
            opened.append(ask(platform, nadia, "/services/portal/labs/services/events"))
        for connection in opened:
            held.callback(connection.close)
        assert {connection.getresponse().status for connection in opened[::2]} == {101}
        assert {connection.getresponse().status for connection in opened[1::2]} == {200, 429}
        other = enter("harriet")
        for path in ("/services/portal/", "/services/portal/labs/services", "/services/portal/results"):
            assert other.get(path).status == 200, path
        assert nadia.get("/services/portal/labs/services").status == 200, "and her own pages go on"


def test_a_terminal_is_its_owners_alone_and_of_our_pages_alone(
    enter: Enter, platform: Platform, working: Working
) -> None:
    path = f"/user/nadia/terminals/websocket/{working.terminal}"
    own = platform.address
    nadia = enter("nadia")
    nadia.get("/user/nadia/lab")
    assert handshake(platform, nadia, path, own) == 101
    for elsewhere in ("http://evil.example", "null", own.replace("127.0.0.1", "localhost"), f"{own}1"):
        assert handshake(platform, nadia, path, elsewhere) == 403, elsewhere
    for who in ("mallory", "instructor", ""):
        other = enter(who)
        other.get("/user/nadia/lab")
        assert handshake(platform, other, path, own) == 403, who


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/hub/api/users"),
        ("GET", "/hub/api/users/nadia"),
        ("GET", "/hub/api/users/nadia/tokens"),
        ("GET", "/hub/api/services"),
        ("GET", "/hub/api/proxy"),
        ("GET", "/hub/admin"),
        ("POST", "/hub/api/users/nadia/server"),
        ("POST", "/hub/api/users/nadia/tokens"),
        ("DELETE", "/hub/api/users/nadia/server"),
        ("DELETE", "/hub/api/users/nadia"),
        ("POST", "/hub/api/shutdown"),
        ("POST", "/hub/api/proxy"),
        ("PATCH", "/hub/api/users/mallory"),
    ],
)
def test_the_hub_does_nothing_for_a_student_but_the_students_own(enter: Enter, method: str, path: str) -> None:
    answer = enter("mallory").fetch(path, method=method, data="{}" if method != "GET" else None)
    listed = path == "/hub/api/services" and answer.json() == {}
    assert answer.status in (403, 404) or listed, answer.text()


def test_the_portals_pages_know_who_comes(enter: Enter) -> None:
    mallory = enter("mallory")
    assert mallory.get("/services/portal/class").status == 403
    assert mallory.get("/services/portal/class/scores.csv").status == 403
    assert mallory.get("/services/portal/labs/services/events?user=nadia").status == 403
    assert mallory.post("/services/portal/labs/services/start").status == 403


@pytest.mark.parametrize("there", ["//evil.example/", "https://evil.example/", "/\\evil.example", "http:evil.example"])
def test_signing_in_leads_nowhere_else(enter: Enter, platform: Platform, there: str) -> None:
    answer = attempt(enter(), "mallory", platform.passwords["mallory"], f"?next={there}")
    assert answer.status == 302
    where = urlsplit(answer.headers["location"].replace("\\", "/"))
    assert where.netloc in ("", urlsplit(platform.address).netloc)


def test_a_megabyte_in_the_sign_in_form_is_refused_and_nothing_is_held_up(enter: Enter, platform: Platform) -> None:
    client, size = enter(), 1024 * 1024
    form = client.get("/hub/login")
    token = re.search(r'name="_xsrf" value="([^"]*)"', form.text())
    assert token is not None
    for field in ("username", "password", "more"):
        fields = {"username": "nadia", "password": "wrong", "_xsrf": token[1], field: "\N{ELEPHANT}" * (size // 4)}
        answer = client.post("/hub/login", form=fields, max_redirects=0)
        assert answer.status in (200, 400, 401, 403, 413), (field, answer.status)
        assert "Traceback" not in answer.text()
        assert len(answer.body()) < size // 4, "it is not given back"
    assert attempt(enter(), "nadia", platform.passwords["nadia"]).status == 302


def test_the_sign_in_form_is_our_own(enter: Enter, platform: Platform) -> None:
    client = enter()
    fields = {"username": "mallory", "password": platform.passwords["mallory"]}
    assert client.post("/hub/login", form=fields, max_redirects=0).status == 403
    page = client.get("/hub/login")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_guessing_is_slowed_down_wherever_it_says_it_comes_from(enter: Enter, platform: Platform) -> None:
    """What comes from this machine may be a web server's, whose word on the address counts. Then the name's own limit
    holds. Last, since nobody signs in as this user any more for a while."""
    client = enter()
    for number in range(SAME_NAME + 1):
        answer = attempt(client, "mallory", f"guess {number}", **{"X-Forwarded-For": f"203.0.113.{number}"})
        assert number > 0 or answer.status in (200, 401, 403)
    assert answer.status == 429
    assert "Too many failed sign-ins; try again in" in answer.text()
    assert attempt(client, "mallory", platform.passwords["mallory"]).status == 429, "nor with the right one"
    assert attempt(enter(), "nadia", platform.passwords["nadia"]).status == 302, "others are let in"
