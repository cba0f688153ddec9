"""Submissions: handing in, what became of them, grading a lab again for everybody, and all scores as a table.

Reading another's submission is for instructors: `owned` decides. Collecting and grading are `webapp.grading.work`'s.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload, undefer

from grader import evidence as documents_of_evidence
from grader.evaluate import evaluate
from grader.labfile import LoadedLab
from grader.model import GraderError, Snapshot
from webapp.accounts.models import Role, User
from webapp.accounts.services import audit
from webapp.accounts.signin import require
from webapp.database.base import now
from webapp.errors import Refused
from webapp.grading import documents
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions import labs, wake
from webapp.sessions.models import Desired, HintTaken, LabSession, Observed

# So many submissions are in memory at once while a class is graded again.
BATCH = 20
Found = TypeVar("Found")
# What a spreadsheet takes for a formula where a cell begins with it, also after white space, and in full width.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL = ("\t", "\r", "\n", "\0")


@dataclass(frozen=True, slots=True)
class Change:
    """What a regrade changes for one submission. `score` of `points`; `new` is None where it cannot be graded again."""

    submission: Submission
    user: User
    old: float
    new: float | None
    points: float
    fault: str | None = None
    document: dict[str, Any] | None = None
    skipped: float = 0.0
    digest: str = ""


_GRADES = selectinload(Submission.grades).defer(Grade.report)


def submit(db: Session, session: LabSession) -> Submission:
    """Hand in what stands in the session's cluster now. A second press before it is collected gives the same one, and
    where that had failed, it is tried at once.

    Raises Refused 409 where the session does not run.
    """
    # Held until the commit: the reconciler puts no cluster away that a submission was made for.
    db.flush()
    db.refresh(session, with_for_update={"of": LabSession})
    if session.desired is not Desired.RUNNING or session.observed is not Observed.RUNNING:
        raise Refused("Your cluster does not run at the moment; start the lab, then submit.", 409)
    if session.generation != session.observed_generation:
        raise Refused("The lab is being reset; there is nothing to submit yet.", 409)
    asked = select(Submission).where(Submission.session_id == session.id, Submission.open)
    waiting = db.scalars(asked.order_by(Submission.submitted_at)).unique().first()
    if waiting is not None:
        if waiting.state is SubmissionState.FAILED:
            waiting.retry_at = now()
            wake.after_commit(db)
        return waiting
    hints = db.scalar(select(func.count()).select_from(HintTaken).where(HintTaken.session_id == session.id)) or 0
    made = Submission(
        user_id=session.user_id,
        session_id=session.id,
        lab=session.lab,
        cluster=session.cluster.name if session.cluster else None,
        params=session.params,
        hints=hints,
    )
    db.add(made)
    db.flush()
    session.hand_raised_at = None
    audit(db, session.user, "submit", session.lab, submission=made.id)
    wake.after_commit(db)
    return made


def owned(db: Session, viewer: User, submission_id: str) -> Submission:
    """A submission that the viewer may see: the own ones, and every one for who teaches. Raises Refused 404."""
    asked = select(Submission).where(Submission.id == submission_id).options(selectinload(Submission.grades))
    found = db.scalars(asked).unique().one_or_none()
    if found is None or (found.user_id != viewer.id and viewer.role is Role.STUDENT):
        raise Refused("There is no such submission.", 404)  # Whose it is, is nobody else's business.
    return found


def history(db: Session, user: User, slug: str | None = None) -> list[Submission]:
    """A user's submissions, in one lab or in all, newest first. Their grades come without reports, which are large."""
    asked = select(Submission).where(Submission.user_id == user.id).options(_GRADES)
    if slug is not None:
        asked = asked.where(Submission.lab == slug)
    return list(db.scalars(asked.order_by(Submission.submitted_at.desc(), Submission.id)).unique())


def best(db: Session, user: User, slug: str) -> Grade | None:
    """The best of a user's grades in a lab, of each submission the one that counts; of equal ones the first."""
    return best_of(history(db, user, slug), slug)


