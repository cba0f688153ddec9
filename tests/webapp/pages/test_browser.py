"""The lab page in a real browser; the workspace and the stream of events are played."""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Playwright, Route, WebSocketRoute, expect
from sqlalchemy import select, update

from tests.e2e.portal.conftest import chromium
from tests.fakes.serving import application
from tests.webapp.conftest import Browser
from tests.webapp.pages.gallery import GROUPS, report, take
from webapp.accounts import signin
from webapp.database import Database
from webapp.sessions.models import Desired, HintTaken, LabSession, Observed
from webapp.sessions.reconciler.preparing import LOST
from webapp.settings import PREFIX

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def path() -> str:
    """Chromium's path."""
    found = chromium()
    if found is None:
        if "browser" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
            pytest.fail("a browser is required here: there is no chromium on PATH")
        pytest.skip("there is no chromium on PATH")
    return found


@pytest.fixture(scope="module")
def browser(path: str, playing: Playwright) -> Iterator[Chromium]:
    """One Chromium for the module."""
    one = playing.chromium.launch(executable_path=path, args=["--no-sandbox"])
    yield one
    one.close()


class Workspace:
    """A workspace whose terminals the test plays. `typed` is what came, by the terminal's name."""

    def __init__(self) -> None:
        self.names = ["services_0a1b2c"]
        self.typed: dict[str, str] = {}
        self.sockets: dict[str, WebSocketRoute] = {}
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.refusal = ""
        # Whether it answers at all; how many of the next connections say nothing; whether what is typed is echoed.
        self.there = True
        self.mute = 0
        self.echo = True

    def page(self, route: Route) -> None:
        """A page of the workspace, or the Hub's in its place."""
        if self.there:
            route.fulfill(body="<p>Jupyter</p>", content_type="text/html")
        else:
            route.continue_()  # A page that is none of the workspace's, and may not be framed.

    def socket(self, socket: WebSocketRoute) -> None:
        """A terminal is connected to: what stood on it comes first."""
        name = socket.url.rpartition("/")[2]
        self.opened.append(name)
        if name not in self.names or not self.there:
            socket.close()  # As Jupyter does with a terminal that it does not know, the Hub where no server is.
            return
        if self.mute:
            self.mute -= 1
            return
        self.sockets[name] = socket

        def heard(message: str | bytes) -> None:
            kind, *content = json.loads(message)
            if kind == "stdin":
                self.typed[name] = self.typed.get(name, "") + content[0]
                if self.echo:
                    socket.send(json.dumps(["stdout", content[0].replace("\r", "\r\n")]))

        socket.on_message(heard)
        socket.send(json.dumps(["setup", {}]))
        socket.send(json.dumps(["stdout", f"{name} \x1b[?2004h$ "]))

    def api(self, route: Route) -> None:
        """The portal's own answers about terminals."""
        if self.refusal:
            route.fulfill(status=401 if self.refusal == "signed out" else 409, json={"error": self.refusal})
        elif route.request.method == "POST":
            self.names.append(f"services_{len(self.names):06x}")
            route.fulfill(status=201, json={"name": self.names[-1]})
        elif route.request.method == "DELETE":
            self.closed.append(route.request.url.rpartition("/")[2])
            route.fulfill(status=204)
        else:
            route.fulfill(json={"terminals": self.names if self.there else []})


@pytest.fixture
def workspace() -> Workspace:
    """One terminal is open."""
    return Workspace()


