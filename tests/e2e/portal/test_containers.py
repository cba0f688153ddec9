"""A portal of clusters of containers: from a terminal in the browser into a container that really runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from clusters.engine import Engine
from tests.e2e.portal.conftest import PATIENCE, WIDE, Desk, Lab, Platform, Seen, a_platform, window

pytestmark = [pytest.mark.browser, pytest.mark.kind]
# A cluster of containers takes half a minute where nothing else is done, in ms.
MADE_WITHIN = 4 * PATIENCE


@pytest.fixture(scope="module")
def containers(browser_path: str, engine: Engine, workspace_image: str) -> Iterator[Platform]:
    """A portal whose clusters and workspaces are containers."""
    with a_platform(SEATRIAL_PROVIDER="kind", SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="1") as found:
        yield found


def test_a_terminal_leads_into_a_real_pod(containers: Platform, browser: Browser, pictures: Path) -> None:
    context = window(browser, WIDE)
    seen = Seen()
    desk = Desk(context.new_page(), containers, seen, pictures)
    seen.listen(desk.page)
    desk.sign_in("nadia")
    lab = Lab(desk)
    desk.page.get_by_role("button", name="Start", exact=True).click()
    expect(desk.page.locator("#session")).to_have_attribute("data-state", "running", timeout=MADE_WITHIN)
    lab.ready()
    lab.type("kubectl rollout status deployment/web", "successfully rolled out")
    lab.type("kubectl exec deploy/web -- nginx -v", "nginx version")
    lab.type("kubectl exec -it deploy/web -- sh -c 'echo $((6 * 7)) from $(hostname)'", "42 from web-")
    lab.solve()
    # What only Pods that run can show is judged here, not skipped.
    expect(lab.task("cluster-ip", "failed")).not_to_contain_text(re.compile("cannot be shown|Skipped"))
    desk.picture("lab-containers")
    context.close()
    assert seen.complaints == []
