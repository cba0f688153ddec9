"""Processes of a running portal killed at random while students work: what was handed in, what came of it, and how
long each took to be back.

What is counted: a *press* is one "submit" that the portal answered with its redirect. It is lost where no submission of
that student was waiting between its being sent and its being answered. A submission is doubled where it has more grades
than one, or where it was taken while the one before it still waited for its grade. The lab is solved before anything is
killed, so a grade without full marks is an outage taken for a student's fault.
"""

from __future__ import annotations

import datetime
import os
import random
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
from fleet import until
from sqlalchemy import select

from clusters import store
from clusters.errors import ClusterError
from clusters.kubectl import kubectl
from grader import labfile
from grader.collect import Access
from grader.grading import grade
from proving import work
from webapp.accounts import services as accounts
from webapp.accounts.models import User
from webapp.database import Database
from webapp.grading.marks import full
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.platform import remains
from webapp.platform.standing import healthz
from webapp.platform.supervision import Supervisor
from webapp.sessions.access import stand
from webapp.sessions.models import LabSession, Observed
from webapp.settings import PREFIX, Settings

LAB = "first-pod"
PASSWORD = "kills-at-random"  # noqa: S105 - of users who live for one measurement
# Seconds: until everybody's lab runs, until one victim is back, until everything handed in has its grade.
READY_WITHIN, BACK_WITHIN, GRADED_WITHIN = 600.0, 120.0, 600.0
# A worker is gunicorn's child; a cluster's process any one of a running session's cluster.
NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)
VICTIMS = ("proxy", "hub", "portal", "worker", "reconciler", "relay", "cluster")


@dataclass(frozen=True, slots=True)
class Blow:
    """One kill, and after how many seconds what was hit did its work again."""

    victim: str
    seconds: float


@dataclass(slots=True)
class Press:
    """One "submit": when it was sent and answered, and whether the portal took it."""

    user: int
    sent: datetime.datetime
    answered: datetime.datetime
    taken: bool


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    blows: list[Blow] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    pages: int = 0  # that were read meanwhile
    submissions: int = 0
    lost: int = 0
    doubled: int = 0
    ungraded: int = 0
    short: int = 0  # grades without full marks

    @property
    def taken(self) -> int:
        """How many presses the portal took."""
        return sum(press.taken for press in self.presses)


class Student:
    """One browser that clicks and submits until it is told to stop. Faults of the network are part of the game."""

    def __init__(self, settings: Settings, user: User, presses: list[Press]) -> None:
        """`presses` is appended to."""
        self.user, self._presses, self.pages = user, presses, 0
        self.name = user.name
        self._client = httpx.Client(base_url=settings.address, timeout=30, follow_redirects=True)
        self._csrf = ""

    def sign_in(self) -> None:
        """Through the Hub, as a browser does it."""
        page = self._client.get(f"{PREFIX}/sign-in")
        fields = {"username": self.name, "password": PASSWORD, "_xsrf": _hidden(page.text, "_xsrf")}
        page = self._client.post(str(page.url), data=fields)
        page.raise_for_status()
        self._csrf = _hidden(page.text, "csrf_token")

    def start(self) -> None:
        """Ask for the lab."""
        self._client.post(f"{PREFIX}/labs/{LAB}/start", data={"csrf_token": self._csrf}).raise_for_status()

    def work(self, over: threading.Event) -> None:
        """Read a page, submit, read the results, and so on."""
        while not over.is_set():
            self._read(f"{PREFIX}/labs/{LAB}")
            self._submit()
            self._read(f"{PREFIX}/results")
        self._client.close()

    def _read(self, path: str) -> None:
        try:
            self.pages += self._client.get(path).status_code == 200
        except httpx.HTTPError:
            return

    def _submit(self) -> None:
        press = Press(self.user.id, _now(), _now(), False)
        self._presses.append(press)
        try:
            form = {"csrf_token": self._csrf}
            answer = self._client.post(f"{PREFIX}/labs/{LAB}/submit", data=form, follow_redirects=False)
            press.taken = answer.status_code == 303 and f"/labs/{LAB}" in answer.headers["location"]
        except httpx.HTTPError:
            pass
        press.answered = _now()


def run(settings: Settings, *, students: int, plan: Sequence[str], seed: int) -> Outcome:
    """Let students work on a portal that runs, and kill what `plan` names, one after another.

    Raises TimeoutError where something does not come back.
    """
    outcome, over, dice = Outcome(), threading.Event(), random.Random(seed)  # noqa: S311 - a game of chance
    database = Database(settings.database_url)
    class_ = [Student(settings, user, outcome.presses) for user in _enrol(database, students)]
    for student in class_:
        student.sign_in()
        student.start()
    until("every lab runs", lambda: _running(database, class_), limit=READY_WITHIN)
    _solve(database)
    threads = [threading.Thread(target=student.work, args=(over,)) for student in class_]
    for thread in threads:
        thread.start()
    try:
        for victim in plan:
            blow = strike(settings, dice, victim)
            if blow is not None:
                outcome.blows.append(blow)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    until("everything handed in is graded", lambda: not _waiting(database), limit=GRADED_WITHIN)
    outcome.pages = sum(student.pages for student in class_)
    _count(database, outcome)
    database.close()
    return outcome