@pytest.fixture
def open_lab(
    app: Flask, browser: Chromium, student: Browser, database: Database, workspace: Workspace
) -> Iterator[Callable[..., Page]]:
    """The page of the lab Services, running: open_lab(width=390). Its console must stay silent."""
    assert student.user is not None
    with database.transaction() as db:
        row = LabSession(user_id=student.user.id, lab="services", observed=Observed.RUNNING, observed_generation=1)
        db.add(row)
    cookie = student.client.get_cookie(signin.COOKIE, path=f"{PREFIX}/")
    assert cookie is not None
    said: list[str] = []
    # A browser notes each connection that is refused; that they are is what some tests play.
    refused = re.compile(r"WebSocket connection to|a status of 40[149]|Error Code 401|frame-ancestors|/user/sam/")
    contexts = []
    with application(app) as address:

        def open_it(width: int = 1280, *, clock: bool = False, **more: Any) -> Page:
            context = browser.new_context(viewport={"width": width, "height": 800}, **more)
            contexts.append(context)
            context.add_cookies([{"name": signin.COOKIE, "value": cookie.value, "url": address + PREFIX}])
            page = context.new_page()
            if clock:
                page.clock.install()
            page.on("console", lambda m: said.append(m.text) if not refused.search(f"{m.text} {m.location}") else None)
            page.on("pageerror", lambda e: said.append(str(e)))
            page.route_web_socket("**/terminals/websocket/**", workspace.socket)
            page.route("**/user/**", workspace.page)
            page.route("**/labs/*/terminals**", workspace.api)
            page.route("**/labs/*/terminals/**", workspace.api)
            page.route(
                "**/labs/*/events",
                lambda route: route.fulfill(body="retry: 600000\n\n", content_type="text/event-stream"),
            )
            page.goto(f"{address}{PREFIX}/labs/services")
            return page

        yield open_it
        for context in contexts:
            context.close()
        app.extensions["seatrial.live"].close()
    assert said == []


def rows(page: Page) -> Any:
    """What the terminal in front shows."""
    return page.locator(".screen.shown .xterm-rows")


def tell(page: Page, name: str, detail: Any) -> None:
    """As live.js does when the server has said something."""
    page.evaluate(f"d => document.dispatchEvent(new CustomEvent('seatrial:{name}', {{detail: d}}))", detail)


