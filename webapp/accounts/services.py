"""Users, their passwords, and the record of who did what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.accounts import names, passwords
from webapp.accounts.limits import Attempt
from webapp.accounts.models import AuditEntry, BrowserSession, Role, User
from webapp.errors import PortalError


def authenticate(db: Session, name: str, password: str, address: str) -> User | None:
    """The user whose name and password these are; None where they are not. Commits what it notes of the attempt.

    `db` must write. Takes as long for a name that nobody has. Raises Refused 429 after too many failures, with the
    sentence that says when to try again.
    """
    attempt = Attempt.begin(db, names.key(name), address)
    user = by_name(db, name)
    stored = user.password_hash if user else None
    # Nothing is locked while the hash is computed, which takes a while by design.
    db.commit()
    if not passwords.verify(stored, password) or user is None or not user.active:
        return None
    attempt.succeeded(db)
    if stored and passwords.outdated(stored):
        user.password_hash = passwords.hashed(password)
    db.commit()
    return user


def by_name(db: Session, name: str) -> User | None:
    """The user of that name, however it was typed."""
    return db.scalar(select(User).where(User.name == names.key(name)))


def users(db: Session) -> list[User]:
    """Every user, by name."""
    return list(db.scalars(select(User).order_by(User.name)))


def add_user(
    db: Session,
    name: str,
    password: str | None,
    role: Role = Role.STUDENT,
    display_name: str = "",
    *,
    actor: User | str | None = None,
) -> User:
    """Add a user; without a password one who signs in elsewhere. Raises PortalError for a bad name or a taken one."""
    stored = passwords.hashed(password) if password is not None else None
    return add_hashed(db, names.checked(name), stored, role, names.display(display_name), actor=actor)


def add_hashed(
    db: Session, name: str, stored: str | None, role: Role, display_name: str, *, actor: User | str | None = None
) -> User:
    """The same for a name, a display name and a password's hash that were made before: for a whole class at once."""
    user = User(name=name, display_name=display_name, role=role, password_hash=stored)
    try:
        with db.begin_nested():
            db.add(user)
    except IntegrityError as fault:
        raise PortalError(f"there is a user {user.name!r} already; `seatrial user list` shows every one") from fault
    audit(db, actor, "user added", user.name, role=role.value)
    return user


def arrived(db: Session, name: str) -> User:
    """The user whom the Hub signed in elsewhere, added at the first time as a student."""
    return by_name(db, name) or add_user(db, name, None)


def set_password(db: Session, user: User, password: str, *, actor: User | str | None = None) -> None:
    """Give the user a new password, and sign every browser of theirs out."""
    user.password_hash = passwords.hashed(password)
    sign_out_everywhere(db, user)
    audit(db, actor, "password set", user.name)


def disable(db: Session, user: User, *, actor: User | str | None = None) -> None:
    """Let the user in no more. What they did is kept. Signs every browser of theirs out."""
    user.active = False
    sign_out_everywhere(db, user)
    audit(db, actor, "user disabled", user.name)


def enable(db: Session, user: User, *, actor: User | str | None = None) -> None:
    """Let the user in again."""
    user.active = True
    audit(db, actor, "user enabled", user.name)


def sign_out_everywhere(db: Session, user: User) -> None:
    """End every browser session of the user."""
    db.execute(delete(BrowserSession).where(BrowserSession.user_id == user.id))


def set_role(db: Session, user: User, role: Role, *, actor: User | str | None = None) -> None:
    """Make the user a student, an instructor or an administrator."""
    audit(db, actor, "role set", user.name, role=role.value, before=user.role.value)
    user.role = role


def audit(db: Session, actor: User | str | None, action: str, subject: str = "", **detail: Any) -> None:
    """Note who did what, in the transaction that does it. `detail` is what JSON holds.

    The actor is a user; or a word for who is none, such as an account of the machine at its command line; or None, the
    platform itself.
    """
    if isinstance(actor, str):
        detail["by"] = actor
    actor_id = actor.id if isinstance(actor, User) else None
    db.add(AuditEntry(actor_id=actor_id, action=action, subject=subject[:200], detail=detail))
