"""A whole platform, its users, and browsers that tell what goes wrong in them.

Screenshots go to the folder that SEATRIAL_SCREENSHOTS names, `screenshots` in pytest's own folder by default.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FrameLocator,
    Locator,
    Page,
    Playwright,
    Response,
    expect,
)

from clusters.tools import cache, node
from tests.conftest import unmet
from tests.webapp.platform.conftest import Portal, a_portal
from webapp.accounts import passwords, services
from webapp.database import Database
from webapp.platform import needs
from webapp.settings import PREFIX

WIDE, NARROW = (1280, 800), (390, 844)
# Beside the two users that `up` makes: who is at work in every test of the class, who writes the story, who attacks.
STUDENTS = ("nadia", "oscar", "harriet", "mallory")
# The pictures of this run, by name and width.
TAKEN: set[tuple[str, int]] = set()
# Longer than anything takes on a machine that does other things as well; who waits that long has found a fault. In ms.
PATIENCE = 90_000


@dataclass(frozen=True)
class Platform:
    """A platform that runs: where, and the passwords of its users."""

    portal: Portal
    address: str
    passwords: dict[str, str]

    @property
    def pages(self) -> str:
        """Where the portal's pages begin."""
        return self.address + PREFIX


@dataclass
class Seen:
    """What a browser complained of."""

    complaints: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Note a page's errors, with the scripts in which they arose, and every answer that is none."""
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error} {error.stack}"))
        page.on("console", self._said)
        page.on("response", self._answered)

    def leave_out(self, part: str) -> None:
        """Forget what concerns addresses with this in them."""
        self.complaints[:] = [one for one in self.complaints if part not in one]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.request.method} {response.url}")


@dataclass
class Desk:
    """One person at one browser window."""

    page: Page
    platform: Platform
    seen: Seen
    pictures: Path

    def go(self, path: str) -> None:
        """Open one of the portal's pages."""
        self.page.goto(self.platform.pages + path)

    def sign_in(self, name: str) -> None:
        """As anybody does who comes to the address."""
        self.page.goto(self.platform.address)
        self.page.wait_for_selector("#username")
        self.picture("sign-in")
        self.page.fill("#username", name)
        self.page.fill("#password", self.platform.passwords[name])
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{self.platform.pages}/")

    def picture(self, name: str) -> None:
        """Keep what stands on the screen, in light and in dark, the first time in this run."""
        width = (self.page.viewport_size or {"width": 0})["width"]
        if (name, width) in TAKEN:
            return
        TAKEN.add((name, width))
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.screenshot(path=self.pictures / f"{name}-{width}-{scheme}.png")

    def fits(self) -> None:
        """Nothing sticks out to the side."""
        wide, there = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= there, f"{self.page.url} is {wide} px wide in a window of {there} px"


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

    def jupyter(self) -> tuple[FrameLocator, Locator]:
        """JupyterLab's frame, and the first cell of the lab's notebook in it."""
        self.page.get_by_role("tab", name="JupyterLab").click()
        frame = self.page.frame_locator("#pane-jupyter iframe")
        cell = frame.locator(".jp-CodeCell").first
        expect(cell).to_contain_text("kubectl get deployments", timeout=PATIENCE)
        return frame, cell

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

    def solve(self) -> None:
        """Do the task that the tests do; it is done already where somebody was here before."""
        self.type(
            "kubectl expose deployment web --name=web-pods --cluster-ip=None --port=80", "service/web-pods exposed"
        )
        self.task("headless", "passed")

    def hand_in(self) -> Locator:
        """Submit; the link to the report, once there is a score."""
        self.page.get_by_role("button", name="Submit", exact=True).click()
        handed_in = self.page.locator("#handed-in a")
        expect(handed_in).to_contain_text(re.compile(r"^2 of 14 points$"), timeout=PATIENCE)
        return handed_in

    def raise_hand(self) -> None:
        """Have the hand up, whether it was or not."""
        up = self.page.get_by_role("button", name="Raise hand")
        expect(up.or_(self.page.get_by_role("button", name="Lower hand"))).to_be_visible()
        if up.count():
            up.click()
        expect(self.page.get_by_role("button", name="Lower hand")).to_be_visible()


def chromium() -> str | None:
    """The machine's own browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def demand() -> str:
    """Chromium's path. Skips where something is missing; fails where SEATRIAL_REQUIRE names `browser`."""
    found = chromium()
    proxy = node.find(cache.folder()) and node.place(cache.folder()).is_file()
    missing = (
        unmet(),
        needs.sandbox_fault(),
        None if proxy else "the proxy is not installed",
        None if found else "there is no chromium on PATH",
    )
    reasons = [reason for reason in missing if reason]
    if found and not reasons:
        return found
    if "browser" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(f"a browser and a whole portal are required here: {'; '.join(reasons)}")
    pytest.skip("; ".join(reasons))


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Chromium and the platform's programs are here."""
    return demand()


@contextmanager
def a_platform(**settings: str) -> Iterator[Platform]:
    """`seatrial up` in a folder of its own; afterwards everything of it is gone."""
    with a_portal(**settings) as portal:
        started = portal.seatrial("up", "-o", "json")
        assert started.returncode == 0, started.stderr
        told = json.loads(started.stdout)
        known = {user["name"]: user["password"] for user in told["users"]}
        database = Database(portal.settings.database_url)
        with database.transaction() as db:
            for name in STUDENTS:
                known[name] = passwords.draw()
                services.add_user(db, name, known[name], display_name=f"{name.title()} O, Brien")
        database.close()
        yield Platform(portal, told["address"], known)


@pytest.fixture(scope="session")
def platform(browser_path: str) -> Iterator[Platform]:
    """One for all."""
    with a_platform(SEATRIAL_POOL="1", SEATRIAL_CLUSTERS="4") as found:
        yield found


@pytest.fixture(scope="session")
def browser(playing: Playwright, browser_path: str) -> Iterator[Browser]:
    """One Chromium for all windows."""
    expect.set_options(timeout=PATIENCE)
    # Chromium's own sandbox does not run as root, nor in most containers.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    found = playing.chromium.launch(executable_path=browser_path, args=options)
    yield found
    found.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the screenshots."""
    named = os.environ.get("SEATRIAL_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def window(browser: Browser, size: tuple[int, int]) -> BrowserContext:
    """A window of a browser that nobody has used before."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=size == NARROW, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture(scope="session")
def at_work(platform: Platform, browser: Browser, pictures: Path) -> None:
    """A class at work: nadia has the lab "Services" running, one task done, and has handed in 2 of 14 points."""
    context = window(browser, WIDE)
    desk = Desk(context.new_page(), platform, Seen(), pictures)
    desk.sign_in("nadia")
    lab = Lab(desk)
    lab.start()
    lab.solve()
    lab.hand_in()
    context.close()


@pytest.fixture
def desk(
    platform: Platform, browser: Browser, pictures: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Desk]]:
    """Open a window: desk() or desk(NARROW). At the end nothing may have been complained of in any of them."""
    opened: list[BrowserContext] = []
    seen = Seen()

    def sit(size: tuple[int, int] = WIDE) -> Desk:
        context = window(browser, size)
        opened.append(context)
        page = context.new_page()
        seen.listen(page)
        return Desk(page, platform, seen, pictures)

    yield sit
    name = re.sub(r"\W+", "-", request.node.name)
    for number, context in enumerate(opened):
        for page in context.pages:
            page.screenshot(path=pictures / f"end-{name}-{number}.png")
        context.close()
    assert seen.complaints == []
