"""The record of who did what, to be read."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webapp.accounts import names
from webapp.accounts.models import AuditEntry, User

PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Line:
    """One deed. `actor` is a user's name, who sat at the command line, or "platform"."""

    at: datetime.datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        at = self.at.isoformat(timespec="seconds")
        return {"at": at, "actor": self.actor, "action": self.action, "subject": self.subject, "detail": self.detail}


def newest(db: Session, number: int, name: str | None = None) -> list[Line]:
    """The last deeds, the newest first; with a name only that user's own, and what others did to them."""
    asked = select(AuditEntry, User.name).outerjoin(User, User.id == AuditEntry.actor_id)
    if name is not None:
        key = names.key(name)
        concerned = AuditEntry.detail["user"].as_string() == key
        asked = asked.where(or_(User.name == key, AuditEntry.subject == key, concerned))
    rows = db.execute(asked.order_by(AuditEntry.id.desc()).limit(number))
    return [_line(entry, actor) for entry, actor in rows]


def _line(entry: AuditEntry, actor: str | None) -> Line:
    detail = dict(entry.detail)
    by = detail.pop("by", None)
    return Line(entry.at, actor or by or PLATFORM, entry.action, entry.subject, detail)
