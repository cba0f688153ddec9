"""The class as a table, students × labs, out of a fixed number of queries. No cluster is asked for it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Role, User
from webapp.catalog import services as catalog
from webapp.grading import marks
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import LabSession, Observed

# What is known of the tasks of a session, by its id and generation: a report as grader.reports has it in JSON, or None.
# Asks no cluster.
LastKnown = Callable[[str, int], Mapping[str, Any] | None]


class Standing(StrEnum):
    """What a cell says first."""

    NONE = "not begun"
    WORKING = "working"
    SUBMITTED = "submitted"


@dataclass(frozen=True, slots=True)
class TaskNow:
    """One task as it stands: its title, its outcome ("passed", "failed", "skipped", "error") and what fails first."""

    id: str
    title: str
    outcome: str
    score: float
    points: float
    says: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One student in one lab.

    `score` of `points` is the best submission's, `skipped` of them could not be shown by the cluster. `now` of
    `now_points` is what the tasks give at the moment, None where nobody has looked since the portal started. `state` is
    the session's in a word, "" where there is none.
    """

    lab: str
    title: str
    standing: Standing = Standing.NONE
    score: float | None = None
    points: float | None = None
    skipped: float = 0.0
    submission: str | None = None
    grading: bool = False  # the latest submission waits for its grade
    given_up: bool = False  # it will get none
    now: float | None = None
    now_points: float | None = None
    state: str = ""
    hand: datetime.datetime | None = None
    fault: str | None = None

    @property
    def full(self) -> bool:
        """Full marks."""
        return self.score is not None and self.points is not None and marks.full(self.score, self.points, self.skipped)


@dataclass(frozen=True, slots=True)
class Row:
    """A student and a cell for each lab, in the table's order."""

    user_id: int
    name: str
    display_name: str
    cells: tuple[Cell, ...]

    @property
    def hand(self) -> datetime.datetime | None:
        """Since when the first of this student's hands is up."""
        return min((cell.hand for cell in self.cells if cell.hand), default=None)


