"""A class that clicks: 100 signed-in students go through catalogue, lab and results for a minute; then the same with 50
live views open.

    python bench/portal_load.py [SECONDS]

The proxy, gunicorn with its settings, the application, its pages and a SQLite database are the platform's own. Played
are the clusters (reports and pictures that change every second) and the workspaces' terminals. Each student clicks once
every two seconds on average, at random, as people do; browsers keep styles and scripts, so these are not asked for.
Exit code 1 where a figure is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Row, duration, p95

STUDENTS, VIEWS, THINK, SECONDS = 100, 50, 2.0, 60.0
LABS = ("first-pod", "reconciliation", "deployments", "services", "pv-pvc", "hpa")
# What is asked: a page's p95, in seconds, and no error at all.
AT_MOST = 0.3


def app() -> Any:
    """The platform's application with clusters and workspaces played. gunicorn calls it in its own process."""
    from webapp.app import create_app
    from webapp.live.services import Feeds
    from webapp.settings import from_environment
    from webapp.workspaces import terminals

    made = create_app(from_environment())
    made.extensions["seatrial.live"] = Feeds(made.extensions["seatrial.database"], opener=lambda _: Played())
    terminals.list = lambda *_: ["services_3fa9c1"]
    return made


class Played:
    """A cluster in which something happens every second."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.turns = 0

    def turn(self) -> list[Any]:
        """The tasks and the picture, changed."""
        from webapp.live.sight import News

        time.sleep(1.0)
        self.turns += 1
        nodes = [{"id": f"pod-{i}", "kind": "Pod", "name": f"web-{i}", "state": "ok"} for i in range(30)]
        picture = {"namespace": "shop", "machines": [], "nodes": nodes, "edges": [], "left_out": self.turns}
        return [News("tasks", {**report(self.turns % 5), "stale": False, "notice": None}), News("cluster", picture)]

    def wake(self) -> None:
        """It wakes by itself."""

    def close(self) -> None:
        """There is nothing to close."""


def report(passed: int) -> dict[str, Any]:
    """A report of five tasks."""
    tasks = [
        {
            "id": f"task-{i}",
            "title": f"Task {i} with a title of the usual length",
            "score": 2.0 if i < passed else 0.0,
            "points": 2.0,
            "outcome": "passed" if i < passed else "failed",
            "holding": False,
            "checks": [
                {
                    "kind": "match",
                    "outcome": "passed" if i < passed else "failed",
                    "message": "There must be a Service named web of type ClusterIP that selects app=web.",
                    "why": "The selector asks for app=weeb; the Pods of the Deployment web carry app=web.",
                    "hidden": False,
                }
            ],
        }
        for i in range(5)
    ]
    return {"lab": "services", "score": 2.0 * passed, "points": 10.0, "skipped_points": 0.0, "tasks": tasks}


@dataclass
class Student:
    """One browser: its cookie, and the submissions that it finds under Results."""

    cookie: str
    submissions: list[str]


def fill(environment: dict[str, str]) -> list[Student]:
    """A database with a class in the middle of its work."""
    from webapp.accounts import services, signin
    from webapp.database import Database, upgrade
    from webapp.grading.models import Grade, Submission, SubmissionState
    from webapp.sessions.models import LabSession, Observed, PoolCluster, PoolState
    from webapp.settings import from_environment

    settings = from_environment(environment)
    upgrade(settings)
    database = Database(settings.database_url)
    made = []
    evidence = zlib.compress(json.dumps({"evidence": ["x"] * 2000}).encode())
    with database.transaction() as db:
        for number in range(STUDENTS):
            user = services.add_user(db, f"student{number}", None, display_name=f"Student {number}")
            db.flush()
            handed_in = [
                Submission(
                    user_id=user.id,
                    lab=lab,
                    state=SubmissionState.GRADED,
                    evidence=evidence,
                    grades=[Grade(lab_digest="", score=4.0, points=10.0, report={**report(2), "lab_changed": False})],
                )
                for lab in LABS
                for _ in range(2)
            ]
            session = LabSession(user_id=user.id, lab="services", observed=Observed.RUNNING, observed_generation=1)
            db.add_all([session, *handed_in])
            db.flush()
            cluster = PoolCluster(name=f"played-{number}", provider="kwok", state=PoolState.CLAIMED, generation=1)
            cluster.session_id = session.id
            db.add(cluster)
            made.append(Student(signin.begin(db, user), [one.id for one in handed_in]))
    database.close()
    return made


@dataclass
class Tally:
    """What the class met with."""

    taken: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0


async def clicks(session: Any, student: Student, until: float, tally: Tally) -> None:
    """One student's minute."""
    from webapp.settings import PREFIX

    dice = random.Random(student.cookie)  # noqa: S311 - a student's whims
    headers = {"Cookie": f"seatrial-portal={student.cookie}"}
    await asyncio.sleep(dice.uniform(0, THINK))
    while time.monotonic() < until:
        lab = dice.choice(LABS)
        page = dice.choice(
            ["/", f"/labs/{lab}", "/labs/services", "/results", f"/results/{dice.choice(student.submissions)}"]
        )
        for path in [page, f"{page}/terminals"] if page == "/labs/services" else [page]:
            began = time.perf_counter()
            try:
                async with session.get(PREFIX + path, headers=headers, allow_redirects=False) as answer:
                    await answer.read()
                    if answer.status != 200:
                        tally.faults[f"{answer.status} {path.split('/')[1]}"] += 1
            except (TimeoutError, OSError) as fault:
                tally.faults[type(fault).__name__] += 1
            tally.taken.append(time.perf_counter() - began)
        await asyncio.sleep(dice.expovariate(1 / THINK))


