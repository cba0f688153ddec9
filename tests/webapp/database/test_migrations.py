"""Every step of the tables, up and down, with rows in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, inspect, select

import webapp.accounts.models
import webapp.grading.models
import webapp.sessions.models  # noqa: F401 - each module adds its tables to Base
from webapp.database import Database, DatabaseNewer, DatabaseOlder, check, migrate
from webapp.database.base import Base, now
from webapp.database.upgrade import MIGRATIONS

REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(str(MIGRATIONS)).walk_revisions()))]


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url, create=True)
    yield database
    database.close()


def a_value(column: Any, number: int) -> Any:
    """Some value of the column's type."""
    kind = column.type.python_type
    if kind is str:
        return f"{column.name}-{number}"[: column.type.length or 200]
    if kind.__name__ == "datetime":
        return now()
    return {int: number, float: number + 0.25, bool: True, bytes: b"\x00\xff", dict: {"a": [1, "ä"]}}.get(kind)


def fill(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Put two rows into every table that stands, whatever revision it is of, and read them back."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        for number in (1, 2):
            connection.execute(table.insert().values(row(table, number)))
    return {table.name: rows(connection, table) for table in tables}


def row(table: Table, number: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in table.columns:
        target = next(iter(column.foreign_keys), None)
        values[column.name] = a_value(target.column if target else column, number)
    return values


def rows(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    return [tuple(found) for found in connection.execute(select(table).order_by(*table.primary_key.columns))]


def tables(database: Database) -> set[str]:
    with database.reading() as db:
        return set(inspect(db.connection()).get_table_names()) - {"alembic_version"}


def test_the_tables_are_the_models(empty: Database) -> None:
    migrate(empty, "head")
    with empty.reading() as db:
        context = MigrationContext.configure(db.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_up_from_every_revision_keeps_what_is_there(empty: Database, revision: str) -> None:
    migrate(empty, revision)
    with empty.transaction() as db:
        before = fill(db.connection())
    migrate(empty, "head")
    check(empty)
    with empty.reading() as db:
        metadata = MetaData()
        metadata.reflect(db.connection())
        for name, found in before.items():
            assert len(rows(db.connection(), metadata.tables[name])) == len(found), name


@pytest.mark.parametrize("revision", [*REVISIONS[:-1], "base"])
def test_down_to_every_revision_and_up_again(empty: Database, revision: str) -> None:
    migrate(empty, "head")
    with empty.transaction() as db:
        fill(db.connection())
    migrate(empty, revision)
    if revision == "base":
        assert tables(empty) == set()
    migrate(empty, "head")
    check(empty)


def test_a_second_upgrade_changes_nothing(empty: Database) -> None:
    migrate(empty, "head")
    with empty.transaction() as db:
        before = fill(db.connection())
    migrate(empty, "head")
    with empty.reading() as db:
        metadata = MetaData()
        metadata.reflect(db.connection())
        assert {name: rows(db.connection(), metadata.tables[name]) for name in before} == before


def test_two_processes_upgrade_at_once(empty_url: str) -> None:
    found: list[BaseException] = []
    start = threading.Barrier(4)

    def one() -> None:
        database = Database(empty_url, create=True)
        start.wait()
        try:
            migrate(database, "head")
        except BaseException as fault:  # noqa: BLE001 - told below
            found.append(fault)
        finally:
            database.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == []
    database = Database(empty_url)
    check(database)
    database.close()


def test_a_failed_migration_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    real = op.create_table

    def broken(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "lab_sessions":
            raise RuntimeError("killed half-way")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(op, "create_table", broken)
    with pytest.raises(RuntimeError, match="half-way"):
        migrate(empty, "head")
    assert tables(empty) == set()
    monkeypatch.undo()
    migrate(empty, "head")
    check(empty)


def test_a_database_of_a_later_version_is_refused_and_left_alone(empty: Database) -> None:
    migrate(empty, "head")
    with empty.transaction() as db:
        db.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'ffff'")
    for act in (lambda: migrate(empty, "head"), lambda: check(empty)):
        with pytest.raises(DatabaseNewer, match=r"from a later version of seatrial \(revision ffff\)"):
            act()
    assert "users" in tables(empty)


def test_a_database_without_tables_is_an_older_one(empty: Database, backend: str, tmp_path: Path) -> None:
    if backend == "sqlite":
        (tmp_path / "portal").mkdir()
        (tmp_path / "portal" / "portal.db").touch()
    with pytest.raises(DatabaseOlder, match="run `seatrial up`"):
        check(empty)