def strike(settings: Settings, dice: random.Random, victim: str) -> Blow | None:
    """Kill one process, and wait until what it does is done again. None where there is no such process just now."""
    pid = _pid(settings, victim, dice)
    if pid is None:
        return None
    program = _program(pid)
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    until(f"{victim} is back", lambda: _back(settings, victim, pid, program, begun), limit=BACK_WITHIN)
    return Blow(victim, time.monotonic() - begun)


def _pid(settings: Settings, victim: str, dice: random.Random) -> int | None:
    if victim == "cluster":
        processes = remains.find(settings.data).clusters
        return dice.choice(processes).pid if processes else None
    pids = _pids(settings)
    if victim == "worker":
        return next(iter(_children(pids.get("portal"))), None)
    return pids.get(victim)


def _pids(settings: Settings) -> dict[str, int]:
    try:
        return {each.name: each.pid for each in Supervisor(settings).processes() if each.pid}
    except OSError:
        return {}


def _back(settings: Settings, victim: str, pid: int, program: str, begun: float) -> bool:
    if victim == "cluster":
        now = {_program(each.pid): each.pid for each in remains.find(settings.data).clusters}
        return now.get(program, pid) != pid and _answers(Path(program))
    now_pid = _pids(settings).get("portal" if victim == "worker" else victim)
    if victim == "worker":
        if pid in _children(now_pid):
            return False
    elif now_pid in (None, pid):
        return False
    health = healthz(settings.address)
    if health is None:
        return False
    if victim == "reconciler":  # a pass that began after it was killed
        return health["reconciler"] is not None and health["reconciler"] < time.monotonic() - begun
    return victim != "hub" or _hub_answers(settings)


def _answers(program: Path) -> bool:
    """Whether the API server of the cluster that a program belongs to is ready."""
    cluster = program.relative_to(store.folder("x").parent).parts[0]
    try:
        kubectl(store.kubeconfig_file(cluster, "admin"), "get", "--raw=/readyz")
    except ClusterError:
        return False
    return True


def _hub_answers(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.hub_url}/", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _program(pid: int) -> str:
    return next(iter(remains.command_line(pid)), "")


def _children(pid: int | None) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _enrol(database: Database, count: int) -> list[User]:
    with database.transaction() as db:
        return [accounts.add_user(db, f"sailor-{number}", PASSWORD) for number in range(1, count + 1)]


def _solve(database: Database) -> None:
    """Do the lab in every session, and wait until it is worth full marks."""
    lab = labfile.read(labfile.find(LAB))
    with database.reading() as db:
        sessions = db.scalars(select(LabSession).where(LabSession.living == 1)).unique()
        stands = [stand(db, session) for session in sessions]
    for each in stands:
        work.solve(labfile.solution(lab), each.student)
        report = grade(lab, Access.from_kubeconfig(each.admin), wait=True)[1]
        if not report.full_marks:
            raise AssertionError(f"the solution of {LAB} is not worth full marks")


def _running(database: Database, class_: list[Student]) -> bool:
    with database.reading() as db:
        asked = select(LabSession.user_id).where(LabSession.observed == Observed.RUNNING, LabSession.living == 1)
        return {student.user.id for student in class_} <= set(db.scalars(asked))


def _waiting(database: Database) -> bool:
    with database.reading() as db:
        return db.scalar(select(Submission.id).where(Submission.state != SubmissionState.GRADED).limit(1)) is not None


def _count(database: Database, outcome: Outcome) -> None:
    with database.reading() as db:
        submissions = list(db.scalars(select(Submission)).unique())
        grades = list(db.scalars(select(Grade)))
    first = {grade.submission_id: grade.graded_at for grade in sorted(grades, key=lambda g: -g.id)}
    outcome.submissions = len(submissions)
    outcome.ungraded = sum(submission.id not in first for submission in submissions)
    turns = sorted(submissions, key=lambda s: (s.user_id, s.submitted_at))
    early = [b for a, b in pairwise(turns) if a.user_id == b.user_id and b.submitted_at < first.get(a.id, NEVER)]
    outcome.doubled = len(grades) - len(first) + len(early)
    outcome.short = sum(not full(g.score, g.points, g.report["skipped_points"]) for g in grades)
    outcome.lost = sum(
        not any(
            submission.user_id == press.user
            and submission.submitted_at <= press.answered
            and first.get(submission.id, press.sent) >= press.sent
            for submission in submissions
        )
        for press in outcome.presses
        if press.taken
    )


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]+)"', page)
    if found is None:
        raise ValueError(f"the page has no field {name}")
    return found[1]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