@dataclass(frozen=True, slots=True)
class Hand:
    """A raised hand, with that student's tasks."""

    user_id: int
    display_name: str
    cell: Cell
    tasks: tuple[TaskNow, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A lab of the table. `points` is what it is worth, 0 for one that is no longer in the catalogue."""

    slug: str
    number: str
    title: str
    points: float


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Everything that the page shows. Rows with raised hands come first, the longest raised at the top."""

    columns: tuple[Column, ...]
    hands: tuple[Hand, ...]
    rows: tuple[Row, ...]


def table(db: Session, last_known: LastKnown) -> ClassTable:
    """The class of this moment: every active student, and every lab that is there or was worked on."""
    students = db.scalars(select(User).where(User.role == Role.STUDENT, User.active)).all()
    sessions = _sessions(db)
    results = _results(db)
    columns = _columns({lab for _, lab in [*sessions, *results]})
    hands: list[Hand] = []
    rows = []
    for student in students:
        shown = student.display_name or student.name
        cells = []
        for column in columns:
            session = sessions.get((student.id, column.slug))
            report = last_known(session.id, session.generation) if session is not None else None
            cell = _cell(column, session, results.get((student.id, column.slug)), report)
            if cell.hand is not None:
                hands.append(Hand(student.id, shown, cell, tasks_of(report)))
            cells.append(cell)
        rows.append(Row(student.id, student.name, shown, tuple(cells)))
    late = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    rows.sort(key=lambda row: (row.hand or late, row.display_name.casefold(), row.name))
    hands.sort(key=lambda hand: (hand.cell.hand or late, hand.display_name))
    return ClassTable(tuple(columns), tuple(hands), tuple(rows))


def tasks_of(report: Mapping[str, Any] | None) -> tuple[TaskNow, ...]:
    """The tasks of a report, each with its first check that failed or could not be run."""
    return tuple(_task(task) for task in (report or {}).get("tasks") or ())


def earned(report: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """What the tasks give together and are worth; a task that cannot be judged at the moment gives nothing yet."""
    tasks = tasks_of(report)
    return (sum(t.score for t in tasks), sum(t.points for t in tasks)) if tasks else (None, None)


def _task(task: Mapping[str, Any]) -> TaskNow:
    wrong = (check for check in task.get("checks") or () if check["outcome"] in ("failed", "error"))
    says = next((str(check.get("message") or "") for check in wrong), "")
    return TaskNow(
        str(task["id"]),
        str(task["title"]),
        str(task["outcome"]),
        float(task["score"] or 0),
        float(task["points"]),
        says,
    )


@dataclass(frozen=True, slots=True)
class _Living:
    """What of a session's row the table needs."""

    id: str
    generation: int
    observed: Observed
    hand: datetime.datetime | None
    fault: str | None


def _sessions(db: Session) -> dict[tuple[int, str], _Living]:
    """The sessions that are not removed, by student and lab."""
    s = LabSession
    rows = db.execute(
        select(s.user_id, s.lab, s.id, s.generation, s.observed, s.hand_raised_at, s.fault).where(s.living == 1)
    )
    return {(row[0], row[1]): _Living(row[2], row[3], row[4], row[5], row[6]) for row in rows}


@dataclass(slots=True)
class _Result:
    """The best grade of a student in a lab, and whether the latest submission has none yet, or never will."""

    score: float | None = None
    points: float | None = None
    skipped: float = 0.0
    submission: str | None = None
    waiting: bool = False
    given_up: bool = False


def _results(db: Session) -> dict[tuple[int, str], _Result]:
    """The best of the newest grades of each submission, by student and lab."""
    newest = select(func.max(Grade.id).label("id")).group_by(Grade.submission_id).subquery()
    rows = db.execute(
        select(
            Submission.user_id,
            Submission.lab,
            Submission.id,
            Submission.state,
            Submission.given_up,
            Grade.score,
            Grade.points,
            Grade.skipped_points,
        )
        .outerjoin(Grade, (Grade.submission_id == Submission.id) & Grade.id.in_(select(newest.c.id)))
        .order_by(Submission.submitted_at, Submission.id)
    )
    found: dict[tuple[int, str], _Result] = {}
    for user, lab, submission, state, given_up, score, points, skipped in rows:
        result = found.setdefault((user, lab), _Result())
        result.given_up = given_up
        result.waiting = state is not SubmissionState.GRADED and not given_up
        # Of equal scores the latest.
        if score is not None and (result.score is None or score >= result.score):
            result.score, result.points, result.skipped, result.submission = score, points, skipped, submission
        elif result.submission is None:
            result.submission = submission
    return found


def _columns(worked_on: Iterable[str]) -> list[Column]:
    """Every lab of the catalogue by number, then those that are no longer in it."""
    columns = [Column(page.slug, page.number, page.title, page.points) for page in catalog.labs()]
    known = {column.slug for column in columns}
    return columns + [Column(slug, "", slug, 0.0) for slug in sorted(set(worked_on) - known)]


def _cell(column: Column, session: _Living | None, result: _Result | None, report: Mapping[str, Any] | None) -> Cell:
    now, now_points = earned(report)
    standing = Standing.SUBMITTED if result else Standing.WORKING if session else Standing.NONE
    return Cell(
        lab=column.slug,
        title=column.title,
        standing=standing,
        score=result.score if result else None,
        points=result.points if result else None,
        skipped=result.skipped if result else 0.0,
        submission=result.submission if result else None,
        grading=result.waiting if result else False,
        given_up=result.given_up if result else False,
        now=now,
        now_points=now_points if now_points is not None else column.points or None,
        state=_state(session) if session else "",
        hand=session.hand if session else None,
        fault=session.fault if session and session.observed is Observed.FAILED else None,
    )


def _state(session: _Living) -> str:
    """The session in a word: what there is, not what is asked for."""
    return {Observed.STOPPED: "asleep", Observed.WAITING: "in the queue"}.get(session.observed, session.observed.value)
