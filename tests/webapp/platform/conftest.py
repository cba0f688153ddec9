"""A whole portal: real processes under supervisord, in a data folder and at a port of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters.tools import cache, node
from webapp.platform import needs, remains
from webapp.platform.standing import healthz
from webapp.settings import Settings, from_environment

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
# Long enough for a machine that does other things; whoever waits that long has found a fault.
LIMIT = 120.0


@dataclass(frozen=True)
class Portal:
    """One data folder, and the command `seatrial` as its user runs it."""

    folder: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        """As the portal's own processes read them."""
        return from_environment(self.environment)

    def seatrial(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `seatrial WORDS`; `more` is added to its environment."""
        environment = {**os.environ, **self.environment, **more}
        return subprocess.run([SEATRIAL, *words], env=environment, capture_output=True, text=True, check=False)

    def status(self) -> dict[str, Any]:
        """`seatrial status -o json`."""
        found: dict[str, Any] = json.loads(self.seatrial("status", "-o", "json").stdout)
        return found

    def process(self, name: str) -> dict[str, Any]:
        """One process' row of the status."""
        return next(row for row in self.status()["processes"] if row["name"] == name)

    def answers(self) -> bool:
        """Whether the portal answers through the proxy."""
        return healthz(self.settings.address) is not None

    def left(self) -> list[str]:
        """The command lines of everything that runs for the data folder."""
        found = remains.find(self.settings.data)
        return [" ".join(remains.command_line(one.pid)) for one in (*found.platform, *found.clusters)]


def until(what: str, holds: Callable[[], object]) -> None:
    """Ask until it holds."""
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, f"{what}: not so after {LIMIT:.0f} s"
        time.sleep(0.05)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture(scope="session")
def portal_programs() -> None:
    """What the portal runs is here; SEATRIAL_REQUIRE=portal makes an absence a failure."""
    found = node.find(cache.folder())
    lacking = needs.sandbox_fault() or (None if found and node.place(cache.folder()).is_file() else "the proxy")
    if lacking is None:
        return
    if "portal" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(f"the portal's programs are required here: {lacking}")
    pytest.skip(f"the portal's programs are not all here: {lacking}")


@contextmanager
def a_portal(**more: str) -> Iterator[Portal]:
    """A portal that is not up yet; at the end it is taken down, and nothing of it may be left."""
    # Not pytest's own folder: the path of a Unix socket has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="portal-"))
    environment = {
        "SEATRIAL_DATA": str(folder / "data"),
        "SEATRIAL_PORT": str(free_port()),
        "SEATRIAL_POOL": "0",
        "XDG_DATA_HOME": str(folder / "share"),
        **more,
    }
    portal = Portal(folder, environment)
    try:
        yield portal
    finally:
        ended = portal.seatrial("down", "--remove-clusters")
        left = portal.left()
        for process in remains.find(portal.settings.data).platform:
            process.signal(signal.SIGKILL)
        shutil.rmtree(folder)
        assert ended.returncode == 0, ended.stderr
        assert left == []


@pytest.fixture
def portal(portal_programs: None) -> Iterator[Portal]:
    """A portal of the test's own, not up yet."""
    with a_portal() as made:
        yield made


@pytest.fixture(scope="module")
def running(portal_programs: None) -> Iterator[Portal]:
    """A portal that is up, for the tests of one file."""
    with a_portal() as made:
        up = made.seatrial("up")
        assert up.returncode == 0, up.stderr
        yield made
