"""How often one may fail to sign in: by rows, so that every process counts the same."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import SignInAttempt
from webapp.database.base import now
from webapp.errors import Refused

# Failures are counted over this time.
WINDOW = datetime.timedelta(minutes=15)
# How many failures for one name from one address, for one name from everywhere (somebody else's failures should not
# soon keep its owner out), and from one address, behind which a whole class may sit.
SAME_NAME_AND_ADDRESS = 5
SAME_NAME = 20
SAME_ADDRESS = 60
# The lock of PostgreSQL's that whoever counts holds; the number is one that nothing else here takes.
TURNS = 0x5EA7_0001
# After this nobody asks about an attempt any more.
FORGOTTEN = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that may go on."""

    row: int
    name: str

    @classmethod
    def begin(cls, db: Session, name: str, address: str) -> Attempt:
        """Note the attempt, as a failure until it is known, and commit. Raises Refused 429 where it is one too many.

        One is counted and noted at a time: of a hundred at the same moment no more get through than of a hundred in
        turn.
        """
        name, address = name[:64], network(address)
        _wait_ones_turn(db)
        row = SignInAttempt(name=name, address=address, succeeded=False)
        db.add(row)
        db.flush()
        wait = _wait(db, name, address, row)
        if wait is not None:
            # A refused one does not count, or those who try again and again would never be let in.
            db.rollback()
            raise Refused(f"Too many failed sign-ins; try again in {_in_words(wait)}", 429)
        db.commit()
        return cls(row.id, name)

    def succeeded(self, db: Session) -> None:
        """It was the right password: the name's earlier failures are forgiven, the address's are not."""
        row = db.get(SignInAttempt, self.row)
        if row is not None:
            row.succeeded = True
        db.execute(delete(SignInAttempt).where(SignInAttempt.at < now() - FORGOTTEN))


def _wait_ones_turn(db: Session) -> None:
    """Until the commit nobody else counts. On SQLite whoever writes is alone already."""
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(TURNS)))


def network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which one household has for itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _wait(db: Session, name: str, address: str, row: SignInAttempt) -> datetime.timedelta | None:
    attempt = SignInAttempt
    last_good = select(func.max(attempt.id)).where(attempt.name == name, attempt.succeeded).scalar_subquery()
    since_good = attempt.id > func.coalesce(last_good, 0)
    limits: list[tuple[ColumnElement[bool], int]] = [
        (and_(attempt.name == name, attempt.address == address, since_good), SAME_NAME_AND_ADDRESS),
        (and_(attempt.name == name, since_good), SAME_NAME),
        (attempt.address == address, SAME_ADDRESS),
    ]
    waits = [wait for which, limit in limits if (wait := _one(db, which, limit, row)) is not None]
    return max(waits, default=None)


def _one(db: Session, which: ColumnElement[bool], limit: int, row: SignInAttempt) -> datetime.timedelta | None:
    """How long until there are fewer than `limit` failures beside this attempt, or None where there are."""
    moment = row.at
    failures = select(SignInAttempt.at).where(
        which,
        SignInAttempt.succeeded.is_(False),
        SignInAttempt.id != row.id,
        # A clock that was set back leaves rows in the future; they keep nobody out.
        SignInAttempt.at.between(moment - WINDOW, moment),
    )
    decisive = db.scalar(failures.order_by(SignInAttempt.at.desc()).offset(limit - 1).limit(1))
    return None if decisive is None else decisive + WINDOW - moment


def _in_words(wait: datetime.timedelta) -> str:
    minutes = -(-int(wait.total_seconds()) // 60)
    return "a minute" if minutes <= 1 else f"{minutes} minutes"
