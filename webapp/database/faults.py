"""What goes wrong with a database, each in a sentence that says what to do.

    DatabaseFault < DatabaseBusy, DatabaseFull, DatabaseGone, DatabaseNewer, DatabaseOlder

Catch DatabaseFault where a page or a command is answered. A background process waits and tries again.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webapp.errors import PortalError


class DatabaseFault(PortalError):
    """The database does not do its part; nothing of the transaction was kept."""


class DatabaseBusy(DatabaseFault):
    """Somebody else has held the lock, or every connection, for longer than one waits."""


class DatabaseFull(DatabaseFault):
    """The disk, or what the user may have of it, is full."""


class DatabaseGone(DatabaseFault):
    """There is no database where the setting says, or it does not answer."""


class DatabaseNewer(DatabaseFault):
    """The tables were made by a later version of the portal."""


class DatabaseOlder(DatabaseFault):
    """The tables were made by an earlier version, and not yet brought up to date."""


OLDER = "the database {where} is from an earlier version; run `seatrial up`, which brings it up to date"
_SILENT = "the database {where} does not answer ({text}); start it, then try again"

# Kind, PostgreSQL's codes (https://www.postgresql.org/docs/current/errcodes-appendix.html), SQLite's names, sentence.
# A code is matched by its beginning; "-" stands for none.
_MEANINGS: tuple[tuple[type[DatabaseFault], tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        DatabaseBusy,
        ("55P03", "57014", "40P01", "40001", "53300"),
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "another process holds the database's lock; nothing was changed: try again in a moment",
    ),
    (
        DatabaseFull,
        ("53100", "53200"),
        ("SQLITE_FULL",),
        "the disk of {where} is full; nothing was changed: free some space and try again",
    ),
    (
        DatabaseFull,
        ("58030",),
        ("SQLITE_IOERR",),
        "the disk of {where} does not take what is written (full or faulty: {text}); nothing was changed",
    ),
    (
        DatabaseGone,
        ("25006",),
        ("SQLITE_READONLY",),
        "{where} may not be written to; give its file and its folder back to the portal's user",
    ),
    (
        DatabaseGone,
        ("-",),
        ("SQLITE_NOTADB", "SQLITE_CORRUPT"),
        "{where} is damaged or no database ({text}); put back a copy of it, then start again",
    ),
    (DatabaseOlder, ("42P01", "42703"), ("-",), OLDER),
    (DatabaseGone, ("08", "57P", "3D000", "28"), ("SQLITE_CANTOPEN",), _SILENT),
)


def told(fault: BaseException, where: str) -> DatabaseFault | None:
    """Say what SQLAlchemy's exception means at the database `where`; None where it is a bug and not a fault."""
    if isinstance(fault, PoolTimeout):
        return DatabaseBusy("the database has more to do than it has connections; try again in a moment")
    if not isinstance(fault, DBAPIError):
        return None
    code = str(getattr(fault.orig, "sqlstate", None) or "")
    name = str(getattr(fault.orig, "sqlite_errorname", None) or "")
    text = str(fault.orig).strip().partition("\n")[0]
    for kind, codes, names, sentence in _MEANINGS:
        if code.startswith(codes) or name.startswith(names):
            return kind(sentence.format(where=where, text=text))
    if "no such table" in text or "no such column" in text:
        return DatabaseOlder(OLDER.format(where=where))
    if fault.connection_invalidated or (isinstance(fault, OperationalError) and not (code or name)):
        return DatabaseGone(_SILENT.format(where=where, text=text))
    return None
