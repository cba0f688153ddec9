"""Who is next: those who wait for a cluster, in a fair order.

Everybody's first session comes before anybody's second, and among equals whoever asked first. So a student with two
labs open pushes nobody back.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.sessions.models import Desired, LabSession, PoolCluster, PoolState


def waits(session: LabSession) -> bool:
    """Whether a session needs a place among the running clusters and has none."""
    if session.desired is not Desired.RUNNING:
        return False
    return session.cluster is None or session.cluster.state is PoolState.STOPPED


def in_order(sessions: Iterable[LabSession], held: Counter[int]) -> list[LabSession]:
    """Those of the sessions that wait, the next one first. `held` are the running clusters of each user's id."""
    rank = Counter(held)
    keyed: list[tuple[int, datetime.datetime, str, LabSession]] = []
    for session in sorted((s for s in sessions if waits(s)), key=lambda s: (s.asked_at, s.id)):
        keyed.append((rank[session.user_id], session.asked_at, session.id, session))
        rank[session.user_id] += 1
    return [key[-1] for key in sorted(keyed, key=lambda key: key[:3])]


def held(db: Session) -> Counter[int]:
    """How many running clusters each user has, by the user's id."""
    rows = db.execute(
        select(LabSession.user_id)
        .join(PoolCluster, PoolCluster.session_id == LabSession.id)
        .where(PoolCluster.state == PoolState.CLAIMED)
    )
    return Counter(user for (user,) in rows)


def leaving(db: Session) -> int:
    """How many clusters run that shall not any more: each makes room for another."""
    rows = select(func.count()).select_from(LabSession).join(PoolCluster, PoolCluster.session_id == LabSession.id)
    going = rows.where(PoolCluster.state == PoolState.CLAIMED, LabSession.desired != Desired.RUNNING)
    return db.scalar(going) or 0


def waiting(db: Session) -> list[LabSession]:
    """All who wait, the next one first."""
    asked = select(LabSession).where(LabSession.desired == Desired.RUNNING)
    return in_order(db.scalars(asked).unique(), held(db))
