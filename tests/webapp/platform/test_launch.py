"""What a process does before it becomes itself, and what the portal needs of the machine."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from webapp.errors import PortalError
from webapp.platform import launch, needs
from webapp.platform.programs import PROGRAMS, Program
from webapp.settings import Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path), "SEATRIAL_PROVIDER": "kwok"})


def test_a_port_that_somebody_has_is_told(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = launch.port_fault(replace(settings, port=port))
        assert told is not None
        assert told.startswith(f"port {port} of 127.0.0.1 is in use by another program")
        assert f"SEATRIAL_PORT={port + 1} make up" in told
    assert launch.port_fault(replace(settings, port=port)) is None


def test_an_address_of_another_machine_is_told(settings: Settings) -> None:
    told = launch.port_fault(replace(settings, host="192.0.2.1", port=8000))
    assert told is not None
    assert "192.0.2.1', which is no address of this machine" in told


def test_a_program_gets_its_secret_in_its_environment_and_no_socket_of_its_predecessor(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    (settings.run / "old.sock").touch()
    script = """
import os, sys
from pathlib import Path
from webapp.platform.launch import become
from webapp.platform.programs import Program
from webapp.settings import from_environment
settings = from_environment()
become(Program("x", "", lambda _: ["/bin/sh", "-c", 'umask; echo "$TOKEN"; ls "$1"', "sh", str(settings.run)],
               secrets=(("TOKEN", "proxy"),), sockets=("old.sock",)), settings)
"""
    environment = {**os.environ, "SEATRIAL_DATA": str(settings.data)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0077", settings.key("proxy")]


def test_a_program_ends_with_its_parent() -> None:
    child = """
import signal
from webapp.platform.parent import end_with_parent
end_with_parent(signal.SIGKILL)
print("ready", flush=True)
signal.pause()
"""
    parent = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as made:
        assert made.stdout is not None
        handle = os.pidfd_open(int(made.stdout.readline()))
        made.kill()
    ended, _, _ = select.select([handle], [], [], 60)
    os.close(handle)
    assert ended


def test_whoever_waits_for_a_socket_goes_on_when_somebody_listens(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    path = settings.run / "hub.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        launch.await_socket(path)


def test_whoever_waits_for_a_socket_does_not_wait_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "FIRST_WITHIN", 0.05)
    launch.await_socket(settings.run / "hub.sock")


def test_what_cannot_start_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {
            **os.environ,
            "SEATRIAL_DATA": str(tmp_path),
            "SEATRIAL_PORT": str(taken.getsockname()[1]),
        }
        argv = [sys.executable, "-m", "webapp.platform.launch", "proxy"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("proxy cannot start: port ")


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_command_line_holds_a_secret(settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.tools.node.command", lambda _: ["/usr/bin/node", "proxy"])
    program: Program = PROGRAMS[name]
    secrets = {settings.key(key) for key in ("proxy", "portal", "labs", "hub-cookies")}
    assert not any(secret in word for word in program.command(settings) for secret in secrets)
    assert program.does


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_without_a_sandbox_this_machine_is_let_in(
    settings: Settings, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "sandbox_fault", lambda: "none here")
    needs.refuse_strangers(replace(settings, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "lab.example.org", "127.0.0.1.example.org"])
def test_without_a_sandbox_nobody_else_is(settings: Settings, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "sandbox_fault", lambda: "none here")
    with pytest.raises(PortalError, match="there is no working sandbox: none here"):
        needs.refuse_strangers(replace(settings, host=host))
    monkeypatch.setattr(needs, "sandbox_fault", lambda: None)
    needs.refuse_strangers(replace(settings, host=host))


def test_every_need_names_what_mends_it() -> None:
    for row in needs.examine():
        assert row.need
        assert row.found
        assert row.mend


def test_what_workspaces_lack_is_told_with_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vim", "git", "curl", "apt-get"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(needs, "COMPLETION", tmp_path / "none")
    (row,) = [row for row in needs.examine() if row.feature == needs.WORKSPACES]
    assert (row.outcome, row.found) == ("optional", "not here: jq, nano, bash-completion")
    assert row.mend.endswith("apt-get install -y jq nano bash-completion")
    (tmp_path / "none").touch()
    for name in ("jq", "nano"):
        (tmp_path / name).touch(0o755)
    (row,) = [row for row in needs.examine() if row.feature == needs.WORKSPACES]
    assert row.outcome == "ok"