def test_a_click_on_a_command_runs_it(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.get_by_role("button", name="Run in the terminal: kubectl get deployments,services,pods").click()
    expect(page.locator("button.run.done")).to_have_count(1)
    assert workspace.typed == {"services_0a1b2c": "kubectl get deployments,services,pods --show-labels\r"}


def test_a_command_that_was_asked_for_too_early_waits_for_its_terminal(
    open_lab: Callable[..., Page], workspace: Workspace
) -> None:
    workspace.names = []
    page = open_lab()
    page.locator("button.run").first.click()
    expect(page.locator("button.run.done")).to_have_count(1)
    assert list(workspace.typed.values()) == ["kubectl get deployments,services,pods --show-labels\r"]


def test_commands_run_by_keyboard_alone(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.locator("button.run").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("button.run.done")).to_have_count(1)
    assert workspace.typed["services_0a1b2c"].endswith("\r")


def test_several_lines_go_in_as_one_paste(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    tell(page, "run", {"text": "cat <<A\nx\nA", "enter": True})
    tell(page, "run", {"text": "", "enter": False})
    workspace.sockets["services_0a1b2c"].send(json.dumps(["stdout", "it came"]))
    expect(rows(page)).to_contain_text("it came")
    assert workspace.typed["services_0a1b2c"] == "\x1b[200~cat <<A\rx\rA\x1b[201~\r"


def test_a_lost_terminal_comes_back_with_what_stood_on_it(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    workspace.sockets["services_0a1b2c"].send(json.dumps(["stdout", "only before"]))
    expect(rows(page)).to_contain_text("only before")
    workspace.sockets["services_0a1b2c"].close()
    expect(rows(page)).not_to_contain_text("only before")
    expect(rows(page)).to_contain_text("services_0a1b2c")
    assert workspace.opened == ["services_0a1b2c"] * 2


def test_a_reload_finds_the_terminals_in_their_order(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.get_by_role("button", name="New terminal").click()
    expect(rows(page)).to_contain_text("services_000001")
    workspace.names.sort()
    page.reload()
    expect(rows(page)).to_contain_text("services_000001")
    expect(page.get_by_role("button", name="Terminal 2", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Terminal 1", exact=True).click()
    expect(rows(page)).to_contain_text("services_0a1b2c")


def test_a_shell_that_ends_is_told_and_another_can_be_had(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    workspace.sockets["services_0a1b2c"].send(json.dumps(["disconnect", 1]))
    workspace.sockets["services_0a1b2c"].close()
    expect(page.locator("#terminal-notice")).to_have_text("The shell has ended.")
    page.get_by_role("button", name="New terminal").click()
    expect(rows(page)).to_contain_text("services_000001")


def test_a_terminal_is_closed(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.get_by_role("button", name="Close terminal 1").click()
    expect(page.get_by_text("No terminal is open.")).to_be_visible()
    assert workspace.closed == ["services_0a1b2c"]


def test_a_socket_that_talks_nonsense_breaks_nothing(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    for nonsense in ("", "{", "null", "[]", '["stdout"]', '["other", 1]', "\x00"):
        workspace.sockets["services_0a1b2c"].send(nonsense)
    workspace.sockets["services_0a1b2c"].send(json.dumps(["stdout", "still here"]))
    expect(rows(page)).to_contain_text("still here")


def test_a_terminal_that_is_gone_is_dropped_and_another_opened(
    open_lab: Callable[..., Page], workspace: Workspace
) -> None:
    """The workspace was killed and started anew: Jupyter knows none of its terminals any more."""
    page = open_lab()
    expect(rows(page)).to_contain_text("services_0a1b2c")
    workspace.names = []
    workspace.sockets["services_0a1b2c"].close()
    expect(rows(page)).to_contain_text("services_000000")
    expect(page.locator("#terminal-notice")).to_contain_text("Your workspace was started anew")
    expect(page.locator(".terminal-bar .close")).to_have_count(1)
    page.get_by_role("button", name="Terminal 1", exact=True).click()
    page.keyboard.type("ls")
    expect(page.locator("#terminal-notice")).to_be_hidden()


def test_why_a_workspace_was_ended_is_told_until_it_was_read(
    open_lab: Callable[..., Page], workspace: Workspace
) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("services_0a1b2c")
    why = "Your workspace used up its memory, and was ended. Your files are kept."
    tell(page, "session", {"workspace_fault": why})
    workspace.names = []
    workspace.sockets["services_0a1b2c"].close()
    expect(rows(page)).to_contain_text("services_000000")
    expect(page.locator("#terminal-notice")).to_have_text(why)
    page.get_by_role("button", name="Terminal 1", exact=True).click()
    page.keyboard.type("ls")
    expect(page.locator("#terminal-notice")).to_be_hidden()
    page.reload()
    expect(rows(page)).to_contain_text("services_000000")
    tell(page, "session", {"workspace_fault": why})
    tell(page, "session", {"workspace_fault": why})
    expect(page.locator("#terminal-notice")).to_be_hidden()


def test_a_workspace_that_is_away_is_told_and_waited_for(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab(390)
    page.get_by_role("tab", name="Terminal").click()
    expect(rows(page)).to_contain_text("services_0a1b2c")
    workspace.there = False
    workspace.sockets["services_0a1b2c"].close()
    expect(page.locator("#terminal-notice")).to_contain_text("Your workspace does not answer. It is started again")
    workspace.names, workspace.there = [], True
    expect(rows(page)).to_contain_text("services_000000")


def test_a_workspace_that_ended_with_its_session_is_not_asked_for_ever(
    open_lab: Callable[..., Page], workspace: Workspace, database: Database
) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("services_0a1b2c")
    with database.transaction() as db:
        row = db.query(LabSession).one()
        row.desired, row.observed = Desired.STOPPED, Observed.STOPPED
    tell(page, "session", {})
    expect(page.locator("#session")).to_have_attribute("data-state", "stopped")
    workspace.there = False
    workspace.sockets["services_0a1b2c"].close()
    expect(page.get_by_text("The terminal opens when the lab is started.")).to_be_visible()
    expect(page.locator("#terminal-notice")).to_contain_text("comes back when the lab is started")
    expect(page.locator(".terminal-bar .close")).to_have_count(0)


def test_what_is_told_while_an_answer_is_under_way_is_asked_for_after_it(
    open_lab: Callable[..., Page], database: Database
) -> None:
    page = open_lab()
    held: list[Route] = []
    # Playwright takes no method that is written in C.
    page.route("**/labs/services", lambda route: held.append(route), times=1)  # noqa: PLW0108
    with page.expect_request("**/labs/services"):
        tell(page, "session", {})
    while not held:
        page.wait_for_timeout(20)
    old = held[0].fetch()
    with database.transaction() as db:
        row = db.query(LabSession).one()
        row.desired, row.observed = Desired.STOPPED, Observed.STOPPED
    tell(page, "session", {})
    held[0].fulfill(response=old)
    expect(page.locator("#session")).to_have_attribute("data-state", "stopped")


def test_a_websocket_that_says_nothing_is_given_up_and_tried_again(
    open_lab: Callable[..., Page], workspace: Workspace
) -> None:
    workspace.mute = 3
    page = open_lab(clock=True)
    expect(page.locator("#terminal-said")).to_have_text("Connecting …")
    page.clock.fast_forward(11_000)
    expect(page.locator("#terminal-notice")).to_contain_text("Connecting again")
    while workspace.mute:
        page.clock.run_for(11_000)
    page.clock.run_for(11_000)
    expect(rows(page)).to_contain_text("services_0a1b2c")
    expect(page.locator("#terminal-notice")).to_be_hidden()
    assert set(workspace.opened) == {"services_0a1b2c"}


def test_a_connection_that_is_half_open_is_made_anew(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    """What is typed comes nowhere, and nobody says so: after a sleep of the machine, or behind a router that forgot."""
    page = open_lab(clock=True)
    expect(rows(page)).to_contain_text("services_0a1b2c")
    workspace.echo = False
    page.get_by_role("button", name="Terminal 1", exact=True).click()
    page.keyboard.type("ls")
    assert workspace.opened == ["services_0a1b2c"]
    workspace.echo = True
    page.clock.run_for(11_000)
    expect(rows(page)).to_contain_text("services_0a1b2c")
    assert workspace.opened == ["services_0a1b2c"] * 2
    page.keyboard.type("pwd")
    expect(rows(page)).to_contain_text("pwd")
    page.clock.run_for(60_000)
    assert len(workspace.opened) == 2, "a connection that answers is left alone"


def test_after_a_sleep_every_connection_is_made_anew(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab(clock=True)
    expect(rows(page)).to_contain_text("services_0a1b2c")
    page.clock.fast_forward(3_600_000)  # each timer fires once at most, as on a laptop that was closed
    expect(rows(page)).to_contain_text("services_0a1b2c")
    assert workspace.opened == ["services_0a1b2c"] * 2


def test_a_page_whose_user_has_signed_out_says_so_and_goes_on_afterwards(
    open_lab: Callable[..., Page], workspace: Workspace
) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("services_0a1b2c")
    (cookie,) = [one for one in page.context.cookies() if one["name"] == signin.COOKIE]
    page.context.clear_cookies()
    workspace.refusal = "signed out"
    workspace.there = False
    workspace.sockets["services_0a1b2c"].close()
    expect(page.locator("#terminal-notice")).to_contain_text("You are not signed in any more")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    asked = len(workspace.opened)
    page.context.add_cookies([cookie])  # type: ignore[list-item] # as in another window
    workspace.refusal, workspace.there = "", True
    tell(page, "session", {})
    expect(rows(page)).to_contain_text("services_0a1b2c")
    expect(page.locator("#terminal-notice")).to_be_hidden()
    expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
    assert len(workspace.opened) == asked + 1


def test_a_form_after_a_sign_out_leads_to_signing_in(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.context.clear_cookies()
    page.get_by_role("button", name="Raise hand").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_frame_is_never_a_blocked_page(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.get_by_role("tab", name="JupyterLab").click()
    frame = page.locator("#pane-jupyter iframe")
    expect(frame).to_be_visible()
    expect(page.frame_locator("#pane-jupyter iframe").locator("body")).not_to_be_empty()
    workspace.there = False
    page.evaluate("document.querySelector('#pane-jupyter iframe').contentWindow.location.reload()")
    expect(page.locator("#pane-jupyter")).to_contain_text("Your workspace is not running at the moment")
    expect(frame).to_have_count(0)
    workspace.there = True
    expect(frame).to_be_visible()


def test_a_lost_cluster_is_told_until_it_was_read(open_lab: Callable[..., Page], database: Database) -> None:
    page = open_lab()
    expect(page.locator("#session")).to_contain_text("is running")
    with database.transaction() as db:
        db.query(LabSession).one().fault = LOST
    tell(page, "session", {"fault": LOST})
    told = page.locator("#session .notice")
    expect(told).to_contain_text("Your cluster was lost, and the work in it; here is a fresh one")
    page.reload()
    expect(told).to_be_visible()
    page.get_by_role("button", name="Understood").click()
    expect(told).to_have_count(0)
    expect(page.locator("#session")).to_contain_text("is running")


def test_f6_leaves_the_terminal(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    page.get_by_role("button", name="Terminal 1", exact=True).click()
    page.keyboard.press("Tab")
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.press("F6")
    expect(page.get_by_role("button", name="Terminal 1", exact=True)).to_be_focused()


def test_tabs_by_arrow_keys(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    page.get_by_role("tab", name="Terminal").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="JupyterLab")).to_be_focused()
    expect(page.locator("#pane-jupyter iframe")).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Cluster")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Terminal")).to_be_focused()
    expect(page.locator("#pane-terminal")).to_be_visible()


def test_room_by_arrow_keys_is_kept(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    split = page.get_by_role("separator", name="Width of the text")
    before = page.locator("#lab-text").bounding_box()
    split.focus()
    page.keyboard.press("PageUp")
    expect(split).to_have_attribute("aria-valuenow", "30")
    page.reload()
    expect(split).to_have_attribute("aria-valuenow", "30")
    after = page.locator("#lab-text").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] < before["width"]


def test_a_narrow_window_shows_one_part_at_a_time(open_lab: Callable[..., Page], workspace: Workspace) -> None:
    page = open_lab(390)
    parts = {"Text": "#lab-text", "Terminal": "#pane-terminal", "Cluster": "#pane-cluster", "Tasks": "#lab-tasks"}
    for name, part in parts.items():
        page.get_by_role("tab", name=name).click()
        for other in parts.values():
            expect(page.locator(other)).to_be_visible(visible=other == part)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("tab", name="Text").click()
    page.locator("button.run").first.click()
    expect(page.locator("#pane-terminal")).to_be_visible()
    expect(page.locator("button.run.done")).to_have_count(1)
    assert workspace.typed


def test_tasks_turn_green_and_red_again_and_say_so(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    task = page.locator("#task-cluster-ip")
    tell(page, "tasks", report(0))
    expect(task).to_have_attribute("data-outcome", "failed")
    expect(task.locator(".why")).to_contain_text("no Pod carries that label")
    tell(page, "tasks", report(1))
    expect(task).to_have_attribute("data-outcome", "passed")
    expect(page.locator("#tasks-said")).to_have_text("Done: Give the web Pods one address.")
    expect(page.locator("#text-cluster-ip")).to_have_class("task-heading passed")
    tell(page, "tasks", report(0))
    expect(page.locator("#tasks-said")).to_have_text("No longer done: Give the web Pods one address.")
    tell(page, "tasks", {"tasks": [], "notice": "The cluster does not answer."})
    expect(page.locator("#tasks-notice")).to_be_visible()
    expect(task).to_have_attribute("data-outcome", "failed")


def test_a_hostile_report_is_text(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    tell(page, "tasks", report(0, hostile=True))
    expect(page.locator("#task-cluster-ip .checks")).to_contain_text("<script>alert(1)</script> \ufffdgnp")
    assert page.locator("#lab-tasks script, #lab-tasks img").count() == 0


def test_a_hint_is_asked_for_without_losing_the_tasks(open_lab: Callable[..., Page], database: Database) -> None:
    page = open_lab()
    tell(page, "tasks", report(0))
    page.get_by_role("button", name="Ask for a hint").first.click()
    expect(page.locator("#task-cluster-ip .hint.told")).to_contain_text("Hint:")
    expect(page.locator("#task-cluster-ip")).to_have_attribute("data-outcome", "failed")
    expect(rows(page)).to_contain_text("$")
    with database.reading() as db:
        assert db.query(HintTaken).count() == 1


def test_a_hint_is_not_lost_where_the_page_is_looked_at_anew_meanwhile(open_lab: Callable[..., Page]) -> None:
    page = open_lab()
    held: list[Route] = []
    page.route("**/labs/services", lambda route: held.append(route), times=1)  # noqa: PLW0108
    page.route("**/hints/*", lambda route: held.append(route), times=1)  # noqa: PLW0108
    tell(page, "session", {})
    while not held:
        page.wait_for_timeout(20)
    old = held[0].fetch()
    page.get_by_role("button", name="Ask for a hint").first.click()
    while len(held) < 2:
        page.wait_for_timeout(20)
    with page.expect_response("**/labs/services"):
        held[0].fulfill(response=old)
    held[1].continue_()
    expect(page.locator("#task-cluster-ip .hint.told")).to_contain_text("Hint:")


@pytest.mark.parametrize("gone", [False, True], ids=["the button stays", "the button is gone"])
def test_what_is_told_while_a_button_is_answered_is_looked_at_after_it(
    open_lab: Callable[..., Page], database: Database, gone: bool
) -> None:
    page = open_lab()
    held: list[Route] = []
    page.route("**/hints/*", lambda route: held.append(route), times=1)  # noqa: PLW0108
    page.get_by_role("button", name="Ask for a hint").first.click()
    while not held:
        page.wait_for_timeout(20)
    with database.transaction() as db:
        row = db.query(LabSession).one()
        row.desired, row.observed = Desired.STOPPED, Observed.STOPPED
    tell(page, "session", {})
    if gone:
        page.evaluate("document.querySelector('#task-cluster-ip .hint').remove()")
    held[0].continue_()
    expect(page.locator("#session")).to_have_attribute("data-state", "stopped")
    with database.transaction() as db:
        row = db.query(LabSession).one()
        row.desired, row.observed = Desired.RUNNING, Observed.RUNNING
    tell(page, "session", {})
    expect(page.locator("#session")).to_have_attribute("data-state", "running")


def test_reset_asks_first(open_lab: Callable[..., Page], database: Database) -> None:
    page = open_lab()
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_role("button", name="Keep it as it is").click()
    page.get_by_role("button", name="Reset", exact=True).click()
    page.keyboard.press("Escape")
    with database.reading() as db:
        assert db.query(LabSession).one().generation == 1
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_role("button", name="Reset the lab").click()
    expect(page.locator("#session")).to_contain_text("fresh cluster")
    with database.reading() as db:
        assert db.query(LabSession).one().generation == 2


def test_what_happens_elsewhere_shows_without_a_reload(open_lab: Callable[..., Page], database: Database) -> None:
    page = open_lab()
    expect(page.locator("#session")).to_contain_text("is running")
    with database.transaction() as db:
        row = db.query(LabSession).one()
        row.desired, row.observed = Desired.STOPPED, Observed.STOPPED
    tell(page, "session", {})
    expect(page.locator("#session")).to_contain_text("sleeps")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()


def test_the_theme_is_kept(open_lab: Callable[..., Page]) -> None:
    page = open_lab(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(ground) == "rgb(18, 24, 31)"
    page.reload()
    assert page.evaluate(ground) == "rgb(18, 24, 31)"
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_reading_and_starting_need_no_script(open_lab: Callable[..., Page], database: Database) -> None:
    page = open_lab(java_script_enabled=False)
    expect(page.get_by_text("need JavaScript")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("being put to sleep")).to_be_visible()
    with database.reading() as db:
        assert db.query(LabSession).one().desired is Desired.STOPPED


@pytest.mark.parametrize("group", GROUPS)
def test_no_page_complains_or_sticks_out(browser: Chromium, group: str, tmp_path: Path) -> None:
    """Each page in each state; the pictures go where those of the whole portal go."""
    named = os.environ.get("SEATRIAL_SCREENSHOTS")
    assert take(browser, Path(named) / "pages" if named else tmp_path, group) == []


def test_who_moves_on_the_page_is_there_and_an_open_page_is_not(
    open_lab: Callable[..., Page], workspace: Workspace, database: Database
) -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    page = open_lab()
    expect(rows(page)).to_contain_text("$")
    with database.transaction() as db:
        db.execute(update(LabSession).values(last_activity_at=long_ago))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if request.url.endswith("/here") else None)
    with page.expect_response("**/labs/services/here") as answer:
        page.mouse.move(200, 300)
    assert answer.value.status == 204
    with database.reading() as db:
        assert db.scalars(select(LabSession.last_activity_at)).one() > long_ago
    page.keyboard.press("Tab")
    page.mouse.move(300, 300)
    assert asked == ["POST"], "once a minute is enough"
