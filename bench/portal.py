"""The portal's figures: whole portals, each in a data folder and at a port of its own, taken down afterwards."""

from __future__ import annotations

import os
import random
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kills as killing
from measure import Row, duration, p95

from webapp.platform.standing import status
from webapp.settings import Settings, from_environment

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
SEED = 20261121
MEMORY = ("hub", "proxy", "portal", "reconciler")


@contextmanager
def running(scratch: Path, **more: str) -> Iterator[Settings]:
    """A portal that is up. Raises CalledProcessError, with what it said, where it does not come up."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    environment = {
        "SEATRIAL_DATA": str(scratch / "data"),
        "SEATRIAL_PORT": str(port),
        "XDG_DATA_HOME": str(scratch / "share"),
        "SEATRIAL_PROVIDER": "kwok",  # also where a container engine answers
        **more,
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)  # clusters' folder is read from it in this process, too
    try:
        subprocess.run([SEATRIAL, "up"], check=True, stdout=subprocess.DEVNULL)
        yield from_environment()
    finally:
        subprocess.run([SEATRIAL, "down", "--remove-clusters"], check=True, stdout=subprocess.DEVNULL)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def kills(scratch: Path) -> list[Row]:
    """200 random kill -9 under load: nothing lost, nothing doubled, and everything back soon."""
    plan = random.Random(SEED).choices(killing.VICTIMS, k=200)  # noqa: S311 - a game of chance
    with running(scratch, SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="2") as settings:
        found = killing.run(settings, students=2, plan=plan, seed=SEED)
    every = [blow.seconds for blow in found.blows]
    handed = f"{found.taken} submits taken of {len(found.presses)} pressed, {found.submissions} submissions"
    wrong = found.lost + found.doubled + found.ungraded + found.short
    rows = [
        Row(
            f"{len(every)} random kill -9 while students work ({handed}, {found.pages} pages)",
            f"{found.lost} lost, {found.doubled} doubled, {found.ungraded} without a grade, {found.short} too low",
            "",
            "",
            "0 lost, 0 doubled",
            wrong == 0,
        ),
        Row("recovery, all kinds", _spread(every), "", "", "p95 ≤ 10 s", p95(every) <= 10),
    ]
    for victim in killing.VICTIMS:
        some = [blow.seconds for blow in found.blows if blow.victim == victim]
        if some:
            rows.append(Row(f"recovery, {victim} killed ({len(some)} times)", _spread(some), "", "", "stated", None))
    return rows


def platform_memory(scratch: Path) -> list[Row]:
    """The platform beside clusters and workspaces, when it has just come up and after students have worked."""
    with running(scratch, SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="2") as settings:
        fresh = _memory(settings)
        killing.run(settings, students=2, plan=(), seed=SEED)
        used = _memory(settings)
    return [
        Row(
            f"memory of Hub, proxy, portal, reconciler, {when}",
            f"{size:.0f} MiB",
            "",
            "",
            "≤ 350 MB (334 MiB)",
            size <= 334,
        )
        for when, size in (("just up", fresh), ("after two students have started a lab", used))
    ]


def _memory(settings: Settings) -> float:
    return sum(each.memory for each in status(settings).processes if each.name in MEMORY) / 2**20


def _spread(values: list[float]) -> str:
    return f"{duration(statistics.median(values))} (p95 {duration(p95(values))}, slowest {duration(max(values))})"
