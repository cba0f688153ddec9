"""Up, down and status of the portal of one data folder. Nothing here prints: what happens is told to a Watch."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clusters import registry, store
from clusters.errors import ClusterError
from clusters.tools import cache, node
from clusters.tools.watch import Watch
from webapp.database import Database, DatabaseGone, upgrade
from webapp.errors import PortalError
from webapp.platform import needs, remains
from webapp.platform.launch import port_fault
from webapp.platform.programs import PROGRAMS
from webapp.platform.supervision import Process, Supervisor, last_lines, refuse_folder
from webapp.sessions.health import Health, faults
from webapp.sessions.health import read as read_health
from webapp.settings import PREFIX, Settings
from webapp.workspaces import bare
from webapp.workspaces.places import write
from webapp.workspaces.processes import Process as Running
from webapp.workspaces.processes import below, named, proportional, table

# Seconds for all processes to answer, and for supervisord to end all of them.
UP_WITHIN, DOWN_WITHIN = 180.0, 60.0
# How often it is looked whether something has come about, in seconds.
LOOK_EVERY = 0.2
# A process that ended this often within five minutes goes in circles.
CIRCLES = 3
STOPPING_AT_ONCE = 4
# After how many seconds a reconciler has surely made its first pass.
BEGUN_AFTER = 60
# Letters that nobody takes for another, for passwords that are copied by hand: 13 of 31 are 64 bits.
LETTERS, LENGTH = "abcdefghijkmnpqrstuvwxyz23456789", 13


@dataclass(frozen=True, slots=True)
class SignIn:
    """A user who was just made. The password is nowhere else."""

    name: str
    password: str
    role: str


@dataclass(frozen=True, slots=True)
class Started:
    """What `up` did."""

    address: str
    already: bool
    warnings: tuple[str, ...] = ()


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


@dataclass(slots=True)
class Ended:
    """What `down` did."""

    was_running: bool
    processes: int = 0  # that nobody watched any more
    stopped: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def up(settings: Settings, watch: Watch, made: Callable[[list[SignIn]], None]) -> Started:
    """Start the portal; returns when it answers. What was started is ended again where it does not come up.

    `made` is called with the demo's users where there were no users yet. Raises PortalError, ClusterError.
    """
    refuse_folder(settings.data)
    with locked(settings):
        supervisor = Supervisor(settings)
        if supervisor.pid() is not None:
            return Started(_recorded(settings), True, (*_differs(settings), *_ill(settings)))
        needs.refuse_strangers(settings)
        left = remains.find(settings.data)
        if left.platform:
            watch.say(f"Ending {len(left.platform)} processes that a crash left behind.")
            _end(left.platform)
        if fault := port_fault(settings):
            raise PortalError(fault)
        _install(watch)
        _database(settings, made)
        _record(settings)
        watch.begin("up", "Starting the portal")
        try:
            supervisor.start()
            _await(settings, supervisor, watch)
        except BaseException:  # Ctrl-C included: half a portal is none
            _shut_down(supervisor, settings)
            raise
        watch.end("up", "The portal answers.")
        return Started(settings.address, False, _warnings(settings))


def down(settings: Settings, watch: Watch, *, remove_clusters: bool = False) -> Ended:
    """End everything that runs for the data folder, also what a crash left, and stop its clusters or remove them.

    Idempotent. Raises PortalError where something cannot be ended.
    """
    if not settings.data.is_dir():
        return Ended(False)
    with locked(settings):
        supervisor = Supervisor(settings)
        done = Ended(supervisor.pid() is not None)
        names = _clusters_of(settings, done)
        if done.was_running:
            watch.say("Ending the portal's processes.")
        done.processes = _shut_down(supervisor, settings)
        names |= remains.find(settings.data).names
        there = sorted(name for name in names if store.folder(name).exists())
        if there:
            watch.say(f"{'Removing' if remove_clusters else 'Stopping'} {len(there)} clusters.")
        _put_away(there, remove_clusters, done)
        _end(remains.find(settings.data).clusters)
        (settings.run / "up.json").unlink(missing_ok=True)
        return done


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
    address = _recorded(settings)
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
    from sqlalchemy import select

    from webapp.sessions.models import PoolCluster

    database = Database(settings.database_url)
    try:
        with database.reading() as db:
            names = list(db.scalars(select(PoolCluster.name)))
            return read_health(db, settings), sum(_size(store.folder(name)) for name in names)
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


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Hold the data folder: one `up` or `down` at a time. Raises PortalError where another is at it."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.data.chmod(0o700)
        descriptor = os.open(settings.data / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise PortalError(f"{settings.data} cannot be written: {fault.strerror}; mend that and try again") from fault
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise PortalError(
                f"another `seatrial up` or `down` is at work on {settings.data}; try again when it has ended"
            ) from fault
        yield
    finally:
        os.close(descriptor)


def _differs(settings: Settings) -> tuple[str, ...]:
    running = _recorded(settings)
    if running == settings.address:
        return ()
    return (f"You asked for {settings.address}: `seatrial down` first, then `up` moves it there.",)


def _ill(settings: Settings) -> tuple[str, ...]:
    found = status(settings)
    return () if found.healthy else (f"But it is not well: {found.fault}. `seatrial status` says more.",)


def _recorded(settings: Settings) -> str:
    """The address that it was started with, whatever the environment says now."""
    try:
        return str(json.loads((settings.run / "up.json").read_text())["address"])
    except (OSError, ValueError, KeyError):
        return settings.address


def _record(settings: Settings) -> None:
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(settings.run / "up.json", json.dumps({"address": settings.address}))


def _warnings(settings: Settings) -> tuple[str, ...]:
    found = []
    if told := bare.notice(settings):
        found.append(told)
    for row in needs.examine():
        if row.outcome == "missing":
            found.append(f"{row.need}: {row.found}.")
        elif row.outcome == "optional" and row.feature == needs.WORKSPACES:
            found.append(f"{row.need}: {row.found}. Workspaces are without; `{row.mend}` brings it.")
    return tuple(found)


def _install(watch: Watch) -> None:
    from clusters.tools.download import Source
    from clusters.tools.install import install
    from clusters.tools.pins import pinned

    install([], "auto", pins=pinned(), root=cache.folder(), source=Source(), watch=watch)
    node.install(cache.folder(), watch)


def _database(settings: Settings, made: Callable[[list[SignIn]], None]) -> None:
    """Bring the database up to date, and make the demo's users where there are none."""
    from webapp.accounts import services
    from webapp.accounts.models import Role
    from webapp.platform import hub

    upgrade(settings)
    hub.prepare(settings)
    database = Database(settings.database_url)
    try:
        with database.transaction() as db:
            if settings.sign_in_elsewhere or services.users(db):
                return
            fresh = [
                SignIn("student", _password(), Role.STUDENT.value),
                SignIn("instructor", _password(), Role.INSTRUCTOR.value),
            ]
            for each in fresh:
                services.add_user(db, each.name, each.password, Role(each.role), f"Demo {each.role}")
            made(fresh)  # Before the commit: a password that nobody has seen would be nobody's.
    finally:
        database.close()


