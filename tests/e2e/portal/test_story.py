"""The whole story in a browser: sign in, start, work, break, read, mend, reload, submit; who teaches sees it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.portal.conftest import NARROW, PATIENCE, WIDE, Desk, Lab
from webapp.accounts import ticket
from webapp.workspaces.hub import HubApi

pytestmark = pytest.mark.browser
SIT = Callable[..., Desk]


def one_sits_down(desk: Desk, name: str) -> None:
    """Sign in, look at the labs, start one, solve a task, break it, read why, mend it, come back, hand it in."""
    desk.sign_in(name)
    expect(desk.page.get_by_role("link", name="Services", exact=True).first).to_be_visible()
    desk.fits()
    desk.picture("catalogue")
    lab = Lab(desk)
    desk.fits()
    desk.picture("lab-new")
    lab.start()
    lab.solve()
    lab.type("kubectl set selector service web-pods app=weeb", "selector updated")
    broken = lab.task("headless", "failed")
    expect(broken).to_contain_text("headless Service named web-pods that selects app=web")
    expect(broken).to_contain_text("weeb")
    desk.picture("lab-broken")
    lab.type("kubectl set selector service web-pods app=web", "selector updated")
    lab.task("headless", "passed")
    lab.show("cluster")
    desk.page.reload()
    lab.ready()
    expect(lab.screen).to_contain_text("service/web-pods exposed")
    lab.task("headless", "passed").evaluate("task => task.scrollIntoView({block: 'start'})")
    desk.fits()
    desk.picture("lab-mended")
    lab.raise_hand()
    lab.hand_in().click()
    expect(desk.page.locator(".score")).to_contain_text("2")
    desk.fits()
    desk.picture("report")
    desk.go("/results")
    expect(desk.page.locator("main")).to_contain_text("Services")
    desk.fits()
    desk.picture("results")


@pytest.mark.parametrize(("name", "size"), [("oscar", WIDE), ("student", NARROW)])
def test_a_lab_from_sign_in_to_score(desk: SIT, name: str, size: tuple[int, int]) -> None:
    one_sits_down(desk(size), name)


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_who_teaches_sees_it(desk: SIT, size: tuple[int, int]) -> None:
    """A student who is at work, in the class; and a hand that goes up while one looks."""
    teacher = desk(size)
    teacher.sign_in("instructor")
    teacher.go("/class")
    page = teacher.page
    row = page.locator("tr", has=page.get_by_role("rowheader", name="Nadia O, Brien"))
    expect(row).to_contain_text("2 of 14")
    student = desk()
    student.sign_in("nadia")
    lab = Lab(student)
    lab.ready()
    lab.raise_hand()
    hands = page.locator(".hands")
    expect(hands).to_contain_text("Nadia O, Brien")
    expect(hands.locator("[data-outcome=passed]")).to_contain_text("Ask for the Pods, not for one address")
    teacher.fits()
    teacher.picture("class")
    row_link = hands.get_by_role("link", name="Nadia O, Brien")
    row_link.click()
    expect(page.locator("#tasks-now [data-outcome=passed]")).to_have_count(1)
    expect(page.locator(".timeline")).to_contain_text("services/web-pods")
    expect(page.locator(".timeline")).to_contain_text("kubectl expose")
    # The tasks turn while the teacher looks.
    lab.type("kubectl delete service web-pods", "deleted")
    expect(page.locator("#tasks-now [data-outcome=passed]")).to_have_count(0)
    lab.type("kubectl expose deployment web --name=web-pods --cluster-ip=None --port=80", "exposed")
    expect(page.locator("#tasks-now [data-outcome=passed]")).to_have_count(1)
    teacher.fits()
    teacher.picture("class-student")
    page.get_by_role("button", name="Lower the hand").click()
    expect(page.get_by_role("button", name="Lower the hand")).to_have_count(0)
    expect(student.page.get_by_role("button", name="Raise hand")).to_be_visible()
    page.locator("main .history a").first.click()
    expect(page.locator(".score")).to_contain_text("2")
    teacher.fits()
    teacher.picture("class-submission")
    teacher.go("/class/regrade/services")
    expect(page.locator("main")).to_contain_text("would change")
    teacher.fits()
    teacher.picture("class-regrade")
    teacher.go("/class")
    with page.expect_download() as download:
        page.get_by_role("link", name="All scores").click()
    assert '"Nadia O, Brien",services,2.0,14.0' in download.value.path().read_text("utf-8-sig")


@pytest.mark.usefixtures("at_work")
def test_the_picture_of_the_cluster(desk: SIT) -> None:
    """The second tab beside the terminal."""
    one = desk()
    one.sign_in("nadia")
    lab = Lab(one)
    lab.ready()
    one.page.get_by_role("tab", name="Cluster").first.click()
    expect(one.page.locator("#cluster-view")).to_contain_text("orders", timeout=PATIENCE)
    one.picture("lab-cluster")


@pytest.mark.usefixtures("at_work")
def test_jupyterlab_in_its_frame(desk: SIT) -> None:
    """The lab's notebook, its first step run; and when its server has ended, a sentence and then JupyterLab again."""
    one = desk()
    one.sign_in("nadia")
    lab = Lab(one)
    lab.ready()
    frame, cell = lab.jupyter()
    # What is run before there is a kernel has no output.
    expect(frame.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)
    cell.locator(".cm-content").click()
    one.page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-OutputArea-output").first).to_contain_text("deployment.apps/web", timeout=PATIENCE)
    for width, height in (WIDE, NARROW, WIDE):
        one.page.set_viewport_size({"width": width, "height": height})
        expect(cell).to_be_visible()
        one.fits()
        one.picture("lab-jupyter")
    HubApi(one.platform.portal.settings).stop_server("nadia")
    pane = one.page.locator("#pane-jupyter")
    expect(pane).to_contain_text("Your workspace is not running at the moment", timeout=PATIENCE)
    expect(cell).to_contain_text("kubectl get deployments", timeout=PATIENCE)
    lab.show("terminal")
    one.page.get_by_role("tab", name="Terminal").first.click()
    lab.ready()
    # What JupyterLab says in its console, also of its own server's end, is not our page's.
    one.seen.leave_out("/user/nadia/")


