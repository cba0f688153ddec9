"""Bring the tables to this version's, and tell a database of another version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from webapp.database.engine import Database
from webapp.database.faults import OLDER, DatabaseNewer, DatabaseOlder
from webapp.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(settings: Settings) -> None:
    """Create the database or bring it up to date. Idempotent; may be called by several processes at once.

    Raises DatabaseNewer where a later version made it, and DatabaseFault.
    """
    database = Database(settings.database_url, create=True)
    try:
        migrate(database, "head")
    finally:
        database.close()


def migrate(database: Database, revision: str) -> None:
    """Go to the revision, up or down, in one transaction: all of it or nothing."""
    with database.transaction() as db:
        connection = db.connection()
        if connection.dialect.name == "postgresql":
            # Two processes that start at once: the second one waits, and finds the work done.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7345823)")
        current = _current(connection, database.where)
        if current == _script().get_current_head() and revision == "head":
            return
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        down = revision == "base" or (current is not None and revision in _below(current))
        (command.downgrade if down else command.upgrade)(config, revision)


def check(database: Database) -> None:
    """Raise DatabaseNewer or DatabaseOlder unless the tables are this version's."""
    with database.reading() as db:
        current = _current(db.connection(), database.where)
    if current != _script().get_current_head():
        raise DatabaseOlder(OLDER.format(where=database.where))


def _current(connection: Connection, where: str) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in _script().walk_revisions()}:
        raise DatabaseNewer(
            f"the database {where} is from a later version of seatrial (revision {current}); install that version, "
            "or put back a copy from before it. Nothing was changed"
        )
    return current


def _below(revision: str) -> set[str]:
    return {script.revision for script in _script().walk_revisions("base", revision)} - {revision}


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
