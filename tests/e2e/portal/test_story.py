"""The whole story in a browser: sign in, start, work, break, read, mend, reload, submit; who teaches sees it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.portal.conftest import NARROW, PATIENCE, WIDE, Desk

pytestmark = pytest.mark.browser
SIT = Callable[..., Desk]


class Lab:
    """The page of the lab "Services", as one uses it."""

    def __init__(self, desk: Desk) -> None:
        """Open it."""
        self.desk, self.page = desk, desk.page
        self.narrow = (desk.page.viewport_size or {"width": 0})["width"] < 960
        desk.go("/labs/services")

    def start(self) -> None:
        """Press Start, and wait for a prompt."""
        self.page.get_by_role("button", name="Start", exact=True).click()
        self.ready()

    def ready(self) -> None:
        """There is a prompt."""
        expect(self.page.locator("#session")).to_have_attribute("data-state", "running", timeout=PATIENCE)
        self.show("terminal")
        expect(self.screen).to_contain_text("$", timeout=PATIENCE)

    @property
    def screen(self) -> Locator:
        """The terminal that is shown."""
        return self.page.locator(".screen.shown .xterm-rows")

    def show(self, part: str) -> None:
        """On a narrow window one part is seen at a time."""
        if self.narrow:
            self.page.locator(f".tabs-narrow [data-view={part}]").click()

    def type(self, command: str, says: str) -> None:
        """Type a command as a person does, and wait until the terminal says something."""
        self.show("terminal")
        self.page.locator(".screen.shown textarea").focus()
        self.page.keyboard.type(command)
        self.page.keyboard.press("Enter")
        expect(self.screen).to_contain_text(says, timeout=PATIENCE)

    def task(self, id: str, outcome: str) -> Locator:
        """A task, once it is as it should be."""
        self.show("tasks")
        task = self.page.locator(f"#task-{id}")
        expect(task).to_have_attribute("data-outcome", outcome, timeout=PATIENCE)
        return task


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
    lab.type("kubectl expose deployment web --name=web-pods --cluster-ip=None --port=80", "service/web-pods exposed")
    lab.task("headless", "passed")
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
    lab.task("headless", "passed")
    desk.fits()
    desk.picture("lab-mended")
    desk.page.get_by_role("button", name="Raise hand").click()
    expect(desk.page.get_by_role("button", name="Lower hand")).to_be_visible()
    desk.page.get_by_role("button", name="Submit", exact=True).click()
    handed_in = desk.page.locator("#handed-in a")
    expect(handed_in).to_contain_text(re.compile(r"^2 of 14 points$"), timeout=PATIENCE)
    handed_in.click()
    expect(desk.page.locator(".score")).to_contain_text("2")
    desk.fits()
    desk.picture("report")
    desk.go("/results")
    expect(desk.page.locator("main")).to_contain_text("Services")
    desk.fits()
    desk.picture("results")


@pytest.mark.parametrize(("name", "size"), [("nadia", WIDE), ("student", NARROW)])
def test_a_lab_from_sign_in_to_score(desk: SIT, name: str, size: tuple[int, int]) -> None:
    one_sits_down(desk(size), name)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_who_teaches_sees_it(desk: SIT, size: tuple[int, int]) -> None:
    """The students of the tests before, in the class; and a hand that goes up while one looks."""
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
    student.page.get_by_role("button", name="Raise hand").click()
    hands = page.locator(".hands")
    expect(hands).to_contain_text("Nadia O, Brien")
    expect(hands.locator("[data-outcome=passed]")).to_contain_text("Ask for the Pods, not for one address")
    teacher.fits()
    teacher.picture("class")
    row_link = hands.get_by_role("link", name="Nadia O, Brien")
    row_link.click()
    expect(page.locator("#tasks-now [data-outcome=passed]")).to_have_count(1)
    expect(page.locator(".timeline")).to_contain_text("services/web-pods")
    expect(page.locator(".timeline")).to_contain_text("kubectl set")
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


def test_tabs_of_a_lab(desk: SIT) -> None:
    """JupyterLab and the picture of the cluster, beside the terminal."""
    one = desk()
    one.sign_in("nadia")
    lab = Lab(one)
    lab.ready()
    one.page.get_by_role("tab", name="Cluster").first.click()
    expect(one.page.locator("#cluster-view")).to_contain_text("orders", timeout=PATIENCE)
    one.picture("lab-cluster")


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
