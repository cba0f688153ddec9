"""How the reconciler and its clusters do: for `seatrial status`, and for whoever teaches."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.database.base import now
from webapp.sessions import queue
from webapp.sessions.models import Pass, PoolState
from webapp.settings import Settings

# A pass is made every two seconds. After so many without one the reconciler hangs, or does not run.
HANGS = 30.0


@dataclass(frozen=True, slots=True)
class Health:
    """`age` is that of the last pass in seconds, None before the first. `fault` says why no cluster can be made.

    `places` is how many clusters there may be at once, `free` how many of those are nobody's; `waiting` how many
    sessions wait for one.
    """

    age: float | None
    fault: str | None
    places: int
    free: int
    ready: int
    used: int
    asleep: int
    waiting: int

    @property
    def hangs(self) -> bool:
        """Whether no pass is made any more."""
        return self.age is not None and self.age > HANGS


def read(db: Session, settings: Settings, moment: datetime.datetime | None = None) -> Health:
    """As the reconciler's last pass left it."""
    row = db.get(Pass, "reconciler")
    told = row.detail if row else {}
    used = int(told.get(PoolState.CLAIMED.value, 0))
    return Health(
        age=((moment or now()) - row.at).total_seconds() if row else None,
        fault=told.get("fault"),
        places=settings.clusters,
        free=max(0, settings.clusters - used),
        ready=int(told.get(PoolState.READY.value, 0)),
        used=used,
        asleep=int(told.get(PoolState.STOPPED.value, 0)),
        waiting=len(queue.waiting(db)),
    )


def faults(health: Health) -> list[str]:
    """What is wrong and what to do, a sentence each, for whoever runs the portal."""
    found = []
    if health.hangs:
        found.append(
            f"The reconciler has made no pass for {_for(health.age or 0.0)}, so nothing is started or graded: read the "
            "end of its log, reconciler.log in the portal's folder `logs`; `seatrial down`, then `seatrial up` begins "
            "it anew, and nothing is lost."
        )
    if health.fault:
        found.append(
            f"No cluster can be made: {health.fault.rstrip('.')}. It is tried again by itself; `seatrial doctor` shows "
            "what clusters need and how to mend it."
        )
    return found


def notice(db: Session, settings: Settings) -> list[str]:
    """What a teacher should know, a sentence each: what is wrong, and who waits because all places are taken."""
    health = read(db, settings)
    found = []
    if health.hangs:
        found.append(
            f"Nothing has been started or graded for {_for(health.age or 0.0)}. Whoever runs the portal finds the "
            "cause with `seatrial status`. Nothing that was handed in is lost."
        )
    if health.fault:
        found.append(
            "No cluster can be made at the moment; it is tried again by itself. Whoever runs the portal finds the "
            "cause with `seatrial status`."
        )
    if health.waiting and not health.free:
        wait = "1 student session waits" if health.waiting == 1 else f"{health.waiting} student sessions wait"
        found.append(f"All {health.places} clusters are in use, and {wait}. A lab that is stopped makes room.")
    return found


def _for(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
