"""Transactions, and each fault of a database in its sentence."""

from __future__ import annotations

import datetime
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from tests.webapp.postgres import execute
from webapp.accounts.models import AuditEntry, BrowserSession, User
from webapp.database import Database, DatabaseBusy, DatabaseFull, DatabaseGone, DatabaseOlder
from webapp.database.base import now
from webapp.errors import PortalError, Refused
from webapp.settings import Settings

EVERY_PLANE = "".join(chr(plane * 0x10000 + 0x0301 if plane else 0x41) for plane in range(15)) + "👩‍👩‍👧 שלום \u202e"


def test_what_is_committed_is_there_and_readable_after_it(database: Database) -> None:
    with database.transaction() as db:
        user = User(name="ada", display_name=EVERY_PLANE[:200])
        db.add(user)
    assert user.id == 1
    with database.reading() as db:
        found = db.scalars(select(User)).one()
    assert found.display_name == EVERY_PLANE[:200]
    assert found.created_at.tzinfo is datetime.UTC


def test_an_exception_takes_everything_back(database: Database) -> None:
    with pytest.raises(Refused), database.transaction() as db:
        db.add(User(name="ada"))
        db.flush()
        raise Refused("no")
    with database.reading() as db:
        assert db.scalar(select(func.count(User.id))) == 0


def test_a_read_keeps_nothing(database: Database) -> None:
    with database.reading() as db:
        db.add(User(name="ada"))
        db.flush()
    with database.reading() as db:
        assert db.scalar(select(func.count(User.id))) == 0


def test_rows_that_belong_together_go_together(database: Database) -> None:
    with database.transaction() as db:
        user = User(name="ada")
        db.add(user)
        db.flush()
        db.add(BrowserSession(token_digest="x", user_id=user.id, csrf="y", expires_at=now()))
        db.add(AuditEntry(actor_id=user.id, action="came"))
    with database.transaction() as db:
        db.delete(db.get(User, user.id))
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0
        assert db.scalars(select(AuditEntry)).one().actor_id is None


def test_a_bug_is_no_fault_of_the_database(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as db:
        db.add_all([User(name="ada"), User(name="ada")])


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="a time without a zone"), database.transaction() as db:
        db.add(User(name="ada", created_at=datetime.datetime(2026, 1, 1)))


def test_counting_up_from_many_threads_loses_none(database: Database, backend: str) -> None:
    with database.transaction() as db:
        db.add(User(name="ada", display_name="0"))

    def count() -> None:
        for _ in range(10):
            with database.transaction() as db:
                # PostgreSQL locks the row; SQLite has locked the database already, and leaves FOR UPDATE out.
                user = db.scalars(select(User).with_for_update(of=User)).one()
                user.display_name = str(int(user.display_name) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as db:
        assert db.scalars(select(User)).one().display_name == "40"


def test_many_find_a_new_file_at_once(tmp_path: Path) -> None:
    for turn in range(40):
        databases = [Database(f"sqlite:///{tmp_path}/{turn}/portal.db", create=True) for _ in range(6)]
        start = threading.Barrier(len(databases))

        def first(database: Database, start: threading.Barrier) -> str:
            start.wait()
            with database.transaction() as db:
                return str(db.scalar(text("PRAGMA journal_mode")))

        with ThreadPoolExecutor(len(databases)) as threads:
            assert list(threads.map(first, databases, [start] * len(databases))) == ["wal"] * len(databases)
        for database in databases:
            database.close()


def test_a_lock_that_somebody_keeps_is_told_and_then_works_again(database: Database, settings: Settings) -> None:
    impatient = Database(settings.database_url, patience=0.05)
    with database.transaction() as db:
        db.add(User(name="ada"))
        db.flush()
        with pytest.raises(DatabaseBusy, match="nothing was changed: try again"), impatient.transaction() as other:
            other.add(User(name="ada"))
            other.flush()
    with impatient.transaction() as other:
        assert other.scalars(select(User.name)).all() == ["ada"]
    impatient.close()


def test_missing_tables_are_told(empty_url: str, backend: str) -> None:
    database = Database(empty_url, create=True)
    with pytest.raises(DatabaseOlder, match="run `seatrial up`"), database.reading() as db:
        db.scalars(select(User)).all()
    database.close()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "postgres://[", "oracle://x"]
)
def test_a_url_of_another_kind_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(PortalError, match=r"it must be sqlite:////|write sqlite:////"):
        Database(url)


