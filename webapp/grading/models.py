"""Submissions and their grades. A submission is written before anything is collected; no regrade changes it."""

from __future__ import annotations

import datetime
import enum
from typing import Any

from sqlalchemy import ColumnElement, Enum, ForeignKey, LargeBinary, String, Text, and_, not_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.accounts.models import User
from webapp.database.base import Base, now
from webapp.sessions.models import new_id


class SubmissionState(enum.StrEnum):
    """How far a submission is. A failed one was not the student's fault and is tried again, unless it is `given_up`."""

    WAITING = "waiting"
    GRADED = "graded"
    FAILED = "failed"


class Submission(Base):
    """One press of "submit". `evidence` is the zlib-compressed document of grader.evidence."""

    __tablename__ = "submissions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[str | None] = mapped_column(ForeignKey("lab_sessions.id", ondelete="SET NULL"), index=True)
    lab: Mapped[str] = mapped_column(String(80), index=True)
    cluster: Mapped[str | None] = mapped_column(String(80))  # the one it was handed in from; a reset brings another
    state: Mapped[SubmissionState] = mapped_column(
        Enum(SubmissionState, native_enum=False, length=16), default=SubmissionState.WAITING, index=True
    )
    submitted_at: Mapped[datetime.datetime] = mapped_column(default=now)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    hints: Mapped[int] = mapped_column(default=0)
    evidence: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    fault: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime.datetime | None]
    user: Mapped[User] = relationship(lazy="joined")
    grades: Mapped[list[Grade]] = relationship(back_populates="submission", order_by="Grade.id")

    @hybrid_property
    def given_up(self) -> bool:
        """Whether it will never be graded, as its cluster is gone: `fault` says why, and the student hands in again.

        Also in queries: `Submission.given_up`.
        """
        return self.state is SubmissionState.FAILED and self.retry_at is None

    @given_up.inplace.expression
    @classmethod
    def _given_up(cls) -> ColumnElement[bool]:
        return and_(cls.state == SubmissionState.FAILED, cls.retry_at.is_(None))

    @hybrid_property
    def open(self) -> bool:
        """Whether it is still to be graded. Also in queries: `Submission.open`."""
        return self.state is not SubmissionState.GRADED and not self.given_up

    @open.inplace.expression
    @classmethod
    def _open(cls) -> ColumnElement[bool]:
        return and_(cls.state != SubmissionState.GRADED, not_(cls.given_up))

    @property
    def grade(self) -> Grade | None:
        """The grade that counts: the newest."""
        return self.grades[-1] if self.grades else None


class Grade(Base):
    """One grading of a submission: the first, and every regrade. The newest counts."""

    __tablename__ = "grades"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.id", ondelete="CASCADE"), index=True)
    graded_at: Mapped[datetime.datetime] = mapped_column(default=now)
    graded_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))  # None: the platform
    lab_digest: Mapped[str] = mapped_column(String(80))
    score: Mapped[float]
    points: Mapped[float]
    skipped_points: Mapped[float] = mapped_column(default=0.0)
    report: Mapped[dict[str, Any]]  # as grader.reports "json" with hidden checks revealed: cut before a student sees it
    submission: Mapped[Submission] = relationship(back_populates="grades")
