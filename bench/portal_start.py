"""From "Start" to a prompt: a whole portal and a real browser; the pool's claim beside a cluster made from nothing; a
burst of starts.

start(scratch) and burst(scratch) give the rows for `bench/run.py`; python bench/portal_start.py prints them alone.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import fleet
import kills as killing
import portal
import windows
from fleet import until
from kills import PASSWORD
from measure import Row, duration, p95, seconds
from playwright.sync_api import Page
from sqlalchemy import func, select

from webapp.accounts import services as accounts
from webapp.accounts.models import Role
from webapp.database import Database
from webapp.sessions.models import Desired, LabSession, Observed, PoolCluster, PoolState
from webapp.settings import PREFIX, Settings
from webapp.workspaces.hub import HubApi

LAB = "services"
WARM, COLD, POOL, BURST = 20, 8, 2, 12
# In seconds. Nothing takes as long but what is broken.
WITHIN = 300.0


def start(scratch: Path) -> list[Row]:
    """One student, again and again: with a pool and a workspace that runs, and with neither."""
    with portal.running(scratch / "warm", SEATRIAL_POOL=str(POOL), SEATRIAL_CLUSTERS="6") as settings:
        student = Student(settings, "warm")
        with windows.browser() as window, windows.signed_in(window, settings, student.name) as page:
            warm = [student.prompt(page, pool=POOL) for _ in range(WARM + 1)][1:]
            claims = student.claims[1:]
    with portal.running(scratch / "cold", SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="2") as settings:
        student = Student(settings, "cold")
        with windows.browser() as window, windows.signed_in(window, settings, student.name) as page:
            cold = [student.prompt(page, pool=0) for _ in range(COLD)]
    creates = [_create(turn) for turn in range(5)]
    share = statistics.median(claims) / statistics.median(creates)
    return [
        _bounded("Start pressed until the prompt, with a pool and a workspace that runs", warm, 2.0),
        _bounded("Start pressed until the prompt, without either", cold, 12.0),
        Row(
            "a start until a cluster of the pool is its own",
            spread(claims),
            f"a cluster made: {spread(creates)}",
            f"{share:.3f}",
            "≤ 0.050",
            share <= 0.05,
        ),
    ]


def burst(scratch: Path) -> list[Row]:
    """Twelve students who have signed in press Start at the same moment, and four clusters are ready."""
    alone = statistics.median(_create(turn) for turn in range(3))
    with portal.running(scratch / "burst", SEATRIAL_POOL="4", SEATRIAL_CLUSTERS="16") as settings:
        database = Database(settings.database_url)
        _full(database, 4)
        with database.transaction() as db:
            users = [accounts.add_user(db, f"burst-{n}", PASSWORD, Role.STUDENT) for n in range(BURST)]
        students = [killing.Student(settings, user, []) for user in users]
        for student in students:
            student.sign_in()
        hub = HubApi(settings)
        until("those who have come have a workspace", lambda: len(hub.servers()) == BURST, limit=WITHIN)
        began = time.perf_counter()
        presses = [threading.Thread(target=student.start) for student in students]
        for press in presses:
            press.start()
        came: dict[str, float] = {}
        failed: set[str] = set()

        def all_there() -> bool:
            with database.reading() as db:
                for id_, observed in db.execute(select(LabSession.id, LabSession.observed)):
                    if observed is Observed.RUNNING:
                        came.setdefault(id_, time.perf_counter() - began)
                    elif observed is Observed.FAILED:
                        failed.add(id_)
            return len(came) == BURST

        until("every session of the burst runs", all_there, limit=WITHIN)
        for press in presses:
            press.join()
        database.close()
    waits = sorted(came.values())
    parallel = os.cpu_count() or 1
    bound = alone * BURST / parallel
    told = f"median {duration(statistics.median(waits))}, longest {duration(waits[-1])}, {len(failed)} failed"
    asked = f"none fails, none waits longer than {duration(alone)} × {BURST} / {parallel} = {duration(bound)}"
    return [
        Row(
            f"{BURST} starts at once, of students who have signed in, on a pool of 4",
            told,
            "",
            "",
            asked,
            not failed and waits[-1] <= bound,
        )
    ]


class Student:
    """One student of a portal that runs, who starts the same lab over and over."""

    def __init__(self, settings: Settings, name: str) -> None:
        """Add them."""
        self._settings, self.name, self.claims = settings, name, list[float]()
        self._database = Database(settings.database_url)
        self._hub = HubApi(settings)
        with self._database.transaction() as db:
            accounts.add_user(db, name, PASSWORD, Role.STUDENT)

    def prompt(self, page: Page, *, pool: int) -> float:
        """From the click on Start until the prompt stands in the terminal, in seconds; all is away again afterwards.

        Before, it is waited until the pool holds `pool` clusters; without any, the workspace is away as well.
        """
        if pool:
            _full(self._database, pool)
        page.goto(f"{self._settings.address}{PREFIX}/labs/{LAB}")
        page.get_by_role("button", name="Start", exact=True).wait_for()
        watch = threading.Thread(target=self._claimed, args=(time.perf_counter(),))
        watch.start()
        began = time.perf_counter()
        windows.prompt(page)
        taken = time.perf_counter() - began
        watch.join()
        self._away(keep_workspace=pool > 0)
        return taken

    def _claimed(self, began: float) -> None:
        """Note how long it took until a cluster was the session's."""

        def claimed() -> bool:
            with self._database.reading() as db:
                return bool(db.scalar(select(PoolCluster.name).where(PoolCluster.session_id.is_not(None))))

        until("the session has a cluster", claimed, limit=WITHIN)
        self.claims.append(time.perf_counter() - began)

    def _away(self, *, keep_workspace: bool) -> None:
        with self._database.transaction() as db:
            for session in db.scalars(select(LabSession).where(LabSession.living == 1)).unique():
                session.desired, session.living = Desired.REMOVED, None

        def gone() -> bool:
            with self._database.reading() as db:
                taken = PoolCluster.state.in_((PoolState.CLAIMED, PoolState.REMOVING))
                return not db.scalar(select(func.count()).select_from(PoolCluster).where(taken))

        until("the session's cluster is gone", gone, limit=WITHIN)
        if not keep_workspace:
            self._hub.stop_server(self.name)
            until("the workspace is gone", lambda: not self._hub.server_ready(self.name), limit=WITHIN)


def _full(database: Database, size: int) -> None:
    """The pool is filled, and nothing else is being made."""

    def full() -> bool:
        with database.reading() as db:
            states = list(db.scalars(select(PoolCluster.state)))
        return states == [PoolState.READY] * size

    until(f"{size} clusters are ready", full, limit=WITHIN)


def _create(turn: int) -> float:
    name = f"bench-alone-{turn}"
    try:
        return seconds(lambda: fleet.ready_for_a_student(fleet.ours(name)))
    finally:
        fleet.forget_ours(name)


def _bounded(what: str, taken: list[float], asked: float) -> Row:
    return Row(what, f"{spread(taken)} of {len(taken)}", "", "", f"p95 ≤ {asked:g} s", p95(taken) <= asked)


def spread(values: list[float]) -> str:
    """Median and p95 of times in seconds, as they are shown."""
    return f"{duration(statistics.median(values))} (p95 {duration(p95(values))})"


if __name__ == "__main__":
    for suite in (start, burst):
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as there:
            for row in suite(Path(there)):
                print(row, file=sys.stderr)
