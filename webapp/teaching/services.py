"""What instructors and admins may see and do. Every function asks first who it is that wants it: 403 for a student."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Role, User
from webapp.accounts.services import audit
from webapp.accounts.signin import require
from webapp.catalog import services as catalog
from webapp.errors import Refused
from webapp.grading import services as grading
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions import access
from webapp.sessions import services as sessions
from webapp.sessions.models import HintTaken, LabSession
from webapp.teaching import roster

# Submissions of one student in one lab that a page lists, the newest of them.
LISTED = 50


@dataclass(frozen=True, slots=True)
class HintNote:
    """A hint that was asked for: the task's title, and when."""

    task: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Handed:
    """A submission in a list. Without a grade `score` is None; then `fault` says why, `given_up` that it gets none."""

    id: str
    at: datetime.datetime
    state: str
    score: float | None
    points: float | None
    fault: str | None
    given_up: bool


@dataclass(frozen=True, slots=True)
class Student:
    """One student in one lab. `session` is None where the lab is not begun or was removed.

    `admin` is the kubeconfig of the session's cluster, None where it has none.
    """

    user: User
    lab: str
    title: str
    session: LabSession | None
    tasks: tuple[roster.TaskNow, ...]
    now: float | None
    now_points: float | None
    hints: tuple[HintNote, ...]
    handed_in: tuple[Handed, ...]
    admin: Path | None


@dataclass(frozen=True, slots=True)
class Reported:
    """A submission for who teaches. `report` is the one that counts; `gradings` are all with by whom, newest first."""

    submission: Submission
    title: str
    grade: Grade | None
    report: Mapping[str, Any] | None
    gradings: tuple[tuple[Grade, str], ...]
    lab_there: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a regrade would do. `graded` is how many submissions have a grade, changed or not."""

    slug: str
    title: str
    changes: tuple[grading.Change, ...]
    graded: int


def class_table(db: Session, actor: User, last_known: roster.LastKnown) -> roster.ClassTable:
    """The class of this moment. Raises Refused."""
    require(actor, Role.INSTRUCTOR)
    return roster.table(db, last_known)


def student(db: Session, actor: User, user_id: int, slug: str, last_known: roster.LastKnown) -> Student:
    """One student in one lab. Raises Refused: 403, or 404 for a user or a lab that nobody knows."""
    require(actor, Role.INSTRUCTOR)
    user = db.get(User, user_id)
    if user is None:
        raise Refused("There is no such student. The class shows all there are.", 404)
    session = sessions.current(db, user, slug)
    handed_in = _handed_in(db, user, slug)
    page = _lab(slug, known=session is not None or bool(handed_in))
    report = last_known(session.id, session.generation) if session is not None else None
    now, now_points = roster.earned(report)
    titles = {task.id: task.title for task in page.tasks} if page else {}
    return Student(
        user=user,
        lab=slug,
        title=page.title if page else slug,
        session=session,
        tasks=roster.tasks_of(report),
        now=now,
        now_points=now_points,
        hints=_hints(db, session, titles) if session is not None else (),
        handed_in=handed_in,
        admin=_admin(session) if session is not None else None,
    )


def lower_hand(db: Session, actor: User, user_id: int, slug: str) -> None:
    """Take a student's hand down, because somebody has been there. Idempotent. Raises Refused: 403, 404."""
    require(actor, Role.INSTRUCTOR)
    user = db.get(User, user_id)
    session = sessions.current(db, user, slug) if user is not None else None
    if user is None or session is None:
        raise Refused("This student has no such session any more.", 404)
    if session.hand_raised_at is None:
        return
    sessions.raise_hand(db, session, False)
    audit(db, actor, "lower hand", slug, student=user.name)


def submission(db: Session, actor: User, submission_id: str) -> Reported:
    """One submission with its grades and the report that counts, nothing hidden. Raises Refused: 403, 404."""
    require(actor, Role.INSTRUCTOR)
    found = grading.owned(db, actor, submission_id)
    grade = found.grade
    page = _lab(found.lab, known=True)
    graders = {one.graded_by for one in found.grades if one.graded_by is not None}
    names = {user.id: user.display_name or user.name for user in db.scalars(select(User).where(User.id.in_(graders)))}
    return Reported(
        submission=found,
        title=page.title if page else found.lab,
        grade=grade,
        report=grading.report(grade, reveal=True) if grade is not None else None,
        gradings=tuple((one, names.get(one.graded_by or 0, "seatrial")) for one in reversed(found.grades)),
        lab_there=page is not None,
    )


def preview_regrade(db: Session, actor: User, slug: str) -> Preview:
    """Whose score the lab as it is now would change. Writes nothing. Raises Refused: 403, 404, 409 for a broken lab."""
    require(actor, Role.INSTRUCTOR)
    page = catalog.page(slug)
    changes = grading.preview_regrade(db, slug)
    graded = select(func.count()).select_from(Submission)
    graded = graded.where(Submission.lab == slug, Submission.state == SubmissionState.GRADED)
    return Preview(slug, page.title, tuple(changes), db.scalar(graded) or 0)


def regrade(db: Session, actor: User, slug: str) -> int:
    """Grade every submission of a lab again; how many got a new grade. Raises Refused as `preview_regrade`."""
    require(actor, Role.INSTRUCTOR)
    return len(grading.regrade(db, slug, actor))


def scores(db: Session, actor: User) -> str:
    """Every score as CSV. Raises Refused 403."""
    require(actor, Role.INSTRUCTOR)
    return grading.scores_csv(db)


def _lab(slug: str, *, known: bool) -> catalog.LabPage | None:
    """The lab's page; None for a lab that is gone from the catalogue and that this student worked on."""
    try:
        return catalog.page(slug)
    except Refused:
        if known:
            return None
        raise


def _admin(session: LabSession) -> Path | None:
    """Of a sleeping cluster too: its log is kept with its state."""
    if session.cluster is None:
        return None
    try:
        return access.stand_of(session.cluster.name).admin
    except Refused:
        return None


def _hints(db: Session, session: LabSession, titles: dict[str, str]) -> tuple[HintNote, ...]:
    taken = db.scalars(select(HintTaken).where(HintTaken.session_id == session.id).order_by(HintTaken.at.desc()))
    return tuple(HintNote(titles.get(one.task, one.task), one.at) for one in taken)


def _handed_in(db: Session, user: User, slug: str) -> tuple[Handed, ...]:
    newest = select(func.max(Grade.id)).group_by(Grade.submission_id)
    s = Submission
    rows = db.execute(
        select(s.id, s.submitted_at, s.state, Grade.score, Grade.points, s.fault, s.given_up)
        .outerjoin(Grade, (Grade.submission_id == s.id) & Grade.id.in_(newest))
        .where(s.user_id == user.id, s.lab == slug)
        .order_by(s.submitted_at.desc(), s.id)
        .limit(LISTED)
    )
    return tuple(
        Handed(id, at, state.value, score, points, fault, given_up)
        for id, at, state, score, points, fault, given_up in rows
    )
