"""Up and down of the portal of one data folder. Nothing here prints: what happens is told to a Watch."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from clusters import registry, store
from clusters.errors import ClusterError
from clusters.tools import cache, node
from clusters.tools.watch import Watch
from webapp.database import Database, DatabaseGone, upgrade
from webapp.errors import PortalError
from webapp.platform import needs, remains
from webapp.platform.launch import port_fault
from webapp.platform.programs import PROGRAMS
from webapp.platform.standing import circles, healthz, record, recorded, status
from webapp.platform.supervision import Supervisor, last_lines, refuse_folder
from webapp.settings import Settings
from webapp.workspaces import bare, homes, keeping, places
from webapp.workspaces.containers import known
from webapp.workspaces.processes import Process as Running
from webapp.workspaces.processes import named

# Seconds for all processes to answer, and for supervisord to end all of them.
UP_WITHIN, DOWN_WITHIN = 180.0, 60.0
# How often it is looked whether something has come about, in seconds.
LOOK_EVERY = 0.2
STOPPING_AT_ONCE = 4
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
            return Started(recorded(settings), True, (*_differs(settings), *_ill(settings)))
        needs.refuse_strangers(settings)
        left = remains.find(settings.data)
        if left.platform:
            watch.say(f"Ending {len(left.platform)} processes that a crash left behind.")
            _end(left.platform)
        known.remove(settings)
        if fault := port_fault(settings):
            raise PortalError(fault)
        _install(watch)
        _database(settings, made)
        record(settings)
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
    running = recorded(settings)
    if running == settings.address:
        return ()
    return (f"You asked for {settings.address}: `seatrial down` first, then `up` moves it there.",)


def _ill(settings: Settings) -> tuple[str, ...]:
    found = status(settings)
    return () if found.healthy else (f"But it is not well: {found.fault}. `seatrial status` says more.",)


def _warnings(settings: Settings) -> tuple[str, ...]:
    found = []
    if told := bare.notice(settings):
        found.append(told)
    if keeping.engine_of(settings) is not None and not keeping.in_containers(settings):
        found.append(
            f"Workspaces run in a sandbox. `{keeping.MEND}`, `seatrial down`, `up`, and they run in containers."
        )
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
        circling = next((process for process in found if circles(process)), None)
        if circling:
            raise PortalError(_with_log(settings, circling.name, f"{circling.name} ends again and again"))
        if time.monotonic() > deadline:
            slow = waiting[0] if waiting else "portal"
            raise PortalError(_with_log(settings, slow, f"{slow} does not answer after {UP_WITHIN:.0f} s"))
        watch.step("up", f"waiting for {', '.join(waiting) or 'the first answer'}", 1 - len(waiting) / len(PROGRAMS))
        time.sleep(LOOK_EVERY)


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
    known.remove(settings)
    for place in places.every(settings.workspaces):
        homes.unmount(place)  # those of containers are mounted on the machine
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
