"""The stream and the picture in a real browser: what the page does with what it is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Playwright, expect

from tests.e2e.portal.conftest import chromium
from tests.fakes.looking import Lookers
from tests.fakes.serving import application
from tests.webapp.conftest import Browser
from webapp.accounts import signin
from webapp.database import Database
from webapp.live.services import Feeds
from webapp.sessions.access import Stand
from webapp.sessions.models import LabSession, Observed
from webapp.settings import PREFIX

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"
STATIC = f"{PREFIX}/static"
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Live</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{STATIC}/mark.svg"><link rel="stylesheet" href="{STATIC}/portal.css"></head>
<body><main><p id="session" data-state="running"></p>
<div data-events="{PREFIX}/labs/services/events"></div><div id="cluster-view" class="cluster-view"></div></main>
<script type="module" src="{STATIC}/clusterview.js"></script><script type="module" src="{STATIC}/live.js"></script>
</body></html>"""
# As strict as the portal's own.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"


expect.set_options(timeout=30_000)


def box(  # noqa: PLR0917 - a line a box
    id: str, kind: str, name: str, state: str = "ok", detail: str = "", node: str = "", count: int = 1
) -> Any:
    return {
        "id": id,
        "kind": kind,
        "name": name,
        "state": state,
        "detail": detail,
        "node": node,
        "count": count,
        "namespace": "",
    }


def picture(*pods: Any) -> dict[str, Any]:
    return {
        "namespace": "shop",
        "left_out": 0,
        "machines": [{"name": f"node-{n}", "state": "ok", "detail": "ready"} for n in (1, 2, 3)],
        "nodes": [
            box("d", "Deployment", "web", "ok", "2 of 2 ready"),
            box("r", "ReplicaSet", "web-757d5d99fc", "ok", "2 of 2 ready"),
            *pods,
            box("s", "Service", "web", "ok", "ClusterIP, 80 → 8080"),
        ],
        "edges": [
            {"from": "d", "to": "r", "kind": "owns"},
            *({"from": "r", "to": one["id"], "kind": "owns"} for one in pods),
            *({"from": "s", "to": one["id"], "kind": "selects"} for one in pods),
        ],
    }


FIRST = box("p1", "Pod", "web-757d5d99fc-aaaaa", "ok", "running", "node-1")
SECOND = box("p2", "Pod", "web-757d5d99fc-bbbbb", "bad", HOSTILE, "node-2")
THIRD = box("p3", "Pod", "web-757d5d99fc-ccccc", "pending", "being created", "node-1")


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Chromium]:
    path = chromium()
    if path is None:
        if "browser" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
            pytest.fail("a browser is required here: there is no chromium on PATH")
        pytest.skip("there is no chromium on PATH")
    playing: Playwright = request.getfixturevalue("playing")  # a process can have only one
    one = playing.chromium.launch(executable_path=path)
    yield one
    one.close()


@pytest.fixture
def lookers() -> Lookers:
    return Lookers()


