"""How the portal of a data folder stands: its processes, its address, its clusters. Changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from clusters import store
from webapp.database import Database
from webapp.errors import PortalError
from webapp.platform import remains
from webapp.platform.programs import PROGRAMS
from webapp.platform.supervision import Process, Supervisor, last_lines
from webapp.sessions.health import Health, faults, read
from webapp.sessions.models import PoolCluster
from webapp.settings import PREFIX, Settings
from webapp.workspaces.places import write
from webapp.workspaces.processes import below, proportional, table

# A process that ended this often within five minutes goes in circles.
CIRCLES = 3
# After how many seconds a reconciler has surely made its first pass.
BEGUN_AFTER = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """One process as `status` tells it. `memory` is its and its children's proportional share, in bytes."""

    name: str
    does: str
    state: str
    pid: int | None
    seconds: int
    restarts: int
    memory: int
    fault: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """How the portal of a data folder stands."""

    running: bool
    address: str
    data: str
    healthy: bool
    processes: tuple[Standing, ...] = ()
    left: tuple[int, ...] = ()  # processes that nobody watches: what a crash left
    fault: str | None = None
    clusters: Health | None = None
    disk: int = 0  # bytes that the clusters take, those that sleep too
    faults: tuple[str, ...] = ()  # what is wrong with what the processes do, and what to do about it

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def status(settings: Settings) -> Status:
    """How it stands. Changes nothing."""
    supervisor = Supervisor(settings)
    try:
        found = supervisor.processes()
    except OSError:
        left = remains.find(settings.data)
        pids = tuple(process.pid for process in (*left.platform, *left.clusters))
        fault = "a crash left processes behind; `seatrial down` ends them" if pids else None
        return Status(False, settings.address, str(settings.data), False, left=pids, fault=fault)
    address = recorded(settings)
    settings = replace(settings, clusters=_started_with(settings).get("clusters", settings.clusters))
    standing = tuple(_standing(settings, process) for process in found)
    ill = [each for each in standing if each.fault]
    told = healthz(address)
    fault = ill[0].fault if ill else None if told else "the portal does not answer at its address"
    health, disk = _health(settings)
    # One that was just begun has not had the time for its first pass.
    begun = any(each.name == "reconciler" and each.seconds < BEGUN_AFTER for each in standing)
    wrong = tuple(faults(replace(health, age=None) if begun else health)) if health else ()
    healthy = bool(told) and not ill and not wrong
    return Status(
        True, address, str(settings.data), healthy, standing, (), fault or next(iter(wrong), None), health, disk, wrong
    )


def _health(settings: Settings) -> tuple[Health | None, int]:
    """How the clusters do, and what they take of the disk, in bytes. None where the database does not tell."""
    database = Database(settings.database_url)
    try:
        with database.reading() as db:
            names = list(db.scalars(select(PoolCluster.name)))
            return read(db, settings), sum(_size(store.folder(name)) for name in names)
    except PortalError:
        return None, 0  # which the portal tells as well
    finally:
        database.close()


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # gone while we looked
                total += (Path(place) / name).lstat().st_blocks * 512
    return total


def healthz(address: str) -> dict[str, Any] | None:
    """What the portal says of its health, through the proxy; None where it does not answer well."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}{PREFIX}/healthz", timeout=5) as answer:  # our own address, over HTTP
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return None


def recorded(settings: Settings) -> str:
    """The address that it was started with, whatever the environment says now."""
    return str(_started_with(settings).get("address", settings.address))


def record(settings: Settings) -> None:
    """Remember what it is started with."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(settings.run / "up.json", json.dumps({"address": settings.address, "clusters": settings.clusters}))


def _started_with(settings: Settings) -> dict[str, Any]:
    try:
        found = json.loads((settings.run / "up.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def circles(process: Process) -> bool:
    """Whether a process ends again and again, and will not stand."""
    return process.state == "FATAL" or (process.state != "RUNNING" and process.restarts >= CIRCLES)


def _standing(settings: Settings, process: Process) -> Standing:
    program, fault = PROGRAMS[process.name], None
    if process.restarts >= CIRCLES:
        last = next((line for line in reversed(last_lines(settings.logs / f"{process.name}.log")) if line.strip()), "")
        fault = f"{process.name} has ended {process.restarts} times in five minutes; its log ends: {last.strip()}"
    elif process.state != "RUNNING":
        fault = f"{process.name} is {process.state.lower()}"
    memory = sum(proportional(pid) for pid in _family(process.pid)) if process.pid else 0
    return Standing(
        process.name, program.does, process.state.lower(), process.pid, process.seconds, process.restarts, memory, fault
    )


def _family(pid: int) -> list[int]:
    """A process and its children that are the platform's own: gunicorn's worker, not a sandbox and not a cluster."""

    def own(child: int) -> bool:
        words = remains.command_line(child)
        return bool(words) and "gunicorn" in words

    every = table()
    return [each for each in below(pid, every) if each == pid or own(each)]
