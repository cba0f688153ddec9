"""`seatrial user …`."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.orm import Session

from webapp.accounts import class_file, passwords, services
from webapp.accounts.models import Role, User
from webapp.database import Database, upgrade
from webapp.errors import PortalError
from webapp.settings import from_environment

# As the other commands have it: bad input, or something that has to be mended first.
FAULT = 2

ROLE = click.option("--role", type=click.Choice([r.value for r in Role]), default=Role.STUDENT.value, show_default=True)
FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def user() -> None:
    """The portal's users: students, instructors and administrators."""


@contextmanager
def _transaction() -> Iterator[Session]:
    """A unit of work on the portal's database, made where there is none; a fault is told in its sentence."""
    try:
        settings = from_environment()
        upgrade(settings)
        database = Database(settings.database_url)
        try:
            with database.transaction() as db:
                yield db
        finally:
            database.close()
    except PortalError as fault:
        click.echo(f"seatrial: {fault}", err=True)
        sys.exit(FAULT)


def _operator() -> str:
    """Who sits at the command line, for the audit: the machine's account."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} at the command line"
    except KeyError:
        return f"uid {os.getuid()} at the command line"


def _found(db: Session, name: str) -> User:
    found = services.by_name(db, name)
    if found is None:
        raise PortalError(f"there is no user {name!r}; `seatrial user list` shows every one")
    return found


def _password(from_stdin: bool) -> tuple[str, bool]:
    """The password, and whether it was drawn and must be shown."""
    if not from_stdin:
        return passwords.draw(), True
    try:
        given = sys.stdin.buffer.read(passwords.LONGEST + 3).decode()
    except UnicodeDecodeError as fault:
        raise PortalError("the password on standard input is no UTF-8") from fault
    return given.removesuffix("\n").removesuffix("\r"), False


def _show(name: str, password: str, drawn: bool) -> None:
    """Shown before it is kept: where standard output takes nothing, nobody has a password that nobody knows."""
    if drawn:
        click.echo(f"{name}  {password}")
        click.echo("This password is shown once.", err=True)


@user.command()
@click.argument("name")
@ROLE
@click.option("--display-name", default="", help="The name for people to read.")
@FROM_STDIN
def add(name: str, role: str, display_name: str, password_stdin: bool) -> None:
    """Add one user. The password is drawn and shown once."""
    with _transaction() as db:
        password, drawn = _password(password_stdin)
        added = services.add_user(db, name, password, Role(role), display_name, actor=_operator())
        _show(added.name, password, drawn)


@user.command()
@click.argument("name")
@FROM_STDIN
def passwd(name: str, password_stdin: bool) -> None:
    """Give a user a new password and sign them out everywhere. It is drawn and shown once."""
    with _transaction() as db:
        found = _found(db, name)
        password, drawn = _password(password_stdin)
        services.set_password(db, found, password, actor=_operator())
        _show(found.name, password, drawn)


@user.command()
@click.argument("name")
@click.argument("role", type=click.Choice([r.value for r in Role]))
def role(name: str, role: str) -> None:
    """Make a user a student, an instructor or an administrator."""
    with _transaction() as db:
        services.set_role(db, _found(db, name), Role(role), actor=_operator())


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Let a user in no more. Their work and scores are kept."""
    with _transaction() as db:
        services.disable(db, _found(db, name), actor=_operator())


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let a user in again."""
    with _transaction() as db:
        services.enable(db, _found(db, name), actor=_operator())


@user.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_(output: str) -> None:
    """List the users."""
    with _transaction() as db:
        found = services.users(db)
    if output == "json":
        fields = [
            {"name": u.name, "display_name": u.display_name, "role": u.role.value, "active": u.active} for u in found
        ]
        click.echo(json.dumps(fields, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("NAME", "DISPLAY NAME", "ROLE", "STATE"):
        table.add_column(column)
    for one in found:
        table.add_row(one.name, escape(one.display_name), one.role.value, "active" if one.active else "disabled")
    Console().print(table)


@user.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@ROLE
@click.option("--new-only", is_flag=True, help="Leave users who are there already as they are.")
def import_(file: Path, role: str, new_only: bool) -> None:
    """Add a class from a CSV file: name,display_name,role,password; all of it or nothing.

    Passwords that the file does not give are drawn, and shown once as CSV.
    """
    with _transaction() as db:
        # Hashing takes a while, in which nothing should be locked.
        db.rollback()
        try:
            data = file.read_bytes()
        except OSError as fault:
            raise PortalError(f"{file} cannot be read: {fault.strerror}") from fault
        rows = class_file.read(data, Role(role))
        added = class_file.add(db, rows, new_only=new_only, actor=_operator())
        drawn = [row for row in added if row.drawn]
        if drawn:
            click.echo("name,password")
        for row in drawn:
            click.echo(f"{row.name},{row.drawn}")
        click.echo(
            f"{len(added)} added, {len(rows) - len(added)} there already."
            + (" The passwords are shown once." if drawn else ""),
            err=True,
        )
