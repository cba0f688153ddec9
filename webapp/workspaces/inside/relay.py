"""The first process of a sandbox: it starts the notebook server, and joins the sandbox's loopback to Unix sockets.

Runs by itself, with the standard library alone, as the student: `relay.py LISTENING PORT [COMMAND…]`. LISTENING is the
number of a descriptor, or the path of a socket at which one is asked for; COMMAND is started in place of the notebook
server. Nothing that it does here is trusted by the platform.

  127.0.0.1:PORT of the notebook server  <-  the listening socket that the platform handed in
  127.0.0.1:8081                         ->  /run/seatrial/sockets/hub.sock
  127.0.0.1:N                            ->  /run/seatrial/sockets/N.sock, each as soon as it is there

Where the machine makes no sandbox it runs without one, and SEATRIAL_SHARED names the folder that the platform hands in.
Then the Hub is where it is, and this is not the first process of all: what would end with that is ended here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

HUB_PORT = 8081
SHARED = Path(os.environ.get("SEATRIAL_SHARED", "/run/seatrial"))
SANDBOX = "SEATRIAL_SHARED" not in os.environ
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LONGEST_FILTER = 32 * 1024
# How often we look what the platform has put into its folder, in seconds.
LOOK_EVERY = 0.25
# How long the Hub may take to be there before the server starts, and the server to answer, and to end.
HUB_WITHIN, SERVER_WITHIN, END_WITHIN = 10.0, 60.0, 8.0

Connect = Callable[[Callable[[], "Pipe"]], Awaitable[object]]


class Pipe(asyncio.Protocol):
    """One half of a joint between two connections: what it receives, the other half sends.

    Where one side has said its last, both end: nothing that passes here speaks on a connection that is half closed, and
    one that is forgotten half closed would be held for ever.
    """

    def __init__(self, other: Pipe | None = None, closed: Callable[[], None] | None = None) -> None:
        """`closed` is called once this half's connection has ended."""
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._closed = closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's always is
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """The other side reads slowly: so do we."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, fault: Exception | None) -> None:
        """End the other half with this one, once it has sent what it has."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        if self._closed is not None:
            self._closed()


class Joint(Pipe):
    """An accepted connection: it reads nothing until the other side is reached, and ends where that cannot be."""

    def __init__(self, connect: Connect, closed: Callable[[], None] | None = None) -> None:
        """`connect` reaches the other side."""
        super().__init__(closed=closed)
        self._connect = connect
        self._joining: asyncio.Task[None] | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Reach the other side."""
        super().connection_made(transport)
        assert self.transport is not None  # noqa: S101 - set the line before
        self.transport.pause_reading()
        self._joining = asyncio.get_running_loop().create_task(self._join())

    def data_received(self, data: bytes) -> None:
        """Keep what comes too early: Python before 3.11.4 begins to read in spite of the pause."""
        if self.other is None:
            self._early += data
            if self.transport is not None:
                self.transport.pause_reading()
        else:
            super().data_received(data)

    def connection_lost(self, fault: Exception | None) -> None:
        """It may end before the other side is reached."""
        if self._joining is not None:
            self._joining.cancel()
        super().connection_lost(fault)

    async def _join(self) -> None:
        half = Pipe(self)
        assert self.transport is not None  # noqa: S101 - a connection that was made has one
        try:
            await self._connect(lambda: half)
        except OSError:
            self.transport.abort()
            return
        self.other = half
        if self.transport.is_closing():
            if half.transport is not None:
                half.transport.abort()
            return
        if self._early:
            super().data_received(self._early)
            self._early = b""
        self.transport.resume_reading()


async def to_unix(path: str, factory: Callable[[], Pipe]) -> object:
    """Connect to a Unix socket."""
    return await asyncio.get_running_loop().create_unix_connection(factory, path)


async def to_port(port: int, within: float, factory: Callable[[], Pipe]) -> object:
    """Connect to a port of the loopback interface, which may not be open for some seconds yet."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        try:
            return await loop.create_connection(factory, "127.0.0.1", port)
        except ConnectionRefusedError:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.05)


async def listen(doors: dict[str, asyncio.Server], sockets: Path) -> None:
    """Open a port for each socket that is there, and close those of which the socket is gone."""
    try:
        there = {path.name for path in sockets.iterdir() if path.name.endswith(".sock")}
    except OSError:
        return
    loop = asyncio.get_running_loop()
    if not SANDBOX:
        there.discard("hub.sock")
    for name in there - doors.keys():
        port = HUB_PORT if name == "hub.sock" else int(name[:-5]) if name[:-5].isdigit() else 0
        connect = functools.partial(to_unix, str(sockets / name))
        # A port that something of the student's own has taken: once it is free, this opens.
        with contextlib.suppress(OSError, OverflowError):
            doors[name] = await loop.create_server(functools.partial(Joint, connect), "127.0.0.1", port)
    for name in doors.keys() - there:
        doors.pop(name).close()


