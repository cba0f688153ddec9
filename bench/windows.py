"""A real browser at a portal that runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from kills import PASSWORD
from playwright.sync_api import Browser, Page, sync_playwright

from webapp.settings import PREFIX, Settings

# In ms. Nothing takes as long but what is broken.
PATIENCE = 120_000


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's Chromium. Raises FileNotFoundError."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise FileNotFoundError(
            "this measures in a browser, and there is no chromium on PATH: apt-get install chromium"
        )
    with sync_playwright() as playing:
        window = playing.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield window
        window.close()


@contextmanager
def signed_in(window: Browser, settings: Settings, name: str) -> Iterator[Page]:
    """A page in which the student is signed in, whose password is PASSWORD."""
    page = window.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE)
    page.goto(settings.address)
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{settings.address}{PREFIX}/")
    yield page
    page.close()


def prompt(page: Page) -> None:
    """Press Start on a lab's page, and wait for the prompt."""
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator(".screen.shown .xterm-rows").filter(has_text="$").wait_for()
