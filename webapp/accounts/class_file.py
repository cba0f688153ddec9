"""A class as a CSV file: `name,display_name,role,password`, a user a line, the last three optional.

Spreadsheets write it in several ways: with a byte order mark or none, in UTF-8 or UTF-16, with commas, semicolons or
tabs. Nothing of a file is taken unless every line is right.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts import names, passwords, services
from webapp.accounts.models import Role, User
from webapp.errors import PortalError

COLUMNS = ("name", "display_name", "role", "password")
# More is no class: a file of another kind was handed in.
LARGEST = 5 * 1024**2
MOST = 10_000
# How many faults are told at once.
TOLD = 20


class ClassFileFault(PortalError):
    """What is wrong with the file, with the line of each fault. Nothing was added."""


@dataclass(frozen=True, slots=True)
class Row:
    """A user to add. `drawn` is the password where the file has none, to be shown once."""

    line: int
    name: str
    display_name: str
    role: Role
    stored: str
    drawn: str | None


def read(data: bytes, default_role: Role = Role.STUDENT) -> list[Row]:
    """The users of the file, their passwords hashed. Raises ClassFileFault that names every bad line."""
    faults: list[str] = []
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for line, fields in _records(data):
        try:
            row = _row(line, fields, default_role)
        except PortalError as fault:
            faults.append(f"line {line}: {fault}")
            continue
        if row.name in seen:
            faults.append(f"line {line}: {row.name!r} stands in line {seen[row.name]} already")
        seen.setdefault(row.name, line)
        rows.append(row)
    _refuse(faults)
    if not rows:
        raise ClassFileFault("there is no user in the file; write one a line below `name,display_name,role,password`")
    return [_with_password(row) for row in rows]


def add(db: Session, rows: list[Row], *, new_only: bool = False, actor: User | str | None = None) -> list[Row]:
    """Add the users, all or none, and say who was added. Raises ClassFileFault for those who are there already.

    `new_only` leaves those as they are.
    """
    there = set(db.scalars(select(User.name)))
    if not new_only:
        _refuse([f"line {row.line}: there is a user {row.name!r} already" for row in rows if row.name in there])
    added = [row for row in rows if row.name not in there]
    for row in added:
        services.add_hashed(db, row.name, row.stored, row.role, row.display_name, actor=actor)
    return added


def _records(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    text = _text(data)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            begun, line = line, reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            if header is None:
                header = _header(fields)
                continue
            if len(fields) > len(header) and any(field.strip() for field in fields[len(header) :]):
                raise ClassFileFault(f"line {begun}: there are {len(fields)} fields, and {len(header)} columns")
            if begun > MOST:
                raise ClassFileFault(f"there are more than {MOST} lines; cut the file into several")
            yield begun, dict(zip(header, fields, strict=False))
    except csv.Error as fault:
        raise ClassFileFault(f"line {line}: {fault}; a quotation mark is missing or one too many") from fault


def _header(fields: list[str]) -> list[str]:
    header = [field.strip().lower().replace(" ", "_") for field in fields]
    unknown = [field for field in header if field and field not in COLUMNS]
    if "name" not in header or unknown or len(set(header)) < len([field for field in header if field]):
        raise ClassFileFault(
            "the first line must name the columns: `name`, and any of `display_name`, `role`, `password`; "
            f"it is {', '.join(repr(field[:40]) for field in fields[:8])}"
        )
    return header


def _text(data: bytes) -> str:
    if len(data) > LARGEST:
        raise ClassFileFault(f"the file has more than {LARGEST // 1024**2} MiB; it is no list of a class")
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise ClassFileFault(f"line {line}: this is no UTF-8; save the file as CSV in UTF-8") from fault
    if "\0" in text:
        raise ClassFileFault("this is no text file; save the list as CSV in UTF-8")
    return text


def _row(line: int, fields: dict[str, str], default_role: Role) -> Row:
    name = names.checked(fields["name"])
    display_name = names.display(fields.get("display_name", ""))
    word = fields.get("role", "").strip().lower()
    if word and word not in set(Role):
        raise PortalError(f"{word[:40]!r} is no role; take {', '.join(Role)}")
    password = fields.get("password", "")
    if password:
        passwords.check(password)
    return Row(line, name, display_name, Role(word) if word else default_role, password, None)


def _with_password(row: Row) -> Row:
    """Hash last, and only when every line is right: it is what takes time."""
    drawn = None if row.stored else passwords.draw()
    return Row(row.line, row.name, row.display_name, row.role, passwords.hashed(drawn or row.stored), drawn)


def _refuse(faults: list[str]) -> None:
    if not faults:
        return
    more = [f"and {len(faults) - TOLD} more"] if len(faults) > TOLD else []
    raise ClassFileFault("nothing was added:\n  " + "\n  ".join([*faults[:TOLD], *more]))
