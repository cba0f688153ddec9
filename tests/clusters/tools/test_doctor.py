"""The doctor: every row has a command that mends it, and the exit code tells whether something required is missing."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner

from clusters.tools import VERSIONS, cache, doctor
from clusters.tools.pins import pinned
from seatrial import main


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def installed(root: Path, data: Path) -> Path:
    """A cache where every program is."""
    for program in pinned().programs.values():
        path = cache.place(root, program)
        path.parent.mkdir(parents=True)
        path.touch(0o755)
    return root


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def rows() -> dict[str, doctor.Finding]:
    return {row.need: row for row in doctor.examine()}


def command(folder: Path, name: str, code: int = 0) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_every_row_says_what_it_is_for_and_has_one_command(root: Path, data: Path, bare: Path) -> None:
    found = doctor.examine()
    assert len(found) > len(VERSIONS) + 8
    for row in found:
        assert row.need
        assert row.feature
        assert row.found
        assert row.mend
        assert "\n" not in row.mend
        assert row.outcome in ("ok", "missing", "optional")
    assert len({row.need for row in found}) == len(found)


def test_an_empty_cache_lacks_every_program_but_kind_and_helm_are_optional(root: Path, data: Path) -> None:
    found = rows()
    for name, version in VERSIONS.items():
        row = found[f"{name} {version}"]
        assert row.outcome == ("optional" if name in {"kind", "helm"} else "missing")
        assert row.mend == f"seatrial tools install {name}"
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "✗ kwok" in result.stdout
    assert "$ seatrial tools install kwok" in result.stdout
    assert "10 required missing" in result.stdout


def test_where_everything_required_is_there_the_exit_code_is_0(installed: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "-o", "json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert {row["outcome"] for row in told} <= {"ok", "optional"}
    assert set(told[0]) == {"need", "feature", "outcome", "found", "mend"}


def test_what_is_absent_from_path_is_optional_and_named(installed: Path, bare: Path) -> None:
    found = rows()
    for need in ("git", "make", "a container engine", "bubblewrap", "Go 1.21 or newer"):
        assert found[need].outcome == "optional", need
    assert "apt-get install -y bubblewrap" in found["bubblewrap"].mend


def test_the_command_fits_the_package_manager(installed: Path, bare: Path) -> None:
    command(bare, "dnf")
    assert rows()["a container engine"].mend.endswith("dnf install -y moby-engine")


def test_an_engine_that_does_not_answer_is_started_not_installed(installed: Path, bare: Path) -> None:
    command(bare, "docker", code=1)
    row = rows()["a container engine"]
    assert row.outcome == "optional"
    assert "does not answer" in row.found
    assert row.mend.endswith("systemctl start docker")
    command(bare, "docker")
    assert rows()["a container engine"].outcome == "ok"


def test_a_sandbox_that_may_not_make_namespaces_is_not_there(installed: Path, bare: Path) -> None:
    command(bare, "bwrap", code=1)
    assert rows()["bubblewrap"].outcome == "optional"
    command(bare, "bwrap")
    assert rows()["bubblewrap"].outcome == "ok"


def test_a_program_that_may_not_be_run_is_missing(installed: Path) -> None:
    kwok = cache.place(installed, pinned().programs["kwok"])
    kwok.chmod(0o644)
    assert rows()[f"kwok {VERSIONS['kwok']}"].outcome == "missing"


def test_a_data_directory_below_a_file_cannot_be_written(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    row = rows()["a data directory to write to"]
    assert row.outcome == "missing"
    assert str(tmp_path / "file") in row.mend


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else_cannot_be_written(installed: Path, data: Path) -> None:
    data.mkdir()
    data.chmod(0o500)
    assert rows()["a data directory to write to"].outcome == "missing"


def test_a_full_disk_and_little_memory_are_missing(
    root: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    monkeypatch.setattr(doctor, "_available_memory", lambda: 10**8)
    found = rows()
    assert found["disk space"].outcome == found["memory"].outcome == "missing"
    assert found["memory"].found == "0.1 GB available"


def test_taken_ports_are_counted(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the range that is tried, all but one port are taken.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(doctor, "PORTS_FROM", taken.getsockname()[1])
        monkeypatch.setattr(doctor, "PORTS_TRIED", 1)
        row = rows()["free ports"]
    assert row.outcome == "missing"
    assert row.found.startswith("0 of 20")


def test_nothing_is_asked_of_the_network_unless_it_is_wanted(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    doctor.examine()
