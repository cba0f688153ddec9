"""One reconciler for a database: whoever comes second waits, and takes over when the first one ends."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from webapp.database import Database
from webapp.errors import PortalError

# How long the second one waits before it says so and ends, in seconds; and how often it looks.
PATIENCE, INTERVAL = 10.0, 0.1


class NotAlone(PortalError):
    """Another reconciler works on this database."""


Held = Callable[[], bool]


@contextlib.contextmanager
def alone(database: Database, patience: float = PATIENCE) -> Iterator[Held]:
    """Hold the lock of the database. Gives a function that says whether it is still held. Raises NotAlone.

    SQLite: a file lock beside the database. PostgreSQL: an advisory lock, so other machines' reconcilers are kept out
    too; it is lost with its connection. A dead process holds neither.
    """
    with contextlib.ExitStack() as stack:
        if database.file is not None:
            held = _file(stack, database.file.with_name(f"{database.file.name}.reconciler.lock"), patience)
        else:
            held = _advisory(stack, database, patience)
        yield held


def _file(stack: contextlib.ExitStack, path: Path, patience: float) -> Held:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)

    def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    _patiently(take, patience)
    return lambda: True


def _advisory(stack: contextlib.ExitStack, database: Database, patience: float) -> Held:
    connection: Connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    # The lock belongs to the connection, which therefore does not go back to the others.
    connection.detach()
    stack.callback(connection.close)
    key = int.from_bytes(hashlib.sha256(b"seatrial reconciler").digest()[:8], "big", signed=True)
    _patiently(lambda: bool(connection.execute(text("SELECT pg_try_advisory_lock(:k)"), {"k": key}).scalar()), patience)

    def held() -> bool:
        try:
            connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    return held


def _patiently(take: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not take():
        if time.monotonic() > deadline:
            raise NotAlone("another reconciler works on this database; end it first, or let it work")
        time.sleep(INTERVAL)  # Neither lock can be waited for with a limit and in order.