@pytest.mark.usefixtures("at_work")
def test_a_workspace_opens_to_its_owners_browser_alone(desk: SIT) -> None:
    """Who lost the ticket gets it again without a word, in the page and in JupyterLab's frame; nobody else gets any."""
    one = desk()
    one.sign_in("nadia")
    one.page.context.clear_cookies(name=ticket.COOKIE)
    lab = Lab(one)
    lab.ready()
    frame, cell = lab.jupyter()
    one.page.context.clear_cookies(name=ticket.COOKIE)
    frame.locator(":root").evaluate("() => { document.body.replaceChildren(); location.reload(); }")
    expect(cell).to_contain_text("kubectl get deployments", timeout=PATIENCE)
    other = desk()
    other.sign_in("instructor")
    other.page.goto(f"{one.platform.address}/user/nadia/lab")
    expect(other.page.locator("body")).to_contain_text("This workspace belongs to somebody else")
    # What JupyterLab says in its console is not our page's.
    one.seen.leave_out("/user/nadia/")


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_hubs_own_pages_are_the_portals(desk: SIT, size: tuple[int, int]) -> None:
    one = desk(size)
    one.sign_in("instructor")  # for whom no workspace is opened
    for name, path in (
        ("home", "home"),
        ("token", "token"),
        ("none", "nothing"),
        ("admin", "admin"),
        ("away", "user/instructor/"),
    ):
        one.page.goto(f"{one.platform.address}/hub/{path}")
        expect(one.page.locator(".brand")).to_be_visible()
        expect(one.page.get_by_role("link", name="To the labs")).to_be_visible()
        expect(one.page.locator("body")).not_to_contain_text(re.compile("JupyterHub|Server|scopes|None"))
        one.fits()
        one.picture(f"hub-{name}")
    one.seen.leave_out("/hub/")  # those that are refused


@pytest.mark.usefixtures("at_work")
def test_pages_by_keyboard(desk: SIT) -> None:
    """Everything on the class's page is reached with Tab, and what has the focus is seen."""
    teacher = desk()
    teacher.sign_in("instructor")
    teacher.go("/class")
    reached = focused(teacher.page, 40)
    assert any("All scores" in text for text in reached)
    assert any("2 of 14" in text for text in reached)


def focused(page: Page, presses: int) -> list[str]:
    """What the Tab key comes to, each with an outline."""
    found = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(
            "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if text and page.evaluate("document.activeElement !== document.body"):
            assert outline != "none", text
            found.append(text)
    return found