def _password() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def _await(settings: Settings, supervisor: Supervisor, watch: Watch) -> None:
    """Returns when every process runs and the portal answers. Raises PortalError with the log of what does not."""
    deadline = time.monotonic() + UP_WITHIN
    while True:
        try:
            found = supervisor.processes()
        except OSError as fault:
            raise PortalError(_with_log(settings, "supervisord", f"supervisord has ended ({fault})")) from fault
        waiting = [process.name for process in found if process.state != "RUNNING"]
        if not waiting and healthz(settings.address):
            return
        circling = next((process for process in found if _circles(process)), None)
        if circling:
            raise PortalError(_with_log(settings, circling.name, f"{circling.name} ends again and again"))
        if time.monotonic() > deadline:
            slow = waiting[0] if waiting else "portal"
            raise PortalError(_with_log(settings, slow, f"{slow} does not answer after {UP_WITHIN:.0f} s"))
        watch.step("up", f"waiting for {', '.join(waiting) or 'the first answer'}", 1 - len(waiting) / len(PROGRAMS))
        time.sleep(LOOK_EVERY)


def _circles(process: Process) -> bool:
    return process.state == "FATAL" or (process.state != "RUNNING" and process.restarts >= CIRCLES)


def _with_log(settings: Settings, name: str, sentence: str) -> str:
    log = settings.logs / f"{name}.log"
    lines = "\n".join(f"    {line}" for line in last_lines(log)) or "    (it printed nothing)"
    return f"{sentence}; the end of {log}:\n{lines}"


def _shut_down(supervisor: Supervisor, settings: Settings) -> int:
    """End supervisord and all that runs for the platform. Returns how many processes nobody watched."""
    pid = supervisor.pid()
    running = named(pid) if pid is not None else None
    if running is not None:
        with contextlib.suppress(OSError):  # it may end before it has answered; what is left is found below
            supervisor.shut_down()
        remains.wait([running], DOWN_WITHIN)
    left = remains.find(settings.data).platform
    _end(left)
    return len(left)


def _end(processes: tuple[Running, ...]) -> None:
    if stuck := remains.end(processes):
        pids = ", ".join(str(process.pid) for process in stuck)
        raise PortalError(f"processes {pids} do not end; they are stuck in the kernel")


def _clusters_of(settings: Settings, done: Ended) -> set[str]:
    """The clusters that the database knows of."""
    from sqlalchemy import select

    from webapp.sessions.models import PoolCluster

    database = Database(settings.database_url)
    try:
        with database.reading() as db:
            return set(db.scalars(select(PoolCluster.name)))
    except DatabaseGone:
        return set()  # before the first start, or removed: what runs is found all the same
    except PortalError as fault:
        done.faults.append(f"the clusters were taken from what runs, since {fault}")
        return set()
    finally:
        database.close()


def _put_away(names: list[str], remove: bool, done: Ended) -> None:
    def one(name: str) -> str | None:
        try:
            provider = registry.owner(name)
            (provider.delete if remove else provider.stop)(name)
        except ClusterError as fault:
            return f"cluster {name}: {fault}"
        return None

    with ThreadPoolExecutor(STOPPING_AT_ONCE) as pool:
        for name, fault in zip(names, pool.map(one, names), strict=True):
            if fault:
                done.faults.append(fault)
            else:
                (done.removed if remove else done.stopped).append(name)


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
