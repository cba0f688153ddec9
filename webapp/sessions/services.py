"""What a student asks of a lab session. Services write what is desired; the reconciler, once woken, does it."""

from __future__ import annotations

import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from grader.model import LabError
from webapp.accounts.models import User
from webapp.accounts.services import audit
from webapp.database.base import now
from webapp.errors import Refused
from webapp.sessions import labs, queue, wake
from webapp.sessions.models import Desired, HintTaken, LabSession, Observed

# How often activity is written down at most: each note is a write to the database.
NOTED_EVERY = datetime.timedelta(seconds=30)


def current(db: Session, user: User, slug: str) -> LabSession | None:
    """The user's session in a lab, where there is one that is not removed."""
    asked = select(LabSession).where(LabSession.user_id == user.id, LabSession.lab == slug, LabSession.living == 1)
    return db.scalars(asked).unique().one_or_none()


def removed(db: Session, user: User, slug: str) -> LabSession | None:
    """The user's last session in a lab, where it was the platform by itself that removed it."""
    asked = select(LabSession).where(LabSession.user_id == user.id, LabSession.lab == slug, LabSession.living.is_(None))
    last = db.scalars(asked.order_by(LabSession.last_activity_at.desc()).limit(1)).unique().one_or_none()
    return last if last is not None and last.because is not None else None


def start(db: Session, user: User, slug: str) -> LabSession:
    """Ask for the lab to run: anew, or with the state that it was stopped in. Idempotent, also from two tabs at once.

    Raises Refused 404 for an unknown lab.
    """
    labs.folder(slug)
    session = current(db, user, slug) or _made(db, user, slug)
    _locked(db, session)
    if session.desired is not Desired.RUNNING:
        session.desired = Desired.RUNNING
        session.asked_at = now()
    _afresh(session)
    audit(db, user, "start", slug)
    wake.after_commit(db)
    return session


def _made(db: Session, user: User, slug: str) -> LabSession:
    session = LabSession(user_id=user.id, lab=slug)
    try:
        with db.begin_nested():
            db.add(session)
    except IntegrityError:  # The other tab was first.
        found = current(db, user, slug)
        if found is None:
            raise
        return found
    return session


def _locked(db: Session, session: LabSession) -> None:
    """Hold the row until the commit, and see it as it is now: the reconciler writes to it too."""
    db.flush()  # What is not written yet would be read over.
    db.refresh(session, with_for_update={"of": LabSession})


def _afresh(session: LabSession) -> None:
    """Somebody is here and wants it now: a failed session is tried again at once."""
    session.last_activity_at = now()
    session.fault, session.failures, session.retry_at, session.because = None, 0, None, None


def reset(db: Session, session: LabSession) -> None:
    """Ask for the lab from the beginning, in a fresh cluster. A second press before the first is done changes nothing.

    Raises Refused 409 for a session that was removed.
    """
    _locked(db, session)
    _alive(session)
    if session.observed_generation == session.generation:
        session.generation += 1
        session.asked_at = now()
        session.ready_at = None
    session.desired = Desired.RUNNING
    session.hand_raised_at = None
    _afresh(session)
    audit(db, session.user, "reset", session.lab)
    wake.after_commit(db)


def stop(db: Session, session: LabSession) -> None:
    """Ask for the cluster to be put to sleep; its state is kept. Raises Refused 409 for a session that was removed."""
    _locked(db, session)
    _alive(session)
    session.desired = Desired.STOPPED
    session.hand_raised_at = None
    _afresh(session)
    audit(db, session.user, "stop", session.lab)
    wake.after_commit(db)


def remove(db: Session, session: LabSession) -> None:
    """Give the lab up for good: its cluster is deleted, submissions stay. Idempotent."""
    _locked(db, session)
    if session.living is None:
        return
    session.desired, session.living, session.hand_raised_at = Desired.REMOVED, None, None
    audit(db, session.user, "remove", session.lab)
    wake.after_commit(db)


def raise_hand(db: Session, session: LabSession, up: bool) -> None:
    """Raise the hand, or take it down. A hand that is up already stays up since when it was raised."""
    _locked(db, session)
    _alive(session)
    if up == (session.hand_raised_at is not None):
        return
    session.hand_raised_at = now() if up else None
    session.last_activity_at = now()
    audit(db, session.user, "hand up" if up else "hand down", session.lab)


def take_hint(db: Session, session: LabSession, task_id: str) -> str:
    """The hint of a task, and a note that it was asked for. Raises Refused: no such task, no hint, not ready yet."""
    if session.observed_generation == 0:
        raise Refused("The lab is still being made ready; ask again in a moment.", 409)
    try:
        lab = labs.load(session.lab, session.user.name, params=session.params)
    except LabError as fault:
        raise Refused("This lab cannot be read at the moment; tell your instructor.", 503) from fault
    task = next((t for t in lab.spec.tasks if t.id == task_id), None)
    if task is None:
        raise Refused("This lab has no such task.", 404)
    if task.hint is None:
        raise Refused("There is no hint for this task.", 404)
    _locked(db, session)
    if db.get(HintTaken, (session.id, task_id)) is None:
        db.add(HintTaken(session_id=session.id, task=task_id))
        audit(db, session.user, "hint", session.lab, task=task_id)
    session.last_activity_at = now()
    return task.hint


def hints_taken(db: Session, session: LabSession) -> set[str]:
    """The ids of the tasks whose hint was asked for."""
    return set(db.scalars(select(HintTaken.task).where(HintTaken.session_id == session.id)))


def place_in_queue(db: Session, session: LabSession) -> int:
    """The place among those who wait for a cluster, 1 for the next; 0 for who does not wait."""
    if session.observed not in (Observed.WAITING, Observed.FAILED, Observed.STOPPED) or not queue.waits(session):
        return 0
    return next((n for n, one in enumerate(queue.waiting(db), 1) if one.id == session.id), 0)


def touch(db: Session, session: LabSession) -> None:
    """Somebody is there. Written down every half minute at most, so it may be called as often as one likes."""
    moment = now()
    if abs(moment - session.last_activity_at) >= NOTED_EVERY:
        session.last_activity_at = moment


def _alive(session: LabSession) -> None:
    if session.living is None:
        raise Refused("This lab session was removed; start the lab again.", 409)
