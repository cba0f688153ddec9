"""The engine and the transaction, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from webapp.database.faults import DatabaseFault, DatabaseGone, told
from webapp.errors import PortalError

# How long one waits for another's lock, in seconds, before the page says so.
PATIENCE = 10


class Database:
    """One process's way to the database. Safe to share between threads; one a process."""

    def __init__(self, url: str, *, create: bool = False, patience: float = PATIENCE) -> None:
        """Take SQLAlchemy's URL; connects at first use. `create` makes SQLite's file where there is none."""
        self.url = _url(url)
        self.create = create
        self.where = self.url.render_as_string(hide_password=True)
        self.file = Path(self.url.database) if self.url.get_backend_name() == "sqlite" and self.url.database else None
        self.engine = self._sqlite(patience) if self.file else self._postgresql(patience)
        self._inode: int | None = None
        self._writing = self.engine.execution_options(seatrial_begin="BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """One unit of work: committed at the end, rolled back by an exception.

        On SQLite its first statement takes the write lock, so that what was read still holds when it is written; on
        PostgreSQL lock the row that decides (`with_for_update`). `db.commit()` in between keeps what was done so
        far and begins anew. Rows stay readable after it. Raises DatabaseFault.
        """
        with self._scope(self._writing) as db:
            yield db
            db.commit()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """The same for reads: one state of the database, no lock, nothing kept. Raises DatabaseFault."""
        with self._scope(self.engine) as db:
            yield db

    def close(self) -> None:
        """Close every connection. One that a thread still works with is closed once it is given back."""
        event.listen(self.engine.pool, "checkin", _shut)
        self.engine.dispose()

    @contextlib.contextmanager
    def _scope(self, engine: Engine) -> Iterator[Session]:
        try:
            self._look()
            with Session(engine, expire_on_commit=False) as db:
                yield db
        except PortalError:
            raise
        except Exception as fault:
            sentence = told(fault, self.where)
            if sentence is None:
                raise
            raise sentence from fault

    def _look(self) -> None:
        """Notice a file that was deleted or replaced under our open connections, which would write to nowhere."""
        if self.file is None:
            return
        try:
            inode = self.file.stat().st_ino
        except OSError as fault:
            if self.create:
                return
            self.engine.dispose()
            raise self._gone() from fault
        if self._inode is not None and self._inode != inode:
            self.engine.dispose()
        self._inode = inode

    def _gone(self) -> DatabaseFault:
        return DatabaseGone(
            f"the database {self.file} is gone; put back a copy of it, or run `seatrial up` to begin with an empty one"
        )

    def _sqlite(self, patience: float) -> Engine:
        # isolation_level None: Python's own module begins no transaction, so that _begin decides which kind it is.
        engine = create_engine(self.url, connect_args={"timeout": patience, "isolation_level": None})
        event.listen(engine, "do_connect", self._before_connect)
        event.listen(engine, "connect", self._set_up)
        event.listen(engine, "begin", _begin)
        return engine

    def _before_connect(self, *_: Any) -> None:
        if self.file is None or self.file.exists():
            return
        if not self.create:
            raise self._gone()
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.touch(mode=0o600)

    def _set_up(self, connection: Any, _: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON").close()
        connection.execute("PRAGMA synchronous=FULL").close()
        # Going over to WAL, SQLite waits for nobody: of two that find a new file, the second is refused at once.
        with self._one_at_a_time():
            connection.execute("PRAGMA journal_mode=WAL").close()

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        if self.file is None:
            yield
            return
        try:
            folder = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as fault:
            raise DatabaseGone(
                f"the folder {self.file.parent} may not be read ({fault.strerror}); give it back to the portal's user"
            ) from fault
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _postgresql(self, patience: float) -> Engine:
        wait = f"-c lock_timeout={int(patience * 1000)} -c timezone=utc"
        return create_engine(
            self.url,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            pool_timeout=patience,
            connect_args={"connect_timeout": 10, "options": wait, "application_name": "seatrial"},
        )


def _url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception as fault:
        raise PortalError(
            "SEATRIAL_DATABASE_URL is no database URL; write sqlite:////path/portal.db or postgresql://…"
        ) from fault
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    raise PortalError(
        f"SEATRIAL_DATABASE_URL names {parsed.get_backend_name()}; it must be sqlite:////path/portal.db or postgresql://…"
    )


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("seatrial_begin", "BEGIN"))


def _shut(connection: Any, record: object) -> None:
    if connection is not None:
        connection.close()
