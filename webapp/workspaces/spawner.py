"""The Hub's way to start a workspace: JupyterLab in a sandbox that outlives the Hub.

The sandbox does not end with the Hub, and is known by its first process' pid, start time and boot. The notebook server
listens at a Unix socket of the platform's, so that no port of the machine leads into a workspace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyterhub.objects import Server
from jupyterhub.spawner import LocalProcessSpawner, Spawner
from sqlalchemy import select
from traitlets import Any as AnyTrait
from traitlets import Instance, default

from webapp.accounts.models import User
from webapp.database.engine import Database
from webapp.errors import PortalError
from webapp.settings import Settings, from_environment
from webapp.workspaces import homes, places, processes, programs, sandbox, seccomp
from webapp.workspaces.control import poke
from webapp.workspaces.limits import LIMITS, Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process

LAUNCH = Path(__file__).resolve().parent / "launch.py"


class WorkspaceSpawner(LocalProcessSpawner):  # type: ignore[misc]
    """Starts, finds again and ends one student's sandbox."""

    settings = Instance(Settings, help="The portal's.").tag(config=True)
    limits = Instance(Limits, help="What a workspace may use.").tag(config=True)
    # The user's id of a name, for a Hub without the portal's database.
    numbers = AnyTrait(allow_none=True).tag(config=True)

    process = Instance(Process, allow_none=True)

    @default("settings")
    def _settings(self) -> Settings:
        return from_environment()

    @default("limits")
    def _limits(self) -> Limits:
        return LIMITS

    @default("env_keep")
    def _env_keep_default(self) -> list[str]:
        return []

    @default("interrupt_timeout")
    def _interrupt_timeout(self) -> int:
        return 12  # the sandbox gives its server eight

    @property
    def place(self) -> Place:
        """Where the workspace lies. Raises PortalError for a name that the portal does not know."""
        if self._place is None:
            number = self.numbers(self.user.name) if self.numbers else _number(self.settings, self.user.name)
            self._place = places.of(self.settings.workspaces, number)
        return self._place

    _place: Place | None = None
    # Bubblewrap's outer process, where this Hub started it: it is to be collected.
    _outer: subprocess.Popen[bytes] | None = None

    # The server's address, which the Hub's database has no room for: a Unix socket in place of host and port.

    def _get_server(self) -> Server | None:
        server = Spawner.server.fget(self)
        if server is not None and self.process is not None and server.connect_url != (url := self._url(server)):
            server.connect_url = url
        return server

    def _set_server(self, server: Server | None) -> None:
        Spawner.server.fset(self, server)

    server = property(_get_server, _set_server)

    def _url(self, server: Server) -> str:
        return address(self.place.socket) + str(server.base_url)

    async def get_url(self) -> str:
        """Where the server is, also after the Hub was started anew."""
        return str(self.server.url)

    # What the Hub remembers of a sandbox.

    def get_state(self) -> dict[str, Any]:
        """What tells the sandbox's first process from every other."""
        return {**super().get_state(), "process": self.process.document() if self.process else None}

    def load_state(self, state: dict[str, Any]) -> None:
        """Find it again after the Hub was started anew."""
        super().load_state(state)
        self.process = processes.recorded(state.get("process") or {})
        self.pid = self.process.pid if self.process else 0

    def clear_state(self) -> None:
        """Nothing runs any more."""
        super().clear_state()
        self.process = None

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Nothing of the machine's own users."""
        return env

    def get_env(self) -> dict[str, str]:
        """Every variable inside: the Hub's word to the student's own server, and nothing of this process'."""
        hub = {name: str(value) for name, value in super().get_env().items() if name.startswith("JUPYTERHUB_")}
        # As seen from inside, where the relay stands in for the Hub.
        own = str(hub["JUPYTERHUB_ACTIVITY_URL"]).partition("/hub/api/")[2]
        hub |= {
            "JUPYTERHUB_API_URL": sandbox.HUB_API,
            "JUPYTERHUB_ACTIVITY_URL": f"{sandbox.HUB_API}/{own}",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{sandbox.PORT}{hub.get('JUPYTERHUB_SERVICE_PREFIX', '/')}",
            "JUPYTERHUB_ROOT_DIR": sandbox.HOME,
            "JUPYTERHUB_DEFAULT_URL": "/lab",
        }
        return self._sandbox(None).environment(hub)

    def _sandbox(self, image: Path | None) -> sandbox.Sandbox:
        own_uid = os.geteuid() == 0
        uid = sandbox.FIRST_UID + self.place.user_id if own_uid else os.geteuid()
        return sandbox.Sandbox(
            self.place, self.limits, uid, image, programs.found(), programs.hidden(self.settings), own_uid
        )

    async def start(self) -> str:
        """Start the sandbox and wait until its server answers. Raises PortalError with what was said before."""
        await self._end_leftover()
        await asyncio.to_thread(self._launch)
        await asyncio.to_thread(poke, self.settings.workspaces, self.place.user_id)
        await self._answers()
        return str(address(self.place.socket))

    def _launch(self) -> None:
        place = self.place
        place.make()
        place.fault.unlink(missing_ok=True)
        base = self._sandbox(None)
        image = homes.prepare(place, base.uid, self.limits.disk)
        made = self._sandbox(image)
        sandbox.write_etc(place, made.uid)
        environment = self.get_env()
        with _listening(place.socket) as listening, _seccomp() as filtering, place.log.open("wb") as log:
            info, told = os.pipe()
            inner = sandbox.first_process(listening.fileno())
            arguments = made.arguments(info=told, seccomp=filtering, command=inner)
            spec = {
                "home": str(place.home), "image": str(image) if image else None, "uid": made.uid,
                "resources": self.limits.resources(), "command": [programs.bubblewrap(), *arguments],
            }  # fmt: skip
            places.write(place.run / "launch.json", json.dumps(spec))
            self._outer = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCH), str(place.run / "launch.json")],
                env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(told, filtering, listening.fileno()),
            )  # fmt: skip
            os.close(told)
            with os.fdopen(info) as said:
                self._record(said.read())

    def _record(self, said: str) -> None:
        """Keep the pid that bubblewrap told."""
        try:
            process = processes.named(json.loads(said)["child-pid"])
        except (ValueError, KeyError):
            process = None
        if process is None:
            raise self._no_start()
        self.process, self.pid = process, process.pid
        places.write(self.place.state, json.dumps(process.document() | {"disk": self.limits.disk}))

    def _no_start(self) -> PortalError:
        said = self.place.log.read_text(errors="replace").strip().splitlines()[-3:]
        fault = PortalError(f"the workspace of {self.user.name} does not start: {' / '.join(said) or 'no reason told'}")
        fault.jupyterhub_message = str(fault)  # type: ignore[attr-defined] # what the Hub tells whoever asked
        return fault

    async def _answers(self) -> None:
        """Ask the server once: the relay within holds the question until it can answer. A sandbox may end before."""
        process = self.process
        if process is None:
            raise self._no_start()
        asking = asyncio.ensure_future(self._ask())
        ending = asyncio.ensure_future(_ended(process))
        try:
            await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() or asking.exception() is not None:
                raise self._no_start()
        finally:
            asking.cancel()
            ending.cancel()

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self.place.socket))
        path = f"{self.server.base_url}api"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        try:
            if not (await reader.readline()).startswith(b"HTTP/1."):
                raise ConnectionResetError
        finally:
            writer.close()

    async def poll(self) -> int | None:
        """None while the sandbox runs; its exit code, or 0 where that is not known, once it does not."""
        if self.process is not None and self.process.alive():
            return None
        code = 0
        if self._outer is not None:
            # Bubblewrap's outer process ends with the inner one, a moment later.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = await asyncio.to_thread(self._outer.wait, 2)
            self._outer = None
        self.clear_state()
        return code

    async def _signal(self, sig: int) -> bool:
        """Signal the sandbox's first process, and never another one that got its pid."""
        return self.process is not None and (self.process.signal(sig) if sig else self.process.alive())

    async def stop(self, now: bool = False) -> None:
        """End the sandbox with all that is in it. Returns once it is gone."""
        await super().stop(now)
        self.place.socket.unlink(missing_ok=True)
        self.place.state.unlink(missing_ok=True)

    async def _end_leftover(self) -> None:
        """End a sandbox that a Hub started which was killed before it could write that down."""
        left = processes.recorded(places.read_json(self.place.state))
        if left is not None and left.signal(signal.SIGKILL):
            await asyncio.wait_for(_ended(left), self.kill_timeout)


def address(path: Path) -> str:
    """The URL of a Unix socket as the Hub and the proxy write it. They fold case: what has any is written as %XX."""
    plain = "abcdefghijklmnopqrstuvwxyz0123456789-_."
    return "http+unix://" + "".join(chr(b) if chr(b) in plain else f"%{b:02x}" for b in os.fsencode(path))


def _number(settings: Settings, name: str) -> int:
    database = Database(settings.database_url)
    try:
        with database.reading() as db:
            number = db.scalar(select(User.id).where(User.name == name))
    finally:
        database.close()
    if number is None:
        raise PortalError(f"the portal knows no user {name}; `seatrial user add` makes one")
    return number


async def _ended(process: Process) -> None:
    """Wait for a process of which we need not be the parent."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    try:
        if process.alive():
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
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
