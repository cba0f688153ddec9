"""The command as a process: killed, interrupted, and run twice at the same moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters.tools import program
from clusters.tools.pins import Pins, system
from tests.clusters.tools.conftest import HOSTS
from tests.fakes.golang import FakeGo
from tests.fakes.releases import Releases

pytestmark = pytest.mark.skipif(
    system() != ("linux", "amd64"), reason="the test's server has the releases of linux/amd64"
)
PATIENCE = 30  # seconds until a test gives up; none of them needs one
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(releases: Releases, root: Path) -> Iterator[Start]:
    """Start `seatrial tools install ARGUMENTS` against the test's server."""
    mirrors = [f"--mirror={host}={url}" for host, url in releases.mirrors(*HOSTS).items()]
    argv = [sys.executable, "-c", "from seatrial import main; main()", "tools", "install", *mirrors]
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*argv, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def held(releases: Releases, pins: Pins) -> str:
    """The URL of kind's release, which comes half and then waits."""
    asset = pins.programs["kind"].asset
    assert asset is not None
    releases.held[releases.path(asset.url)] = threading.Event()
    return asset.url


def until_half(releases: Releases) -> None:
    assert releases.half_sent.wait(PATIENCE)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The first line on stderr that holds `text`."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


def test_killed_half_way_it_leaves_no_program_and_the_next_run_resumes(
    start: Start, releases: Releases, held: str, root: Path
) -> None:
    first = start("kind")
    until_half(releases)
    # The bytes were sent, but our side may not have written them yet.
    while not any(part.stat().st_size for part in root.glob(".partial/kind-*.part")):
        assert first.poll() is None
    first.kill()
    first.wait()
    (part,) = root.glob(".partial/kind-*.part")
    have = part.stat().st_size
    assert not list(root.glob("kind-*/kind"))

    releases.held.clear()
    second = start("kind")
    out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err
    assert "1 program in" in out
    assert "Waiting" not in err, "a dead process holds no lock"
    assert [request.start for request in releases.asked(held)] == [0, have]
    assert program("kind").read_bytes().startswith(b"released kind\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_downloading(
    start: Start, releases: Releases, held: str, root: Path, signum: signal.Signals
) -> None:
    process = start("kind")
    until_half(releases)
    process.send_signal(signum)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted; what was finished stays" in err
    assert "Traceback" not in err
    assert not list(root.glob("kind-*/kind"))
    assert not (root / ".staging").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_building_nothing_goes_on(
    start: Start, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    go = FakeGo(tmp_path / "hanging", hangs="*/kwok")
    monkeypatch.setenv("PATH", go.on_path() + os.pathsep + os.environ["PATH"])
    process = start("--from", "build", "etcd", "kwok")
    while not (go.folder / "hanging").exists() or not (go.folder / "hanging").read_text().endswith("\n"):
        assert process.poll() is None
    children = [int(pid) for pid in (go.folder / "hanging").read_text().split()]
    process.send_signal(signum)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in err
    assert [pid for pid in children if alive(pid)] == []
    assert not (root / ".staging").exists()
    assert program("etcd").is_file(), "what was finished stays"


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_two_at_once_take_turns_and_download_once(start: Start, releases: Releases, held: str) -> None:
    first = start("kind")
    until_half(releases)
    second = start("kind")
    told = read_until(second, "Waiting")
    assert f"process {first.pid}, since " in told
    releases.held.popitem()[1].set()
    for process, how in ((first, "1 downloaded"), (second, "1 already there")):
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert how in out
    assert len(releases.asked(held)) == 1


def test_a_log_says_what_is_done_and_how_far(start: Start, fake_go: FakeGo) -> None:
    process = start("--from", "build")
    out, err = process.communicate(timeout=PATIENCE)
    assert "Building 12 programs from source: minutes the first time, and instant from then on." in err
    assert "Building kubectl v1.36.4 (4 of 12)" in err
    assert "\x1b" not in err, "no control characters in a log"
    assert "12 programs in" in out
    assert "12 built" in out
