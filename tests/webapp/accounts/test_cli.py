"""`seatrial user …`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from seatrial import main
from webapp.accounts import passwords, services
from webapp.accounts.models import AuditEntry, Role
from webapp.database import Database
from webapp.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SEATRIAL_DATA", str(settings.data))
    monkeypatch.setenv("SEATRIAL_DATABASE_URL", settings.database_url)

    def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, ["user", *arguments], input=stdin)

    return call


def names(settings: Settings) -> list[str]:
    database = Database(settings.database_url)
    with database.reading() as db:
        found = [user.name for user in services.users(db)]
    database.close()
    return found


def test_add_shows_a_password_that_works(run: Run, settings: Settings) -> None:
    result = run("add", "Ada", "--role", "instructor", "--display-name", "Ada \u202eLovelace")
    assert result.exit_code == 0, result.output
    name, password = result.stdout.split()
    database = Database(settings.database_url)
    with database.transaction() as db:
        user = services.authenticate(db, name, password, "::1")
        assert user is not None
        assert (user.name, user.role, user.display_name) == ("ada", Role.INSTRUCTOR, "Ada Lovelace")
        added = db.scalars(select(AuditEntry)).one()
    assert added.action == "user added" and added.detail["by"].endswith("at the command line")
    database.close()


def test_a_password_from_standard_input_is_not_shown(run: Run, settings: Settings) -> None:
    result = run("add", "ada", "--password-stdin", stdin="my long password\n")
    assert result.exit_code == 0 and result.output == ""
    database = Database(settings.database_url)
    with database.reading() as db:
        user = services.by_name(db, "ada")
    assert user is not None and passwords.verify(user.password_hash, "my long password")
    database.close()


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [("short\n", "too short"), (b"\xff\xfe\xff\xfe\xff\xfe\xff\xff", "no UTF-8"), ("", "too short")],
)
def test_a_bad_password_adds_nobody(run: Run, settings: Settings, stdin: str | bytes, sentence: str) -> None:
    result = run("add", "ada", "--password-stdin", stdin=stdin)
    assert result.exit_code == 2 and sentence in result.stderr
    assert names(settings) == []


@pytest.mark.parametrize("command", ["passwd", "disable", "enable"])
def test_a_name_that_nobody_has_is_told(run: Run, command: str) -> None:
    result = run(command, "zed")
    assert (result.exit_code, result.stderr) == (
        2,
        "seatrial: there is no user 'zed'; `seatrial user list` shows every one\n",
    )


def test_the_life_of_a_user(run: Run) -> None:
    assert run("add", "ada", "--display-name", "[bold]Ada[/]").exit_code == 0
    assert run("role", "ada", "admin").exit_code == 0
    assert run("disable", "ADA").exit_code == 0
    listed = json.loads(run("list", "-o", "json").stdout)
    assert listed == [{"name": "ada", "display_name": "[bold]Ada[/]", "role": "admin", "active": False}]
    assert "[bold]Ada[/]" in run("list").stdout
    assert run("enable", "ada").exit_code == 0
    assert json.loads(run("list", "-o", "json").stdout)[0]["active"] is True
    assert run("passwd", "ada").stdout.startswith("ada  ")


CLASSES = {
    "plain": b"name,display_name,role,password\nada,Ada,instructor,\nbob,,,12345678\n",
    "with a byte order mark and CRLF": b"\xef\xbb\xbfname,display_name\r\nada,Ada\r\nbob,B\r\n",
    "of a spreadsheet with semicolons": b'name;display_name\r\nada;"Lovelace; Ada ""the first"""\r\nbob;B\r\n',
    "in UTF-16 with tabs": "name\tdisplay_name\nada\tÄda\nbob\t\n".encode("utf-16"),
    "with empty lines, spaces and capitals": b"\nName , Display Name\n\n ADA ,x\n,\nBob,y\n\n\n",
    "with a field of two lines": b'name,display_name\nada,"A\nB"\nbob,\n',
}


@pytest.mark.parametrize("file", CLASSES.values(), ids=CLASSES.keys())
def test_a_class_comes_in(run: Run, settings: Settings, tmp_path: Path, file: bytes) -> None:
    (tmp_path / "class.csv").write_bytes(file)
    result = run("import", str(tmp_path / "class.csv"))
    assert result.exit_code == 0, result.output
    assert names(settings) == ["ada", "bob"]
    assert result.stdout.splitlines()[0] == "name,password"
    assert "2 added" in result.stderr


FAULTS = {
    "a bad name": (b"name\nada\nx y\n", "line 3: 'x y' is no name"),
    "a name twice": (b"name\nada\nADA\n", "line 3: 'ada' stands in line 2 already"),
    "a bad role": (b"name,role\nada,boss\n", "line 2: 'boss' is no role; take student, instructor, admin"),
    "a short password": (b"name,password\nada,123\n", "line 2: the password is too short"),
    "no header": (b"ada,Ada\nbob,Bob\n", "the first line must name the columns"),
    "an unknown column": (b"name,email\nada,x@y\n", "the first line must name the columns"),
    "too many fields": (b"name\nada,Ada\n", "line 2: there are 2 fields, and 1 columns"),
    "an open quotation mark": (b'name,display_name\nada,"Ada\nbob,B\n', "a quotation mark is missing"),
    "the line after a field of two lines": (b'name,display_name\nada,"A\nB"\n-,\n', "line 4: '-' is no name"),
    "no UTF-8": (b"name,display_name\nada,\xc4da\n", "line 2: this is no UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no UTF-8"),
    "nothing": (b"", "there is no user in the file"),
    "a header alone": (b"name\n", "there is no user in the file"),
    "half of UTF-16": (b"\xff\xfen", "no UTF-8"),
    "too much": (b"name\n" + b"a" * 6_000_000, "it is no list of a class"),
}


@pytest.mark.parametrize(("file", "sentence"), FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_file_adds_nobody_and_names_the_line(
    run: Run, settings: Settings, tmp_path: Path, file: bytes, sentence: str
) -> None:
    (tmp_path / "class.csv").write_bytes(file)
    result = run("import", str(tmp_path / "class.csv"))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""
    assert names(settings) == []


def test_every_bad_line_is_told_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_text("name\n" + "".join(f"bad name {n}\n" for n in range(30)))
    told = run("import", str(tmp_path / "class.csv")).stderr
    assert told.count("\n  line ") == 20 and "and 10 more" in told


def test_who_is_there_already_stays_as_they_are(run: Run, settings: Settings, tmp_path: Path) -> None:
    run("add", "ada", "--password-stdin", stdin="my long password")
    (tmp_path / "class.csv").write_text("name,role\nada,admin\nbob,\n")
    refused = run("import", str(tmp_path / "class.csv"))
    assert refused.exit_code == 2 and "line 2: there is a user 'ada' already" in refused.stderr
    assert names(settings) == ["ada"]
    done = run("import", str(tmp_path / "class.csv"), "--new-only")
    assert done.exit_code == 0 and "1 added, 1 there already" in done.stderr
    listed = json.loads(run("list", "-o", "json").stdout)
    assert [(user["name"], user["role"]) for user in listed] == [("ada", "student"), ("bob", "student")]


def test_a_database_of_a_later_version_is_told(run: Run, settings: Settings) -> None:
    run("add", "ada")
    database = Database(settings.database_url)
    with database.transaction() as db:
        db.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'ffff'")
    database.close()
    result = run("list")
    assert result.exit_code == 2 and "is from a later version of seatrial" in result.stderr
