"""Starting a sandbox, finding one that nobody remembers, and waiting for one to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from webapp.errors import PortalError
from webapp.settings import Settings
from webapp.workspaces import bare, homes, places, processes, programs, sandbox, seccomp
from webapp.workspaces.containers import known
from webapp.workspaces.limits import Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process

LAUNCH = Path(__file__).resolve().parent / "launch.py"
# How long a process may take to be gone after SIGKILL, in seconds.
GONE_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Started:
    """A sandbox: its first process, by which it is known, and bubblewrap's outer one, which we are to collect."""

    process: Process
    outer: subprocess.Popen[bytes]


def start(
    settings: Settings, place: Place, limits: Limits, environment: Mapping[str, str], command: Sequence[str] = ()
) -> Started:
    """Start a sandbox in which the notebook server, or `command`, serves at the sandbox's port, with these variables
    and no others.

    Where no sandbox can be made, and the portal is for this machine alone, it is started without one. Returns once the
    first process stands; whether that goes on to serve is seen at `place.socket`. What a killed Hub may have left of an
    earlier one is ended before. Raises PortalError with what bubblewrap said.
    """
    place.make()
    end_leftover(place)
    known.remove(settings, place)
    without = bare.needed(settings)
    own_uid = os.geteuid() == 0 and not without
    uid = sandbox.FIRST_UID + place.user_id if own_uid else os.geteuid()
    image = homes.prepare(place, uid, limits.disk, plain=without)
    with listening(place.socket) as made_socket, place.log.open("wb") as log:
        launch = _Launch(place, image, uid, made_socket.fileno(), log)
        if without:
            process, outer = _without(launch, settings, limits, environment, command)
        else:
            sandbox.write_etc(place, uid)
            made = sandbox.Sandbox(place, limits, uid, image, programs.found(), programs.hidden(settings), own_uid)
            process, outer = _within(launch, made, environment, command)
    if process is None:
        outer.wait(GONE_WITHIN)
        raise fault(place)
    places.write(place.state, json.dumps({**process.document(), "limits": asdict(limits)}))
    return Started(process, outer)


@dataclass(frozen=True, slots=True)
class _Launch:
    """What there is before a first process; `listening` is the descriptor at which it is to serve."""

    place: Place
    image: Path | None
    uid: int
    listening: int
    log: IO[bytes]

    def become(
        self, command: Sequence[str], environment: Mapping[str, str], resources: Mapping[int, int], *passed: int
    ) -> subprocess.Popen[bytes]:
        """The process that becomes `command`; it is handed the descriptors `passed` besides."""
        image = str(self.image) if self.image else None
        spec = {"home": str(self.place.home), "image": image, "uid": self.uid}
        written = self.place.run / "launch.json"
        places.write(written, json.dumps({**spec, "resources": resources, "command": command}))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCH), str(written)],
            env=dict(environment), cwd="/", stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, pass_fds=(self.listening, *passed),
        )  # fmt: skip


def _within(
    launch: _Launch, made: sandbox.Sandbox, environment: Mapping[str, str], command: Sequence[str]
) -> tuple[Process | None, subprocess.Popen[bytes]]:
    """By bubblewrap, which tells the pid of its first process."""
    with _seccomp() as filtering:
        info, told = os.pipe()
        inner = sandbox.first_process(launch.listening, command)
        arguments = [programs.bubblewrap(), *made.arguments(info=told, seccomp=filtering, command=inner)]
        outer = launch.become(arguments, environment, made.limits.resources(), told, filtering)
        os.close(told)
        with os.fdopen(info) as said:
            return _named(said.read()), outer


def _without(
    launch: _Launch, settings: Settings, limits: Limits, environment: Mapping[str, str], command: Sequence[str]
) -> tuple[Process | None, subprocess.Popen[bytes]]:
    """By itself. Its user's processes are not counted: they are everybody's here."""
    bare.prepare(launch.place)
    port = bare.free_port()
    variables = bare.environment(settings, launch.place, environment, port)
    resources = {number: most for number, most in limits.resources().items() if number != resource.RLIMIT_NPROC}
    outer = launch.become(bare.first_process(launch.listening, port, command), variables, resources)
    return processes.named(outer.pid), outer


def fault(place: Place) -> PortalError:
    """Why a sandbox did not come to be, as far as was said."""
    try:
        said = place.log.read_text(errors="replace").strip().splitlines()[-3:]
    except FileNotFoundError:
        said = []
    found = PortalError(f"the workspace does not start: {' / '.join(said) or 'its server ended at once'}")
    found.jupyterhub_message = str(found)  # type: ignore[attr-defined] # what the Hub tells whoever asked
    return found


def end_leftover(place: Place) -> None:
    """End a sandbox that a Hub started which was killed before it could write that down."""
    left = processes.recorded(places.read_json(place.state))
    if left is not None:
        end(left)


def end(process: Process) -> None:
    """End a sandbox of which we need not be the parent, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if processes.end(process):
                select.select([descriptor], [], [], GONE_WITHIN)
        finally:
            os.close(descriptor)


async def ended(process: Process) -> None:
    """Wait for a process of which we need not be the parent."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    try:
        if process.alive():
            loop.add_reader(descriptor, over.set)
            await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _named(said: str) -> Process | None:
    """The process whose pid bubblewrap told, None where it told none or it has ended."""
    try:
        return processes.named(json.loads(said)["child-pid"])
    except (ValueError, KeyError):
        return None


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A Unix socket at which only the platform's own user can ask; its listening end goes into the sandbox."""
    if len(os.fsencode(path)) > places.LONGEST:
        raise PortalError(f"{path} is too long for a socket; set SEATRIAL_DATA to a folder with a shorter path")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        path.chmod(0o600)
        made.listen(128)
        yield made


@contextlib.contextmanager
def _seccomp() -> Iterator[int]:
    descriptor = os.memfd_create("seccomp")
    try:
        os.write(descriptor, seccomp.program())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
