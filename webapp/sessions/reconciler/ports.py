"""What the reconciler needs of the slices beside and above it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from grader.labfile import LoadedLab
from webapp.accounts.models import User
from webapp.sessions.models import LabSession


class Workspaces(Protocol):
    """The students' workspaces."""

    def ensure(self, user: str) -> None:
        """Have the user's server run; returns once it answers. Idempotent. Raises PortalError."""
        ...

    def deliver(self, user: User, session: LabSession, kubeconfig: str, lab: LoadedLab) -> None:
        """Put the lab's files where the user's workspace sees them. Idempotent. Raises PortalError and OSError."""
        ...

    def withdraw(self, user: User, slug: str) -> None:
        """Take them away, and the way to the cluster's API server, which closes within seconds. Idempotent.

        Waits for nobody: it is called while the database is held. Raises OSError.
        """
        ...

    def tell(self, user: User) -> None:
        """Have what was withdrawn be closed now."""
        ...

    def running(self) -> dict[str, datetime.datetime | None]:
        """The users whose server runs, and when something last happened in it. Raises PortalError."""
        ...

    def stop(self, user: str) -> None:
        """End the user's server with all that runs in it; the home stays. Idempotent. Raises PortalError."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One submission to be graded, and how."""

    submission: str
    grade: Callable[[], None]


class Submissions(Protocol):
    """Submissions that wait for their grade."""

    def due(self, db: Session, moment: datetime.datetime) -> list[Job]:
        """Those that can be graded now, oldest first."""
        ...

    def holds(self, db: Session, session_id: str) -> bool:
        """Whether a session's cluster must stay as it is until a submission is collected from it."""
        ...

    def abandon(self, db: Session, session_id: str, why: str) -> None:
        """The session's cluster goes: what was not collected never will be, and its page says why."""
        ...

    def finished(self, db: Session, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions whose student has handed in, from the cluster as it is now, all that the lab asks."""
        ...