async def looks(session: Any, student: Student, tally: Tally) -> None:
    """One live view, for as long as it is let."""
    from webapp.settings import PREFIX

    headers = {"Cookie": f"seatrial-portal={student.cookie}", "Accept": "text/event-stream"}
    async with session.get(f"{PREFIX}/labs/services/events", headers=headers) as answer:
        if answer.status != 200:
            tally.faults[f"{answer.status} events"] += 1
            return
        async for line in answer.content:
            tally.events += line.startswith(b"event: tasks")
    tally.faults["a live view ended"] += 1


async def crowd(address: str, students: list[Student], views: int, seconds: float) -> Tally:
    """Everybody at once."""
    import aiohttp

    tally = Tally()
    limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    async with aiohttp.ClientSession(address, timeout=limits, connector=aiohttp.TCPConnector(limit=0)) as session:
        watching = [asyncio.create_task(looks(session, one, tally)) for one in students[:views]]
        until = time.monotonic() + seconds
        await asyncio.gather(*(clicks(session, one, until, tally) for one in students))
        for one in watching:
            one.cancel()
        for ended in await asyncio.gather(*watching, return_exceptions=True):
            if isinstance(ended, Exception):
                tally.faults[f"a live view: {type(ended).__name__}"] += 1
    return tally


@contextlib.contextmanager
def serving(scratch: Path) -> Iterator[tuple[str, list[Student], int]]:
    """The portal behind the proxy: its address, its students, and the portal's process."""
    from clusters.tools import cache, node

    inner, outer, api = ports(3)
    environment = {**os.environ, "SEATRIAL_DATA": str(scratch / "data"), "SEATRIAL_PORT": str(outer)}
    environment["CONFIGPROXY_AUTH_TOKEN"] = secrets.token_hex(32)
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    students = fill(environment)
    portal = [sys.executable, "-m", "gunicorn", "-c", "python:webapp.platform.serving"]
    proxy = [*node.command(cache.folder()), "--ip", "127.0.0.1", "--port", str(outer), "--log-level", "warn"]
    proxy += ["--api-ip", "127.0.0.1", "--api-port", str(api), "--default-target", f"http://127.0.0.1:{inner}"]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, env=environment))
            for command in ([*portal, "-b", f"127.0.0.1:{inner}", "portal_load:app()"], proxy)
        ]
        for one in started:
            stack.callback(one.terminate)
        await_port(inner)
        await_port(outer)
        yield f"http://127.0.0.1:{outer}", students, started[0].pid


def ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        trials = [stack.enter_context(socket.socket()) for _ in range(count)]
        for trial in trials:
            trial.bind(("127.0.0.1", 0))
        return [int(trial.getsockname()[1]) for trial in trials]


def await_port(port: int) -> None:
    """Wait until somebody listens. Raises TimeoutError."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens at port {port}")


def load(scratch: Path, seconds: float = SECONDS) -> list[Row]:
    """Both minutes, as rows of the table."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard) if hard > 0 else max(soft, 8192), hard))
    rows = []
    with serving(scratch) as (address, students, pid):
        # The first look at each page reads the labs; that is a start, and not a class's minute.
        asyncio.run(crowd(address, students[:4], 0, 3))
        for views in (0, VIEWS):
            before = processor(pid)
            tally = asyncio.run(crowd(address, students, views, seconds))
            rows.append(row(tally, views, seconds, processor(pid) - before))
    return rows


def processor(pid: int) -> float:
    """What a process and its children have taken of the processor, in seconds."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def row(tally: Tally, views: int, seconds: float, used: float) -> Row:
    """A minute in a line."""
    faults = ", ".join(f"{count} × {what}" for what, count in tally.faults.most_common()) or "no error"
    told = f"{len(tally.taken)} pages, median {duration(sorted(tally.taken)[len(tally.taken) // 2])}, "
    told += f"p95 {duration(p95(tally.taken))}, {faults}"
    told += f"; the portal took {used / seconds:.0%} of one core"
    if views:
        told += f"; {tally.events} changes shown live, of {views} × {seconds:.0f}"
    what = f"{STUDENTS} students click for {seconds:.0f} s" + (f", {views} live views open" if views else "")
    met = not tally.faults and p95(tally.taken) <= AT_MOST
    return Row(what, told, "", "", f"no error, p95 ≤ {duration(AT_MOST)}", met)


def main() -> int:
    """Measure and tell."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory(prefix="load-") as scratch:
        rows = load(Path(scratch), seconds)
    for one in rows:
        print(f"{one.what}: {one.ours} ({one.asked}: {'met' if one.met else 'missed'})")
    return 0 if all(one.met for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
