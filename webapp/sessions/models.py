"""Lab sessions and the clusters behind them.

A session has a desired and an observed state. Services write what is desired, the reconciler what is observed.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any

from sqlalchemy import Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.accounts.models import User
from webapp.database.base import Base, now


def new_id() -> str:
    """An id that cannot be guessed, 32 hexadecimal digits."""
    return uuid.uuid4().hex


class Desired(enum.StrEnum):
    """What the student, or the platform for an idle one, asked for."""

    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class Observed(enum.StrEnum):
    """What there is."""

    WAITING = "waiting"  # for a cluster, in the queue
    PREPARING = "preparing"  # has a cluster; the lab is being put into it, or the cluster comes back
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"  # the cluster's state is kept
    FAILED = "failed"  # `fault` says why; the reconciler tries again at `retry_at`
    REMOVED = "removed"


class Because(enum.StrEnum):
    """Why the platform itself put a session to sleep, or removed it."""

    IDLE = "idle"  # nobody was at it for a while
    RESTART = "restart"  # the portal was down, and nobody had been at it just before
    ROOM = "room"  # somebody without any cluster waited, and its owner had another one
    FINISHED = "finished"  # removed: all of it was handed in
    EXPIRED = "expired"  # removed: nobody was at it for many days


class PoolState(enum.StrEnum):
    """What becomes of a cluster: made, waiting for somebody, somebody's, put to sleep, removed."""

    MAKING = "making"
    READY = "ready"
    CLAIMED = "claimed"
    STOPPED = "stopped"
    REMOVING = "removing"


class LabSession(Base):
    """One student in one lab. There is one row for a student and a lab that is not removed."""

    __tablename__ = "lab_sessions"
    __table_args__ = (
        # One living session for a student and a lab: `living` is 1, and NULL, which equals no other, once removed.
        UniqueConstraint("user_id", "lab", "living", name="uq_lab_sessions_living"),
        Index("ix_lab_sessions_states", "desired", "observed"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    lab: Mapped[str] = mapped_column(String(80), index=True)  # the slug
    living: Mapped[int | None] = mapped_column(default=1)
    desired: Mapped[Desired] = mapped_column(Enum(Desired, native_enum=False, length=16), default=Desired.RUNNING)
    observed: Mapped[Observed] = mapped_column(Enum(Observed, native_enum=False, length=16), default=Observed.WAITING)
    # A reset asks for a new generation; the reconciler says which one stands.
    generation: Mapped[int] = mapped_column(default=1)
    observed_generation: Mapped[int] = mapped_column(default=0)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    lab_digest: Mapped[str] = mapped_column(String(80), default="")
    asked_at: Mapped[datetime.datetime] = mapped_column(default=now)  # the place in the queue
    ready_at: Mapped[datetime.datetime | None]
    last_activity_at: Mapped[datetime.datetime] = mapped_column(default=now)
    fault: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime.datetime | None]
    hand_raised_at: Mapped[datetime.datetime | None]
    # Why the platform put it to rest; None where its student did, or where it runs.
    because: Mapped[Because | None] = mapped_column(Enum(Because, native_enum=False, length=16))
    user: Mapped[User] = relationship(lazy="joined")
    cluster: Mapped[PoolCluster | None] = relationship(back_populates="session", lazy="joined")


class PoolCluster(Base):
    """One cluster of the platform. Written before the cluster is made, and removed after it is gone."""

    __tablename__ = "pool_clusters"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)  # as the provider knows it
    provider: Mapped[str] = mapped_column(String(32))
    state: Mapped[PoolState] = mapped_column(
        Enum(PoolState, native_enum=False, length=16), default=PoolState.MAKING, index=True
    )
    session_id: Mapped[str | None] = mapped_column(ForeignKey("lab_sessions.id", ondelete="SET NULL"), unique=True)
    # The session's generation that the lab in it belongs to; 0 before a lab was put into it.
    generation: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[datetime.datetime] = mapped_column(default=now)
    fault: Mapped[str | None] = mapped_column(Text)
    session: Mapped[LabSession | None] = relationship(back_populates="cluster")


class HintTaken(Base):
    """A hint that a student asked for."""

    __tablename__ = "hints_taken"

    session_id: Mapped[str] = mapped_column(ForeignKey("lab_sessions.id", ondelete="CASCADE"), primary_key=True)
    task: Mapped[str] = mapped_column(String(80), primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(default=now)


class Pass(Base):
    """The last pass of a process that works in the background: `healthz` reads from it whether it lives."""

    __tablename__ = "passes"

    process: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(default=now)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
