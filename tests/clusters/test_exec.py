"""clusters.exec: lines as they come, one kind of fault, and no child that outlives an interruption."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import PermanentError
from clusters.exec import CommandError, run, stream


def test_lines_of_both_streams_arrive_in_order(tmp_path: Path) -> None:
    heard: list[str] = []
    stream(
        ["sh", "-c", "echo one; echo two >&2; pwd; echo $COLOUR"],
        heard.append,
        timeout=30,
        cwd=tmp_path,
        env={"COLOUR": "red"},
    )
    assert heard == ["one", "two", str(tmp_path), "red"]


def test_lines_arrive_before_the_command_ends(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    script = f"echo waiting; while [ ! -e {go_on} ]; do sleep 0.01; done; echo done"
    heard: list[str] = []

    def answer(line: str) -> None:
        heard.append(line)
        go_on.touch()

    stream(["sh", "-c", script], answer, timeout=30)
    assert heard == ["waiting", "done"]


def test_a_failure_shows_the_last_lines() -> None:
    with pytest.raises(CommandError, match=r"failed with exit code 3: .*line 30$") as told:
        stream(["sh", "-c", "for n in $(seq 30); do echo line $n; done; exit 3"], lambda _: None, timeout=30)
    assert told.value.code == 3
    assert "line 1\n" not in told.value.output
    assert told.value.last_line == "line 30"


@pytest.mark.parametrize(
    ("output", "code", "last"),
    [
        ("Error: no\n  \n", 1, "Error: no"),
        ("  ", 1, "it printed nothing"),
        ("", None, "it did not end in time"),
        ("begun", None, "begun"),
    ],
)
def test_a_failure_says_what_was_said_last(output: str, code: int | None, last: str) -> None:
    assert CommandError(["x"], output, code).last_line == last


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandError, match="did not finish in time: begun") as told:
        stream(["sh", "-c", "echo begun; sleep 1000"], lambda _: None, timeout=0.2)
    assert told.value.code is None


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="No such file"):
        stream(["/nowhere/program"], lambda _: None, timeout=1)


def test_an_exception_of_the_listener_ends_the_command(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    pid_file = tmp_path / "pid"
    with pytest.raises(KeyboardInterrupt):
        stream(["sh", "-c", f"echo $$ > {pid_file}; echo begun; sleep 1000"], interrupt, timeout=30)
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


@pytest.mark.parametrize("start", [lambda argv: run(argv, timeout=30), lambda argv: stream(argv, print, timeout=30)])
def test_an_interrupt_while_a_child_is_started_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[list[str]], object]
) -> None:
    children = []
    original = subprocess.Popen

    def interrupted(*arguments: Any, **settings: Any) -> subprocess.Popen[str]:
        children.append(original(*arguments, **settings))
        signal.raise_signal(signal.SIGINT)  # the child runs, and nobody but us knows it yet
        return children[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(["sleep", "1000"])
    assert children[0].returncode == -signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_watcher_ends_a_command_that_cannot_succeed_any_more(tmp_path: Path) -> None:
    seen = tmp_path / "pid"

    def watch() -> None:
        if seen.exists() and seen.read_text().endswith("\n"):
            raise PermanentError("no use in waiting")

    with pytest.raises(PermanentError, match="no use"):
        run(["sh", "-c", f"echo $$ > {seen}; sleep 1000"], timeout=30, watch=watch)
    assert not Path(f"/proc/{seen.read_text().strip()}").exists()


def test_a_watched_command_prints_everything_and_may_be_late() -> None:
    calls: list[None] = []
    script = "echo begun; sleep 0.3; head -c 200000 /dev/zero | tr '\\0' x"
    done = run(["sh", "-c", script], timeout=30, watch=lambda: calls.append(None))
    assert done.stdout == "begun\n" + "x" * 200_000
    assert calls
    with pytest.raises(CommandError, match="did not finish in time"):
        run(["sleep", "1000"], timeout=0.2, watch=lambda: None)