def best_of(submissions: list[Submission], slug: str) -> Grade | None:
    """As `best`, of submissions that are at hand, newest first."""
    grades = [s.grade for s in reversed(submissions) if s.lab == slug and s.grade is not None]
    return max(grades, key=lambda g: g.score, default=None)


def report(grade: Grade, reveal: bool = False) -> dict[str, Any]:
    """A grade's report as it may be shown: {lab, score, points, skipped_points, lab_changed, tasks[{id, title, score,
    points, outcome, checks[{kind, outcome, message, why, hidden}]}]}. `reveal` is for who teaches."""
    return documents.shown(grade.report, reveal=reveal)


def evidence_of(db: Session, submission: Submission, reveal: bool = False) -> bytes:
    """The evidence of a submission as `seatrial regrade` reads it. Raises Refused 404 where there is none yet.

    Unless `reveal`, without what probes and scripts of hidden checks said.
    """
    stored = db.scalar(select(Submission.evidence).where(Submission.id == submission.id))
    if stored is None:
        raise Refused("There is no evidence of this submission yet.", 404)
    content = zlib.decompress(stored)
    if reveal:
        return content
    hidden = {h for grade in submission.grades for h in documents.hidden(grade.report)}
    whole = documents_of_evidence.load(content)

    def told(found: Mapping[str, Found]) -> dict[str, Found]:
        return {key: one for key, one in found.items() if "/".join(key.split("/")[:2]) not in hidden}

    def look(seen: Snapshot) -> Snapshot:
        return replace(seen, probes=None if seen.probes is None else told(seen.probes))

    shown = replace(
        whole, observations=told(whole.observations), now=look(whole.now), earlier=[look(e) for e in whole.earlier]
    )
    return documents_of_evidence.dump(shown)


def preview_regrade(db: Session, slug: str) -> list[Change]:
    """Whose grades the lab, as it is now, would change, by user and time. Writes nothing; `db` may be a reading one.

    Every submission is listed whose points or whose report would be another one, and every one that cannot be graded
    again. Raises Refused: no such lab, or one that cannot be read.
    """
    found = [change for batch in changes(db, slug) for change in batch]
    return sorted(found, key=lambda c: (c.user.name, c.submission.submitted_at))


def changes(db: Session, slug: str) -> Iterator[list[Change]]:
    """The changes, some submissions at a time, so that a class's evidence is not in memory at once."""
    folder = labs.folder(slug)
    try:
        labs.load(slug, "student")
    except GraderError as fault:
        told = f"The lab in {folder.name} cannot be read, so nothing can be graded with it: {fault}"
        raise Refused(told, 409) from fault
    # Students share the lab of their draw; reading it takes longer than grading with it.
    read: dict[str, LoadedLab] = {}
    graded = select(Submission.id).where(Submission.lab == slug, Submission.state == SubmissionState.GRADED)
    ids = list(db.scalars(graded.order_by(Submission.submitted_at, Submission.id)))
    for begin in range(0, len(ids), BATCH):
        asked = select(Submission).where(Submission.id.in_(ids[begin : begin + BATCH]))
        asked = asked.options(selectinload(Submission.grades), undefer(Submission.evidence))
        submissions = list(db.scalars(asked.execution_options(populate_existing=True)).unique())
        found = [(s, s.evidence) for s in submissions]
        for submission in submissions:
            db.expire(submission, ["evidence"])
        if not db.new and not db.dirty:
            db.commit()  # Nothing is locked while we grade.
        yield [change for s, content in found if content is not None and (change := _change(s, content, read))]


