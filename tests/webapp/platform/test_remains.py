"""Finding and ending what runs for a data folder, on processes of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters import store
from webapp.platform import remains
from webapp.platform.supervision import MARK
from webapp.workspaces import places, processes

# Says that it is ready, and then does nothing.
IDLE = "import signal, sys; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {IDLE}"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {IDLE!r}], env={{}}, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
{IDLE}
"""


@contextmanager
def process(script: str, *words: str, program: str = sys.executable, **environment: str) -> Iterator[int]:
    """A process that is ready; ended by its pid at the end, if it is still there."""
    with subprocess.Popen(
        [program, "-c", script, *words], executable=sys.executable, env=environment, stdout=subprocess.PIPE
    ) as made:
        assert made.stdout is not None
        assert made.stdout.readline() == b"ready\n"
        try:
            yield made.pid
        finally:
            made.kill()


def _found(data: Path) -> set[int]:
    return {one.pid for one in remains.find(data).platform}


def test_what_has_the_mark_is_found_and_nothing_else(tmp_path: Path) -> None:
    with (
        process(IDLE, **{MARK: str(tmp_path)}) as ours,
        process(IDLE, **{MARK: f"{tmp_path}-other"}),
        process(IDLE, SEATRIAL_DATA=str(tmp_path)),  # a shell in which somebody set the variable
        process(IDLE, str(tmp_path / "logs" / "hub.log")),  # somebody who reads a log
    ):
        assert _found(tmp_path) == {ours}


def test_what_a_marked_process_started_is_found_though_it_has_no_environment(tmp_path: Path) -> None:
    with process(PARENT, **{MARK: str(tmp_path)}) as parent:
        found = _found(tmp_path)
        assert len(found) == 2
        assert parent in found
        assert remains.end(remains.find(tmp_path).platform) == []
        assert _found(tmp_path) == set()


def test_a_sandbox_is_found_by_its_command_line(tmp_path: Path) -> None:
    home = str(tmp_path / "workspaces" / "7" / "home")
    with process(IDLE, "--bind", home, "/home/student", program="/usr/bin/bwrap") as sandbox:
        assert _found(tmp_path) == {sandbox}
    with process(IDLE, "--bind", home, program="/usr/bin/ls"):
        assert _found(tmp_path) == set()


def test_a_sandbox_is_found_by_its_record(tmp_path: Path) -> None:
    place = places.of(tmp_path / "workspaces", 7)
    place.make()
    with process(IDLE) as inside:
        known = processes.named(inside)
        assert known is not None
        place.state.write_text(json.dumps(known.document()))
        assert _found(tmp_path) == {inside}
        place.state.write_text(json.dumps({**known.document(), "start": known.start + 1}))
        assert _found(tmp_path) == set(), "another process that got the pid"


def test_a_clusters_processes_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    program = str(store.root() / "harbour" / "kwok" / "bin" / "etcd")
    with process(IDLE, program=program, **{MARK: str(tmp_path)}) as etcd:
        found = remains.find(tmp_path)
        assert [one.pid for one in found.clusters] == [etcd]
        assert (found.platform, found.names) == ((), frozenset({"harbour"}))


def test_whoever_looks_and_their_parents_are_spared(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from webapp.platform import remains
print(remains.find(Path({str(tmp_path)!r})).platform)
"""
    environment = {**os.environ, MARK: str(tmp_path)}
    shell = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, script]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "()\n"


def test_what_does_not_heed_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "GRACE", 0.1)
    with process(STUBBORN, **{MARK: str(tmp_path)}) as pid:
        found = remains.find(tmp_path).platform
        assert remains.end(found) == []
        assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status == signal.SIGKILL
