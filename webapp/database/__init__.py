"""The engine, the transaction, and the migrations."""

from webapp.database.engine import Database
from webapp.database.faults import DatabaseBusy, DatabaseFault, DatabaseFull, DatabaseGone, DatabaseNewer, DatabaseOlder
from webapp.database.upgrade import check, migrate, upgrade

__all__ = [
    "Database",
    "DatabaseBusy",
    "DatabaseFault",
    "DatabaseFull",
    "DatabaseGone",
    "DatabaseNewer",
    "DatabaseOlder",
    "check",
    "migrate",
    "upgrade",
]