def _change(submission: Submission, content: bytes, read: dict[str, LoadedLab]) -> Change | None:
    old = submission.grade
    if old is None:
        return None
    user = submission.user
    try:
        evidence = documents_of_evidence.load(zlib.decompress(content))
        draw = json.dumps(dict(evidence.params), sort_keys=True)
        if draw not in read:
            read[draw] = labs.load(submission.lab, user.name, params=evidence.params)
        lab = read[draw]
        graded = evaluate(lab, evidence)
    except (GraderError, zlib.error) as fault:
        return Change(submission, user, old.score, None, old.points, fault=str(fault))
    if graded.score is None:
        return Change(submission, user, old.score, None, old.points, fault="some checks could not be run")
    document = documents.document(graded, lab_changed=lab.digest != evidence.lab_digest)
    if _counts(document) == _counts(old.report):
        return None
    return Change(
        submission, user, old.score, graded.score, graded.points, None, document, graded.skipped_points, lab.digest
    )


def _counts(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key != "lab_changed"}


def regrade(db: Session, slug: str, actor: User) -> list[Change]:
    """Grade every submission of a lab again from its evidence. A new grade is written only where something changed.

    Commits as it goes, since a class takes a while; one that was cut off may be done again. Gives what was changed.
    Raises Refused 403 for who does not teach, and as `preview_regrade`.
    """
    require(actor, Role.INSTRUCTOR)
    done = []
    for batch in changes(db, slug):
        done += [change for change in batch if change.document is not None and _written(db, change, actor)]
        db.commit()
    audit(db, actor, "regrade", slug, changed=len(done))
    return sorted(done, key=lambda c: (c.user.name, c.submission.submitted_at))


def _written(db: Session, change: Change, actor: User) -> bool:
    """Write a new grade, unless somebody else has just written the same: two instructors at once make one of them."""
    assert change.new is not None and change.document is not None  # noqa: S101 - asked before
    db.execute(select(Submission.id).where(Submission.id == change.submission.id).with_for_update())
    grades = select(Grade).where(Grade.submission_id == change.submission.id).order_by(Grade.id.desc())
    if _counts(db.scalars(grades.limit(1).execution_options(populate_existing=True)).one().report) == _counts(
        change.document
    ):
        return False
    db.add(
        Grade(
            submission_id=change.submission.id,
            graded_by=actor.id,
            lab_digest=change.digest,
            score=change.new,
            points=change.points,
            skipped_points=change.skipped,
            report=change.document,
        )
    )
    return True


def scores_csv(db: Session) -> str:
    """Every active student's best grade in every lab, as CSV (RFC 4180) with a header; a row without a score where
    nothing was handed in. Who is no student, or no longer active, and labs that are gone: where something was.

    What a spreadsheet would take for a formula is quoted with an apostrophe, since students choose their names.
    """
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ["user", "name", "lab", "score", "points", "skipped_points", "submissions", "hints", "submitted_at", "regraded"]
    )
    asked = select(Submission).options(_GRADES).order_by(Submission.submitted_at)
    students = db.scalars(select(User).where(User.role == Role.STUDENT, User.active)).all()
    slugs = labs.slugs()
    shown = {user.name: user.display_name for user in students}
    kept: dict[tuple[str, str], list[Submission]] = {(user.name, lab): [] for user in students for lab in slugs}
    for submission in db.scalars(asked).unique():
        shown[submission.user.name] = submission.user.display_name
        kept.setdefault((submission.user.name, submission.lab), []).append(submission)
    for (name, lab), submissions in sorted(kept.items()):
        table.writerow([_cell(name), _cell(shown[name]), _cell(lab), *_best_cells(submissions)])
    return out.getvalue()


def _best_cells(submissions: list[Submission]) -> list[object]:
    """The columns from "score" on, of one student's submissions in one lab, oldest first."""
    graded = [(g, s) for s in submissions if (g := s.grade) is not None]
    if not graded:
        return ["", "", "", len(submissions), submissions[-1].hints if submissions else "", "", ""]
    grade, of = max(graded, key=lambda pair: pair[0].score)
    regraded = "yes" if len(of.grades) > 1 else ""
    when = of.submitted_at.isoformat(timespec="seconds")
    return [grade.score, grade.points, grade.skipped_points, len(submissions), of.hints, when, regraded]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_CONTROL) or text.lstrip().startswith(_FORMULA) else text
