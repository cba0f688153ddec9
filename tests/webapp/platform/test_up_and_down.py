"""`seatrial up`, `status`, `down` as somebody types them."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kills
import pytest
from sqlalchemy import text

from tests.webapp.platform.conftest import Portal, a_portal, until
from tests.webapp.postgres import fresh, server
from tests.webapp.workspaces.platforms import type_into
from webapp.accounts import services
from webapp.database import Database
from webapp.platform.programs import PROGRAMS
from webapp.platform.supervision import Supervisor
from webapp.workspaces import terminals
from webapp.workspaces.hub import HubApi

pytestmark = pytest.mark.portal


def test_up_twice_status_and_down(portal: Portal) -> None:
    up = portal.seatrial("up")
    assert up.returncode == 0, up.stderr
    assert f"The portal runs at {portal.settings.address}" in up.stdout
    passwords = dict(re.findall(r"^ +(student|instructor) +(\S+)$", up.stdout, re.MULTILINE))
    assert set(passwords) == {"student", "instructor"}
    _passwords_hold(portal, passwords)
    _only_the_owner_reads(portal.settings.data)
    _no_secret_is_on_a_command_line(portal)

    found = portal.status()
    assert found["healthy"], found
    assert [row["name"] for row in found["processes"]] == list(PROGRAMS)
    assert {row["state"] for row in found["processes"]} == {"running"}
    assert portal.answers()

    again = portal.seatrial("up")
    assert again.returncode == 0
    assert f"runs already at {portal.settings.address}" in again.stdout
    assert not any(word in again.stdout for word in passwords.values())
    elsewhere = portal.seatrial("up", SEATRIAL_PORT="1")
    assert f"runs already at {portal.settings.address}" in elsewhere.stdout
    assert "`seatrial down` first" in elsewhere.stdout

    down = portal.seatrial("down")
    assert (down.returncode, down.stdout) == (0, "The portal is down.\n")
    assert portal.left() == []
    assert portal.seatrial("status").returncode == 1
    assert portal.seatrial("down").stdout == "The portal was not running.\n"


def _passwords_hold(portal: Portal, passwords: dict[str, str]) -> None:
    database = Database(portal.settings.database_url)
    with database.transaction() as db:
        for name, password in passwords.items():
            user = services.authenticate(db, name, password, "127.0.0.1")
            assert user is not None and user.role.value == name
    database.close()


def _only_the_owner_reads(data: Path) -> None:
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in (data / "secrets", data / "run", data / "logs"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    open_files = [str(path) for path in (data / "secrets").iterdir() if stat.S_IMODE(path.stat().st_mode) != 0o600]
    assert open_files == []


def _no_secret_is_on_a_command_line(portal: Portal) -> None:
    secrets = [path.read_text().strip() for path in portal.settings.secrets.iterdir()]
    assert len(secrets) >= 3
    told = "\n".join([*portal.left(), (portal.settings.run / "supervisord.conf").read_text()])
    told += "".join(log.read_text() for log in portal.settings.logs.iterdir())
    assert not any(secret in told for secret in secrets)


def test_a_port_in_use_is_one_sentence(portal: Portal) -> None:
    with socket.create_server(("127.0.0.1", portal.settings.port)):
        up = portal.seatrial("up")
    assert up.returncode == 1
    assert up.stderr.splitlines()[-1].startswith(f"seatrial: port {portal.settings.port} of 127.0.0.1 is in use")
    assert "Traceback" not in up.stderr
    assert portal.left() == []


def test_what_does_not_come_up_is_told_with_its_log_and_ended(portal: Portal) -> None:
    up = portal.seatrial("up", SEATRIAL_AUTHENTICATOR="nobody.wrote.this")
    assert up.returncode == 1
    assert "seatrial: hub ends again and again; the end of" in up.stderr
    assert "'nobody.wrote.this' could not be imported" in up.stderr
    assert "Traceback" not in up.stderr.partition("seatrial:")[0]
    assert portal.left() == []


def test_without_a_sandbox_nobody_else_is_let_in(portal: Portal, tmp_path: Path) -> None:
    for name in ("node", "npm", "env"):  # all but bwrap
        (tmp_path / name).symlink_to(Path("/usr/bin") / name)
    up = portal.seatrial("up", PATH=str(tmp_path), SEATRIAL_HOST="0.0.0.0")
    assert up.returncode == 1
    assert "SEATRIAL_HOST is 0.0.0.0, and there is no working sandbox: bubblewrap is not on PATH" in up.stderr
    up = portal.seatrial("up", PATH=str(tmp_path))
    assert up.returncode == 0, up.stderr
    assert "! There is no working sandbox: bubblewrap is not on PATH" in up.stdout


@pytest.mark.cluster
def test_without_a_sandbox_a_lab_is_started_and_has_a_terminal(
    portal: Portal, programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", portal.environment["XDG_DATA_HOME"])
    for program in Path("/usr/bin").iterdir():
        if program.name != "bwrap":
            (tmp_path / program.name).symlink_to(program)
    up = portal.seatrial("up", PATH=str(tmp_path))
    assert up.returncode == 0, up.stderr
    settings = portal.settings
    database = Database(settings.database_url)
    with database.transaction() as db:
        ada = services.add_user(db, "ada", kills.PASSWORD)
    student = kills.Student(settings, ada, [])
    student.sign_in()
    student.start()
    until("the lab runs", lambda: kills._running(database, [student]))
    database.close()
    name = terminals.open(settings, ada, kills.LAB)
    reached: Any = SimpleNamespace(settings=settings, api=HubApi(settings))
    said = type_into(reached, name, "kubectl auth whoami; whoami")
    assert re.search(r"Username +student", said), said
    assert pwd.getpwuid(os.geteuid()).pw_name in said, "and of the machine whoever runs the portal"


def test_down_after_supervisord_was_killed(portal: Portal) -> None:
    assert portal.seatrial("up").returncode == 0
    pid = Supervisor(portal.settings).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # The kernel ends the others with it: nobody would start them again.
    until("all have ended", lambda: portal.left() == [])
    assert "is not running" in portal.seatrial("status").stdout
    up = portal.seatrial("up")
    assert up.returncode == 0, up.stderr
    assert portal.answers()


def test_on_postgresql_the_hub_has_a_schema_of_its_own(portal_programs: None) -> None:
    with server() as url, fresh(url, "template0") as mine, a_portal(SEATRIAL_DATABASE_URL=mine) as portal:
        up = portal.seatrial("up")
        assert up.returncode == 0, up.stderr
        assert portal.answers()
        database = Database(mine)
        with database.reading() as db:
            asked = text("SELECT schemaname FROM pg_tables WHERE tablename = 'users' ORDER BY 1")
            assert list(db.scalars(asked)) == ["public", "seatrial_hub"]
        database.close()
        assert not list(portal.settings.data.rglob("*.db")) + list(portal.settings.data.rglob("*.sqlite"))
        assert portal.seatrial("down").returncode == 0