def test_no_sentence_shows_the_password(tmp_path: Path) -> None:
    database = Database(f"postgresql://portal:hunter2@/x?host={tmp_path}")
    with pytest.raises(DatabaseGone, match="does not answer") as told, database.reading() as db:
        db.scalars(select(User)).all()
    assert "hunter2" not in str(told.value)
    database.close()


class TestSqlite:
    """What only a file can do."""

    @pytest.fixture
    def backend(self) -> str:
        return "sqlite"

    @pytest.fixture
    def file(self, settings: Settings) -> Path:
        return settings.data / "portal.db"

    def users(self, database: Database) -> list[str]:
        with database.reading() as db:
            return list(db.scalars(select(User.name)))

    def test_the_file_is_the_owners_alone_and_written_ahead(self, database: Database, file: Path) -> None:
        assert file.stat().st_mode & 0o777 == 0o600
        with database.reading() as db:
            asked = {
                name: db.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")
            }
        assert asked == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}

    def test_a_file_that_is_deleted_under_us_is_told_and_taken_up_again(self, database: Database, file: Path) -> None:
        with database.transaction() as db:
            db.add(User(name="ada"))
        with database.transaction() as db:
            db.connection().exec_driver_sql("SELECT 1")
        copy = file.rename(file.with_name("copy.db"))
        for act in (database.transaction, database.reading):
            with pytest.raises(DatabaseGone, match="is gone; put back a copy"), act():
                pytest.fail("nothing is done without a database")
        assert not file.exists()
        copy.rename(file)
        assert self.users(database) == ["ada"]

    def test_a_file_that_was_replaced_is_the_one_that_is_read(
        self, database: Database, file: Path, tmp_path: Path
    ) -> None:
        with database.transaction() as db:
            db.add(User(name="ada"))

        with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "copy.db") as target:
            source.backup(target)
        source.close()
        target.close()
        with database.transaction() as db:
            db.add(User(name="bob"))
        for old in file.parent.glob("portal.db*"):
            old.unlink()
        (tmp_path / "copy.db").rename(file)
        assert self.users(database) == ["ada"]

    def test_no_other_file_is_written_over(self, settings: Settings) -> None:
        settings.data.mkdir()
        file = settings.data / "portal.db"
        file.write_bytes(b"my holiday pictures" * 100)
        database = Database(settings.database_url)
        with pytest.raises(DatabaseGone, match="is damaged or no database"), database.transaction() as db:
            db.scalars(select(User)).all()
        assert file.read_bytes() == b"my holiday pictures" * 100
        database.close()

    def test_a_full_disk_is_told_and_keeps_nothing(self, database: Database) -> None:
        with database.transaction() as db:
            db.add(User(name="ada"))
        with database.reading() as db:
            pages = db.scalar(text("PRAGMA page_count"))
        told = pytest.raises(DatabaseFull, match="is full; nothing was changed: free some space")
        with told, database.transaction() as db:
            # SQLite's own limit of a file gives what a full disk gives.
            db.connection().exec_driver_sql(f"PRAGMA max_page_count={pages}")
            db.add_all(AuditEntry(action="x", detail={"long": "y" * 5000}) for _ in range(50))
        database.close()
        assert self.users(database) == ["ada"]

    def test_a_file_that_may_only_be_read_is_told(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(DatabaseGone, match="may not be written to"), database.transaction() as db:
            db.connection().exec_driver_sql("PRAGMA query_only=ON")
            db.add(User(name="ada"))
        database.close()


class TestPostgresql:
    """What only a server can do."""

    @pytest.fixture
    def backend(self) -> str:
        return "postgres"

    def test_a_server_that_went_away_is_told(self, empty_url: str, postgres: str) -> None:
        database = Database(empty_url)
        name = empty_url.partition("@/")[2].partition("?")[0]
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - our own name
        with pytest.raises(DatabaseGone, match="does not answer"), database.reading() as db:
            db.execute(text("SELECT 1"))
            execute(postgres, end)
            db.execute(text("SELECT 1"))
        # The next one has a new connection.
        with database.reading() as db:
            assert db.scalar(text("SELECT 1")) == 1
        database.close()


def test_a_connection_that_is_given_back_too_late_is_closed(database: Database) -> None:
    with database.reading() as db:
        held = db.connection().connection.dbapi_connection
        assert held is not None
        database.close()
        assert db.scalar(text("SELECT 1")) == 1  # whoever works with it can finish
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError)):
        held.cursor().execute("SELECT 1")
