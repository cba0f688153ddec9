"""Attacks by HTTP on a whole platform: the proxy, the Hub, other people's workspaces, the way in."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import APIRequestContext, APIResponse, Playwright

from tests.e2e.portal.conftest import Platform
from webapp.accounts.limits import SAME_NAME

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


WORKSPACE = [
    "/user/nadia/",
    "/user/nadia/lab",
    "/user/nadia/tree",
    "/user/nadia/api/terminals",
    "/user/nadia/api/contents/",
    "/user/nadia/files/labs/services/kubeconfig",
    "/user/nadia/api/kernels",
    "/user/Nadia/api/terminals",
    "/user/mallory/../nadia/api/terminals",
    "/user/mallory/%2e%2e/nadia/api/terminals",
    "/user/mallory/..%2fnadia/api/terminals",
    "/hub/user/nadia/api/terminals",
    "/hub/spawn/nadia",
]


@pytest.mark.parametrize("who", ["mallory", ""])
@pytest.mark.parametrize("path", WORKSPACE)
def test_another_students_workspace_is_closed(enter: Enter, who: str, path: str) -> None:
    client = enter(who)
    answer = client.get(path)
    if who:
        # 424 and 503 are the Hub's, for a workspace of one's own that does not run.
        assert answer.status in (403, 404, 424, 503), (path, answer.status)
    else:
        assert answer.status in (403, 404) or urlsplit(answer.url).path == "/hub/login", path
    assert "client-key-data" not in answer.text()
    made = client.post(path, data="{}", headers={"Content-Type": "application/json"})
    assert made.status in (403, 404, 405, 424, 503), (path, made.status)


@pytest.mark.parametrize("who", ["mallory", "nadia", ""])
def test_a_websocket_from_elsewhere_is_refused(enter: Enter, platform: Platform, who: str) -> None:
    """Of another student's terminal always; of one's own where another site's page asks for it."""
    client = enter(who)
    if who:
        client.get("/user/nadia/lab")
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in client.storage_state()["cookies"])
    place = urlsplit(platform.address)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    connection.putrequest("GET", "/user/nadia/terminals/websocket/1")
    for name, value in {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "c2VhdHJpYWwtdHJpYWwtMQ==",
        "Origin": "http://evil.example",
        "Cookie": cookies,
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status in (302, 403, 404, 503)
    connection.close()


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