def lay_out(home: Path, labs: Path) -> None:
    """Give each delivered lab a folder in the home, with a kubeconfig that the student may change."""
    with contextlib.suppress(OSError):
        for delivered in sorted(labs.iterdir()):
            with contextlib.suppress(OSError):
                _lay_out(home / "labs" / delivered.name, delivered)


def _lay_out(folder: Path, delivered: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Given once, whole: what the student then removes stays away.
    given, notebook = folder / ".steps.given", folder / "steps.ipynb"
    if not os.path.lexists(given):
        if not os.path.lexists(notebook):
            part = folder / ".steps.part"
            shutil.copyfile(delivered / "steps.ipynb", part)
            part.replace(notebook)
        given.touch()
    if not os.path.lexists(folder / "README.md"):
        (folder / "README.md").symlink_to(delivered / "README.md")
    # The copy of what was delivered last tells a new cluster from a change of the student's.
    fresh, last, own = (delivered / "kubeconfig").read_bytes(), folder / ".kubeconfig.delivered", folder / "kubeconfig"
    if not own.exists() or not last.exists() or last.read_bytes() != fresh:
        for path in (own, last):
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(fresh)


async def watch(home: Path) -> None:
    """Follow the platform's folder for as long as the sandbox stands."""
    doors: dict[str, asyncio.Server] = {}
    while True:
        await listen(doors, SHARED / "sockets")
        lay_out(home, SHARED / "labs")
        await asyncio.sleep(LOOK_EVERY)


def say_into(home: Path) -> None:
    """From here on, what is said goes into the home, where it counts as the student's own."""
    path = home / ".cache" / "seatrial" / "server.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    except OSError:
        log = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)


def settle(home: Path) -> None:
    """Without a sandbox: take what the server leaves as ours, and give notebooks the settings that /etc has inside."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    name = "ipython_kernel_config.py"
    profile = home / ".ipython" / "profile_default"
    with contextlib.suppress(OSError):
        profile.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(profile / name):
            shutil.copyfile(Path(__file__).parent / "ipython" / name, profile / name)


def end_the_rest() -> None:
    """End what the server has left, and what that leaves in turn: it falls to us."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while left := children.read_text().split() if children.exists() else []:
        for pid in map(int, left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


class Server:
    """The notebook server: its end is the sandbox's."""

    def __init__(self, command: list[str]) -> None:
        """Start it."""
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def collect(self) -> None:
        """Collect whatever has ended: as the first process, all the sandbox's orphans are ours."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._process.pid and not self.ended.done():
                    self.ended.set_result(os.waitstatus_to_exitcode(status))

    def end(self) -> None:
        """Ask it to end, and do not wait for ever."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        asyncio.get_running_loop().call_later(END_WITHIN, os._exit, 1)


async def main(listening: int, port: int, command: list[str]) -> int:
    """Run until the notebook server ends; its exit code."""
    home, loop = Path.home(), asyncio.get_running_loop()
    os.chdir(home)
    say_into(home)
    if not SANDBOX:
        settle(home)
    watching = loop.create_task(watch(home))
    door = socket.socket(fileno=listening)
    door.setblocking(False)
    connect = functools.partial(to_port, port, SERVER_WITHIN)
    await loop.create_unix_server(functools.partial(Joint, connect), sock=door)
    if SANDBOX:
        await hub_is_there(HUB_WITHIN)
    server = Server(command)
    loop.add_signal_handler(signal.SIGCHLD, server.collect)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    server.collect()
    code = await server.ended
    watching.cancel()
    if not SANDBOX:
        loop.remove_signal_handler(signal.SIGCHLD)
        end_the_rest()
    return code


def handed(path: str) -> int:
    """Ask the platform for the socket at which the notebook server is reached, its descriptor, and for the filter of
    system calls, under which all is from here on."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        program, descriptors, _, _ = socket.recv_fds(asking, LONGEST_FILTER, 1)
    steps = ctypes.create_string_buffer(program, len(program))
    told = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, told):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")
    return descriptors[0]


async def hub_is_there(within: float) -> None:
    """Wait for the Hub's socket, without which the notebook server begins with a fault."""
    for _ in range(int(within / LOOK_EVERY)):
        if (SHARED / "sockets" / "hub.sock").exists():
            break
        await asyncio.sleep(LOOK_EVERY)


if __name__ == "__main__":
    # -P: what lies beside it is no module for anybody.
    notebooks = [sys.executable, "-P", str(Path(__file__).resolve().parent / "server.py")]
    listening = int(sys.argv[1]) if sys.argv[1].isdigit() else handed(sys.argv[1])
    sys.exit(asyncio.run(main(listening, int(sys.argv[2]), sys.argv[3:] or notebooks)))
