"""A PostgreSQL server of Debian's package, in a folder of the tests' own, reached by a Unix socket only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
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
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "shared_buffers=16MB")
    options = [part for setting in settings for part in ("-c", setting)]

    def run(*argv: str) -> None:
        done = subprocess.run(
            [*somebody, *argv], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"

    try:
        run(str(found / "initdb"), "-D", str(data), "-U", "seatrial", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        # It ends with the tests' process, however that ends; its output goes to a file, which nobody has to read.
        bound = [*(somebody[:-1] or ["setpriv"]), "--pdeathsig=QUIT", "--"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*bound, str(found / "postgres"), "-D", str(data), *options], cwd=folder, stdout=log, stderr=log
            )
        try:
            _ready(process, [str(found / "pg_isready"), "-q", "-h", str(folder), "-d", "postgres"], folder / "log")
            yield f"postgresql://seatrial@/postgres?host={folder}"
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ready(process: subprocess.Popen[bytes], question: list[str], log: Path) -> None:
    """Ask until the server answers; tell its log where it ends instead."""
    while subprocess.run(question, check=False).returncode != 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            pytest.fail(f"PostgreSQL ended: {log.read_text()}")


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