@pytest.fixture
def address(app: Flask, database: Database, lookers: Lookers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The portal, with clusters that the test plays."""
    monkeypatch.setattr("webapp.live.rows.stand", lambda db, session: Stand(*["x"] * 4))  # type: ignore[arg-type]
    app.extensions["seatrial.live"].close()
    feeds = app.extensions["seatrial.live"] = Feeds(database, opener=lookers)
    with application(app) as there:
        yield there
        feeds.close()


@pytest.fixture
def open_page(browser: Chromium, address: str, student: Browser, database: Database) -> Iterator[Callable[[int], Page]]:
    """The page of a running lab in a window of some width; it must not complain of anything."""
    assert student.user is not None
    with database.transaction() as db:
        db.add(LabSession(user_id=student.user.id, lab="services", observed=Observed.RUNNING, observed_generation=1))
    cookie = student.client.get_cookie(signin.COOKIE, path=f"{PREFIX}/")
    assert cookie is not None
    complaints: list[str] = []
    contexts = []

    def open_it(width: int) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        context.add_cookies([{"name": signin.COOKIE, "value": cookie.value, "url": address + PREFIX}])
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.route(
            f"{address}/page",
            lambda route: route.fulfill(
                body=PAGE, content_type="text/html", headers={"Content-Security-Policy": POLICY}
            ),
        )
        page.goto(f"{address}/page")
        return page

    yield open_it
    for one in contexts:
        one.close()
    assert complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_deleted_pod_is_seen_to_be_replaced(open_page: Callable[[int], Page], lookers: Lookers, width: int) -> None:
    page = open_page(width)
    look = lookers.next()
    look.tell("cluster", **picture(FIRST, SECOND))
    expect(page.locator(".cv-lane")).to_have_count(3)
    expect(page.locator(".cv-lane").nth(0).locator(".cv-name").nth(1)).to_have_text("…aaaaa")
    # What a student wrote is text.
    expect(page.get_by_role("button", name=f"Pod {SECOND['name']}: {HOSTILE}")).to_be_visible()
    expect(page.locator(".cv-stage img")).to_have_count(0)
    expect(page.locator("path.owns")).to_have_count(3)
    # It goes within a second: whoever looks afterwards is told by one who looked on.
    page.evaluate(
        "new MutationObserver((all) => all.forEach((one) => document.body.classList.add(...one.target.classList)))"
        ".observe(document.querySelector('.cv-stage'), {subtree: true, attributeFilter: ['class']})"
    )
    look.tell("cluster", **picture(SECOND, THIRD))
    expect(page.locator("body.cv-leaving")).to_be_attached()
    expect(page.locator(".cv-box.cv-new")).to_have_count(1)
    lane = page.locator(".cv-lane").nth(0).locator(".cv-box")
    expect(lane).to_have_count(1)
    expect(lane).to_contain_text("…ccccc")
    expect(lane).to_contain_text("being created")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_used_by_keyboard_and_told_as_text(open_page: Callable[[int], Page], lookers: Lookers) -> None:
    page = open_page(1280)
    lookers.next().tell("cluster", **picture(FIRST, SECOND))
    expect(page.locator(".cv-box")).to_have_count(5)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Deployment web: 2 of 2 ready")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".cv-box:focus")).to_have_attribute("data-kind", "Pod")
    page.keyboard.press("Enter")
    expect(page.locator(".cv-box[aria-pressed=true]")).to_have_count(1)
    expect(page.locator(".cv-detail")).to_contain_text("owned by ReplicaSet web-757d5d99fc; reached by Service web.")
    page.keyboard.press("Escape")
    expect(page.locator(".cv-box[aria-pressed=true]")).to_have_count(0)
    # One stop for the whole picture: the next is the text.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".cv-text li")).to_have_count(3 + 5)
    expect(page.locator(".cv-text")).to_contain_text("Service web: ClusterIP, 80 → 8080; sends to Pod")


def test_events_reach_the_page_and_an_outage_is_seen(open_page: Callable[[int], Page], lookers: Lookers) -> None:
    page = open_page(1280)
    page.evaluate(
        "for (const name of ['tasks', 'session', 'live'])"
        " document.addEventListener(`seatrial:${name}`, (e) => document.body.dataset[name] = JSON.stringify(e.detail))"
    )
    look = lookers.next()
    look.tell("cluster", **picture(FIRST))
    look.tell("tasks", tasks=[], score=2.0, stale=False, notice=HOSTILE)
    expect(page.locator("body[data-tasks*='2']")).to_be_attached()
    expect(page.locator(".cv-box")).to_have_count(4)
    look.tell("tasks", tasks=[], score=2.0, stale=True, notice="gone")
    expect(page.locator(".cv-stale")).to_be_attached()


def test_five_hundred_pods_and_nothing_at_all(open_page: Callable[[int], Page], lookers: Lookers) -> None:
    page = open_page(390)
    look = lookers.next()
    look.tell("cluster", namespace="shop", left_out=0, machines=[], nodes=[], edges=[])
    expect(page.get_by_text("Nothing of yours is in the cluster yet.")).to_be_visible()
    look.tell("cluster", **picture(box("g", "Pod", "500 Pods", "pending", "250 well, 250 on the way", "", 500)))
    expect(page.locator(".cv-nowhere")).to_contain_text("on several nodes")
    expect(page.get_by_role("button", name="500 Pods: 250 well, 250 on the way")).to_be_visible()
    expect(page.get_by_text("Nothing of yours")).to_be_hidden()
