"""Collecting and grading what was submitted: the reconciler's part of this slice.

A submission is graded once, whatever is killed when: evidence, grade and state are one transaction, and it changes
only a submission that is not graded yet. A cluster that does not answer costs nothing and is asked again.
"""

from __future__ import annotations

import datetime
import logging
import zlib
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from clusters.tools import program
from grader import evidence as documents_of_evidence
from grader.collect import Access
from grader.grading import grade
from grader.labfile import LoadedLab
from grader.model import ClusterUnreachable, Evidence, GraderError, LabError, Report
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import Refused
from webapp.grading import documents, marks
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions import labs
from webapp.sessions.access import Stand, stand_of
from webapp.sessions.models import LabSession, Observed, PoolCluster, PoolState
from webapp.sessions.reconciler.pause import due, pause
from webapp.sessions.reconciler.ports import Job

LOG = logging.getLogger(__name__)
# For so many failures in a row a cluster is kept for its submission; then it may be put away.
HELD = 3
Collect = Callable[[LoadedLab, Stand], tuple[Evidence, Report]]


def collect(lab: LoadedLab, stand: Stand) -> tuple[Evidence, Report]:
    """Look at a cluster and grade it. Raises GraderError."""
    access = Access.from_kubeconfig(stand.admin, kubectl=program("kubectl"))
    try:
        return grade(lab, access, wait=False, student=stand.student_name)
    finally:
        access.close()


class Grader:
    """What the reconciler asks of submissions; see webapp.sessions.reconciler.ports.Submissions."""

    def __init__(self, database: Database, secret: Callable[[], str], collect: Collect = collect) -> None:
        """`secret` gives what parameters are drawn from, for those that a lab got after the student had begun."""
        self._database, self._secret, self._collect = database, secret, collect

    def due(self, db: Session, moment: datetime.datetime) -> list[Job]:
        """Those whose session runs and whose time has come, oldest first."""
        asked = (
            select(Submission.id, Submission.retry_at, PoolCluster.name)
            .join(LabSession, LabSession.id == Submission.session_id)
            .join(PoolCluster, PoolCluster.session_id == LabSession.id)
            .where(Submission.open, LabSession.observed == Observed.RUNNING, PoolCluster.state == PoolState.CLAIMED)
            .order_by(Submission.submitted_at, Submission.id)
        )
        rows = [(name, cluster) for name, retry_at, cluster in db.execute(asked) if due(retry_at, moment)]
        return [Job(name, lambda name=name, cluster=cluster: self._grade(name, cluster)) for name, cluster in rows]  # type: ignore[misc]

    def holds(self, db: Session, session_id: str) -> bool:
        """Whether one of a session's submissions is still to be collected."""
        held = (Submission.session_id == session_id, Submission.open, Submission.failures < HELD)
        return db.execute(select(Submission.id).where(*held).limit(1)).first() is not None

    def abandon(self, db: Session, session_id: str, why: str) -> None:
        """Give up what was not collected, and say why."""
        given_up = {"state": SubmissionState.FAILED, "retry_at": None, "fault": why}
        asked = update(Submission).where(Submission.session_id == session_id, Submission.open)
        db.execute(asked.values(given_up).execution_options(synchronize_session=False))

    def finished(self, db: Session, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions whose cluster, as it is now, was handed in and earned all that can be earned.

        What was handed in before a reset says nothing of the cluster that came after it.
        """
        newest = select(func.max(Grade.id)).group_by(Grade.submission_id)
        asked = (
            select(Submission.session_id, Grade.score, Grade.points, Grade.skipped_points)
            .join(Grade, (Grade.submission_id == Submission.id) & Grade.id.in_(newest))
            .join(PoolCluster, PoolCluster.session_id == Submission.session_id)
            .where(Submission.session_id.in_(session_ids), Submission.cluster == PoolCluster.name)
        )
        return {name for name, *marked in db.execute(asked) if name is not None and marks.full(*marked)}

    def _grade(self, submission_id: str, cluster: str) -> None:
        with self._database.reading() as db:
            submission = db.get(Submission, submission_id)
            if submission is None or submission.state is SubmissionState.GRADED:
                return
            session = db.get(LabSession, submission.session_id) if submission.session_id else None
            began_with = session.lab_digest if session else ""
        try:
            lab = self._lab(submission)
            evidence, report = self._collect(lab, stand_of(cluster))
            if report.score is None:
                said = next((check.message for check in report.errors), "a check could not be run")
                raise GraderError(f"a check could not be run: {said}")
        except Exception as fault:
            told = isinstance(fault, (GraderError, Refused, OSError))
            LOG.warning("submission %s in cluster %s: %s", submission_id, cluster, fault, exc_info=not told)
            self._fail(submission_id, _sentence(fault))
            return
        self._keep(submission_id, lab, evidence, report, changed=began_with not in ("", lab.digest))

    def _lab(self, submission: Submission) -> LoadedLab:
        """The lab as it is on disk now, with the parameters that the student began with."""
        return labs.load(submission.lab, submission.user.name, secret=self._secret(), params=submission.params)

    def _keep(self, submission_id: str, lab: LoadedLab, evidence: Evidence, report: Report, *, changed: bool) -> None:
        assert report.score is not None  # noqa: S101 - asked before
        values: dict[str, Any] = {
            "state": SubmissionState.GRADED,
            "evidence": zlib.compress(documents_of_evidence.dump(evidence)),
            "fault": None,
            "retry_at": None,
        }
        with self._database.transaction() as db:
            first = update(Submission).where(Submission.id == submission_id, Submission.state != SubmissionState.GRADED)
            result: CursorResult[Any] = db.execute(  # type: ignore[assignment]
                first.values(values).execution_options(synchronize_session=False)
            )
            if result.rowcount == 1:
                db.add(
                    Grade(
                        submission_id=submission_id,
                        lab_digest=lab.digest,
                        score=report.score,
                        points=report.points,
                        skipped_points=report.skipped_points,
                        report=documents.document(report, lab_changed=changed),
                    )
                )

    def _fail(self, submission_id: str, why: str) -> None:
        with self._database.transaction() as db:
            row = db.get(Submission, submission_id, with_for_update={"of": Submission})
            if row is None or not row.open:
                return
            row.state, row.fault = SubmissionState.FAILED, why
            row.failures += 1
            row.retry_at = now() + datetime.timedelta(seconds=pause(row.failures))


def _sentence(fault: Exception) -> str:
    """What the student reads; the platform's log has the rest."""
    if isinstance(fault, ClusterUnreachable):
        return "your cluster did not answer; it is asked again, and nothing is lost"
    if isinstance(fault, LabError):
        return "this lab cannot be graded as it is written at the moment; tell your instructor, and nothing is lost"
    if isinstance(fault, GraderError):
        return "some checks could not be run; it is tried again, and nothing is lost"
    return "something went wrong in the platform; it is tried again, and nothing is lost"
