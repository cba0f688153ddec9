"""How far a student is in every lab: two queries, however many labs there are."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import User
from webapp.catalog.services import Progress, Standing
from webapp.grading import marks
from webapp.grading.models import Grade, Submission
from webapp.sessions.models import LabSession
from webapp.sessions.states import describe


def of(db: Session, user: User) -> dict[str, Progress]:
    """The standing in each lab that the student has begun, by slug."""
    best = _best(db, user)
    made = {lab: _handed_in(score, points) for lab, (score, points) in best.items()}
    asked = select(LabSession).where(LabSession.user_id == user.id, LabSession.living == 1)
    for session in db.scalars(asked).unique():
        known = made.get(session.lab, Progress())
        standing = known.standing if known.standing is Standing.COMPLETE else Standing.OPEN
        made[session.lab] = Progress(standing, known.score, known.points, describe(session).word)
    return made


def _handed_in(score: float | None, points: float | None) -> Progress:
    if score is None or points is None:
        return Progress(Standing.HANDED_IN)
    return Progress(Standing.COMPLETE if marks.full(score, points) else Standing.HANDED_IN, score, points)


def _best(db: Session, user: User) -> dict[str, tuple[float | None, float | None]]:
    """The best submission of each lab by its newest grade; None for one that has no grade yet.

    What the cluster could not show was not lost: those points do not count towards what could be had.
    """
    newest = (
        select(func.max(Grade.id).label("id"), Grade.submission_id)
        .join(Submission, Submission.id == Grade.submission_id)
        .where(Submission.user_id == user.id)
        .group_by(Grade.submission_id)
        .subquery()
    )
    asked = (
        select(Submission.lab, Grade.score, Grade.points, Grade.skipped_points)
        .outerjoin(newest, newest.c.submission_id == Submission.id)
        .outerjoin(Grade, Grade.id == newest.c.id)
        .where(Submission.user_id == user.id)
    )
    made: dict[str, tuple[float | None, float | None]] = {}
    for lab, score, points, skipped in db.execute(asked):
        before = made.get(lab, (None, None))
        if score is None:
            made.setdefault(lab, (None, None))
        elif before[0] is None or score > before[0]:
            made[lab] = (score, points - skipped)
    return made
