"""supervisord's configuration and log, without supervisord."""

from __future__ import annotations

import configparser
import shlex
import time
from dataclasses import replace
from pathlib import Path

import pytest

from webapp.errors import PortalError
from webapp.platform import supervision
from webapp.platform.programs import PROGRAMS
from webapp.platform.supervision import MARK, Supervisor, configuration, handed_on, last_lines, refuse_folder, restarts
from webapp.settings import Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path), "SEATRIAL_PORT": "8123", "SEATRIAL_HOST": "127.0.0.2"})


def test_the_configuration_has_every_process_and_no_secret(settings: Settings) -> None:
    keys = [settings.key(name) for name in ("proxy", "portal", "labs")]
    text = configuration(settings)
    parsed = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parsed.read_string(text)
    for name in PROGRAMS:
        section = parsed[f"program:{name}"]
        assert shlex.split(section["command"])[-2:] == ["webapp.platform.launch", name]
        assert section["autorestart"] == "true"
        assert section["stdout_logfile"] == str(settings.logs / f"{name}.log")
        assert int(section["stdout_logfile_backups"]) > 0
    assert parsed["unix_http_server"]["file"] == str(settings.run / "super.sock")
    assert "inet_http_server" not in parsed
    assert not any(key in text for key in keys)


@pytest.mark.parametrize(
    "name", ["with blank", "50%", "semi;colon", "hash#", "quote'", 'double"', "back\\slash", "line\nbreak", "tab\t"]
)
def test_a_folder_that_a_configuration_file_cannot_name_is_refused(name: str) -> None:
    with pytest.raises(PortalError, match="SEATRIAL_DATA is"):
        refuse_folder(Path("/srv") / name)


def test_a_folder_whose_sockets_would_have_no_room_is_refused() -> None:
    room = supervision.SOCKET_PATH - supervision.LONGEST_SOCKET
    refuse_folder(Path("/" + "x" * (room - 1)))
    with pytest.raises(PortalError, match="too long for the sockets"):
        refuse_folder(Path("/" + "ü" * (room // 2 + 1)))


def test_processes_get_what_they_need_of_the_environment_and_nothing_else(settings: Settings) -> None:
    ours = {
        "HOME": "/home/ada",
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "SEATRIAL_POOL": "3",
        "XDG_DATA_HOME": "/srv",
        "https_proxy": "http://proxy:3128",
        "no_proxy": "intranet",
        "JUPYTERHUB_API_TOKEN": "not ours to give",
        "AWS_SECRET_ACCESS_KEY": "nor this",
        "PYTHONPATH": "/tmp/evil",
    }
    given = handed_on(settings, ours)
    assert not {"JUPYTERHUB_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(given)
    assert {name: given[name] for name in ("HOME", "LC_ALL", "SEATRIAL_POOL", "XDG_DATA_HOME", "https_proxy")} == {
        name: ours[name] for name in ("HOME", "LC_ALL", "SEATRIAL_POOL", "XDG_DATA_HOME", "https_proxy")
    }
    assert given[MARK] == str(settings.data)
    assert given["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert given["PATH"].endswith(":/usr/bin")
    # What a later `seatrial` of another environment would take for the default is written down.
    assert from_environment(given) == replace(from_environment(ours | given))


def _line(ago: float, text: str) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S,000 ", time.localtime(time.time() - ago)) + text


def test_restarts_are_those_of_this_start_and_of_late(tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    assert restarts(log, 300) == {}
    lines = [
        _line(100, "WARN exited: hub (exit status 1; not expected)"),  # of the start before
        _line(90, "INFO supervisord started with pid 12"),
        _line(80, "WARN exited: hub (terminated by SIGKILL; not expected)"),
        _line(2, "WARN exited: hub (exit status 1; not expected)"),
        _line(1, "WARN exited: portal (exit status 3; not expected)"),
        _line(1, "INFO exited: relay (exit status 0; expected)"),
        "not a line of supervisord's: exited: proxy (exit status 1; not expected)",
    ]
    log.write_text("\n".join(lines) + "\n")
    assert restarts(log, 300) == {"hub": 2, "portal": 1}
    assert restarts(log, 30) == {"hub": 1, "portal": 1}


def test_the_end_of_a_log_is_shown_also_where_it_is_no_text(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    assert last_lines(log) == []
    log.write_bytes(b"\xff\xfe begin\n" + b"".join(b"line %d\n" % number for number in range(100_000)))
    assert last_lines(log, 2) == ["line 99998", "line 99999"]


def test_a_supervisor_that_does_not_run_has_no_pid(settings: Settings) -> None:
    assert Supervisor(settings).pid() is None
    with pytest.raises(OSError, match="No such file"):
        Supervisor(settings).processes()
