"""How soon a change made with kubectl is a green task: a whole portal, a real cluster, a real browser that looks on.

live(scratch) gives the rows for `bench/run.py`; python bench/portal_live.py prints them alone.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import portal
import windows
from kills import PASSWORD
from measure import Row, duration, p95
from playwright.sync_api import Page
from sqlalchemy import select

from clusters.kubectl import kubectl
from webapp.accounts import services as accounts
from webapp.accounts.models import Role
from webapp.database import Database
from webapp.sessions.access import stand
from webapp.sessions.models import LabSession
from webapp.settings import PREFIX

STUDENT, LAB, TASK = "looker", "services", "headless"
RUNS, ASKED = 30, 1.0
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web-pods, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
"""
# Note when each outcome of the task has been drawn, in seconds since the epoch.
WATCH = """id => {
  const task = document.getElementById(id);
  window.drawn = {};
  new MutationObserver(() => {
    const outcome = task.dataset.outcome;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn[outcome] = Date.now() / 1000; }));
  }).observe(task, {attributes: true, attributeFilter: ["data-outcome"]});
}"""


def live(scratch: Path) -> list[Row]:
    """From kubectl's exit to the frame in which the browser draws the task green, and red again."""
    green, red = [], []
    with portal.running(scratch, SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="1") as settings:
        database = Database(settings.database_url)
        with database.transaction() as db:
            accounts.add_user(db, STUDENT, PASSWORD, Role.STUDENT)
        with windows.browser() as window, windows.signed_in(window, settings, STUDENT) as page:
            page.goto(f"{settings.address}{PREFIX}/labs/{LAB}")
            windows.prompt(page)
            with database.reading() as db:
                kubeconfig = stand(db, db.scalars(select(LabSession)).unique().one()).student
            page.locator(f"#task-{TASK}[data-outcome=failed]").wait_for(state="attached")
            page.evaluate(WATCH, f"task-{TASK}")
            for _ in range(RUNS):
                kubectl(kubeconfig, "apply", "-f", "-", stdin=SERVICE)
                green.append(_drawn(page, time.time(), "passed"))
                kubectl(kubeconfig, "delete", "service", "web-pods", "-n", "shop")
                red.append(_drawn(page, time.time(), "failed"))
        database.close()
    return [
        _row("kubectl apply ends, the browser has drawn the task green", green, True),
        _row("kubectl delete ends, the task is red again", red, False),
    ]


def _drawn(page: Page, began: float, outcome: str) -> float:
    """How long after `began` the outcome was drawn, in seconds; 0 where it was before."""
    page.locator(f"#task-{TASK}[data-outcome={outcome}]").wait_for(state="attached")
    at = page.evaluate(
        """async outcome => {
          while (!(outcome in window.drawn)) await new Promise(requestAnimationFrame);
          const at = window.drawn[outcome];
          window.drawn = {};
          return at;
        }""",
        outcome,
    )
    return max(0.0, float(at) - began)


def _row(what: str, taken: list[float], bounded: bool) -> Row:
    side = f"{duration(statistics.median(taken))} (p95 of {len(taken)}: {duration(p95(taken))})"
    return Row(
        what, side, "", "", f"p95 ≤ {ASKED:g} s" if bounded else "stated", p95(taken) <= ASKED if bounded else None
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as there:
        for row in live(Path(there)):
            print(row)
