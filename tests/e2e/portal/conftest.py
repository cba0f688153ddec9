"""A whole platform, its users, and browsers that tell what goes wrong in them.

Screenshots go to the folder that SEATRIAL_SCREENSHOTS names, `screenshots` in pytest's own folder by default.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
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
# Beside the two users that `up` makes.
STUDENTS = ("nadia", "mallory")
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
        """Note a page's errors, and every answer that is none."""
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", self._said)
        page.on("response", self._answered)

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
        self.page.fill("#username", name)
        self.page.fill("#password", self.platform.passwords[name])
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{self.platform.pages}/")

    def picture(self, name: str) -> None:
        """Keep what stands on the screen, in light and in dark."""
        width = (self.page.viewport_size or {"width": 0})["width"]
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.screenshot(path=self.pictures / f"{name}-{width}-{scheme}.png")

    def fits(self) -> None:
        """Nothing sticks out to the side."""
        wide, there = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= there, f"{self.page.url} is {wide} px wide in a window of {there} px"


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


@pytest.fixture(scope="session")
def platform(browser_path: str) -> Iterator[Platform]:
    """`seatrial up` in a folder of its own; afterwards everything of it is gone."""
    with a_portal(SEATRIAL_POOL="1", SEATRIAL_CLUSTERS="4") as portal:
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


@pytest.fixture
def desk(
    platform: Platform, browser: Browser, pictures: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Desk]]:
    """Open a window: desk() or desk(NARROW). At the end nothing may have been complained of in any of them."""
    opened: list[BrowserContext] = []
    seen = Seen()

    def sit(size: tuple[int, int] = WIDE) -> Desk:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, has_touch=size == NARROW, locale="en-GB"
        )
        context.set_default_timeout(PATIENCE)
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
