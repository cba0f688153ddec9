"""A PostgreSQL server of Debian's package, in a folder of the tests' own, reached by a Unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest of them."""
    folders = sorted(
        (f.parent for f in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), key=lambda f: int(f.parent.name)
    )
    on_path = shutil.which("pg_ctl")
    if on_path and (Path(on_path).resolve().parent / "initdb").exists():
        folders.insert(0, Path(on_path).resolve().parent)
    return folders[-1] if folders else None


def demanded() -> Path:
    """As `programs`; skips the test where there are none, fails it where SEATRIAL_REQUIRE names `postgres`."""
    found = programs()
    if found is not None:
        return found
    reason = "PostgreSQL is not installed: apt-get install postgresql"
    if "postgres" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


def _as_somebody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


@contextmanager
def server() -> Iterator[str]:
    """Run a server; yields the URL of its database `postgres`."""
    found = demanded()
    # Short: the path of a Unix socket holds 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="st-pg-", dir="/tmp"))
    somebody = _as_somebody()
    if somebody:
        owner = int(somebody[1].partition("=")[2])
        os.chown(folder, owner, -1)
    data = folder / "data"
    # Nothing on a disk of a test has to outlive a power cut.
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c shared_buffers=16MB"

    def run(*argv: str) -> None:
        done = subprocess.run(
            [*somebody, *argv], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"

    try:
        run(str(found / "initdb"), "-D", str(data), "-U", "seatrial", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        log = str(folder / "log")
        # Its output goes to the log, or the server would hold our pipe open.
        start = [*somebody, str(found / "pg_ctl"), "-D", str(data), "-o", options, "-w", "-l", log, "start"]
        done = subprocess.run(start, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, (folder / "log").read_text()
        try:
            yield f"postgresql://seatrial@/postgres?host={folder}"
        finally:
            run(str(found / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def named(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return url.replace("@/postgres?", f"@/{database}?")


def execute(url: str, statement: str) -> None:
    """Run a statement that wants no transaction around it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def fresh(url: str, template: str) -> Iterator[str]:
    """A database made from the template, dropped afterwards; yields its URL."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield named(url, name)
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")
