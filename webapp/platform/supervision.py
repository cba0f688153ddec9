"""supervisord: its configuration, starting it, and asking it over its Unix socket."""

from __future__ import annotations

import http.client
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webapp.errors import PortalError
from webapp.platform.programs import PROGRAMS
from webapp.settings import Settings
from webapp.workspaces import keeping
from webapp.workspaces.places import write
from webapp.workspaces.processes import MARK

# What the processes are given of our environment: no more, so that they are the same whoever starts them.
HANDED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|XDG_\w+|SEATRIAL_\w+|DOCKER_\w+|SSL_CERT_\w+|\w+_(proxy|PROXY)"
)
LOG_SIZE, LOGS_KEPT = "10MB", 3
OPEN_FILES = 8192
# What a Unix socket's path may have, in bytes, and what the longest one adds to the data folder's.
SOCKET_PATH, LONGEST_SOCKET = 107, len("/workspaces/100000/shared/sockets/32767.sock")
SOCKET = "super.sock"
# Seconds for supervisord to go into the background, to answer, and for a process to end before it is killed.
START_TIMEOUT, ANSWER_TIMEOUT, STOP_WITHIN = 60.0, 10.0, 10
# How much of a log's end is looked at, in bytes.
LOG_LOOK = 256 * 1024
ENDED = re.compile(r"(\S+ \S+),\d+ (?:WARN|INFO) exited: (\S+) \(.*not expected\)")
BEGUN = "supervisord started with pid"
# After how many seconds supervisord takes a process for started. One that ends sooner is started again more slowly.
STARTED_AFTER = 2


@dataclass(frozen=True, slots=True)
class Process:
    """What supervisord says of a process. `state` is its word: RUNNING, STARTING, BACKOFF, STOPPED, FATAL, …"""

    name: str
    state: str
    pid: int | None
    seconds: int  # since it was started
    restarts: int  # in the last five minutes


class Supervisor:
    """The supervisord of one data folder; it need not run."""

    def __init__(self, settings: Settings) -> None:
        """Know where it would answer."""
        self._settings = settings
        self._socket = settings.run / SOCKET

    def pid(self) -> int | None:
        """Its process id, or None where none answers."""
        try:
            return int(self._call("supervisor.getPID"))
        except OSError:
            return None

    def processes(self) -> list[Process]:
        """Every process in the order of PROGRAMS. Raises OSError where supervisord does not answer."""
        rows = {row["name"]: row for row in self._call("supervisor.getAllProcessInfo")}
        ended = restarts(self._settings.logs / "supervisord.log", 300)
        return [
            Process(
                name,
                str(rows[name]["statename"]),
                int(rows[name]["pid"]) or None,
                max(0, int(rows[name]["now"]) - int(rows[name]["start"])) if rows[name]["pid"] else 0,
                ended.get(name, 0),
            )
            for name in PROGRAMS
            if name in rows
        ]

    def shut_down(self) -> None:
        """Ask it to end its processes and itself. Raises OSError where it does not answer."""
        self._call("supervisor.shutdown")

    def start(self) -> None:
        """Write its configuration and start it; returns when it runs in the background. Raises PortalError."""
        settings = self._settings
        for folder in (settings.data, settings.run, settings.logs, settings.secrets, settings.data / "hub"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        file = settings.run / "supervisord.conf"
        write(file, configuration(settings))
        argv = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(file)]
        try:
            said = subprocess.run(
                argv,
                cwd=settings.data,
                env=handed_on(settings, os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=START_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise PortalError(f"supervisord cannot be started: {fault}") from fault
        if said.returncode:
            last = (said.stderr or said.stdout).strip().splitlines()[-1:] or ["it printed nothing"]
            raise PortalError(f"supervisord cannot be started: {last[0]}")

    def _call(self, method: str) -> Any:
        transport = _UnixTransport(self._socket)
        try:
            answer: Any = xmlrpc.client.ServerProxy("http://supervisor", transport=transport).__getattr__(method)()
        except (http.client.HTTPException, xmlrpc.client.Error) as fault:
            raise OSError(f"supervisord answers {fault}") from fault
        finally:
            transport.close()
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=ANSWER_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        made = _UnixConnection(self._path)
        self._connection: Any = (host, made)  # which `close` closes
        return made


def configuration(settings: Settings) -> str:
    """The text of supervisord's configuration file. It holds no secret."""
    log = f"stdout_logfile_maxbytes = {LOG_SIZE}\nstdout_logfile_backups = {LOGS_KEPT}"
    files = min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    sections = [
        f"""[unix_http_server]
file = {settings.run / SOCKET}
chmod = 0600

[supervisord]
identifier = seatrial
directory = {settings.data}
logfile = {settings.logs / "supervisord.log"}
logfile_maxbytes = {LOG_SIZE}
logfile_backups = {LOGS_KEPT}
pidfile = {settings.run / "supervisord.pid"}
childlogdir = {settings.logs}
umask = 077
strip_ansi = true
minfds = {files}
{"user = root" if os.geteuid() == 0 else ""}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    ]
    for priority, (name, program) in enumerate(PROGRAMS.items()):
        command = shlex.join([sys.executable, "-P", "-m", "webapp.platform.launch", name])
        # It is started again for as long as the portal is up, after pauses that grow by a second each time.
        sections.append(f"""[program:{name}]
command = {command}
priority = {priority}
autorestart = true
startsecs = {STARTED_AFTER}
startretries = 1000000
stopsignal = {program.stop}
stopwaitsecs = {STOP_WITHIN}
redirect_stderr = true
stdout_logfile = {settings.logs / f"{name}.log"}
{log}
""")
    return "\n".join(sections)


def handed_on(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process, made from ours."""
    kept = {key: value for key, value in environment.items() if HANDED_ON.fullmatch(key)}
    local = "127.0.0.1,localhost"
    beside = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": f"{beside}:{kept.get('PATH', '/usr/bin:/bin')}",
        "SEATRIAL_DATA": str(settings.data),
        "SEATRIAL_HOST": settings.host,
        # What they were when the portal came up, for all processes and however often they are started.
        "SEATRIAL_PROVIDER": settings.provider,
        "SEATRIAL_CLUSTERS": str(settings.clusters),
        keeping.SETTLED: keeping.spawner(settings),
        "SEATRIAL_PORT": str(settings.port),
        MARK: str(settings.data),
        # What goes to this machine goes past a company's proxy.
        "NO_PROXY": ",".join(filter(None, (kept.get("NO_PROXY"), local))),
        "no_proxy": ",".join(filter(None, (kept.get("no_proxy"), local))),
        "PYTHONUNBUFFERED": "1",
        # Many threads that are mostly idle: a heap each would cost more than it saves.
        "MALLOC_ARENA_MAX": "2",
        # What a password's check has taken, 64 MB, goes back to the machine: without a word glibc keeps a third of it.
        "MALLOC_TRIM_THRESHOLD_": "65536",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "FORCE_COLOR": "0",
    }


def refuse_folder(data: Path) -> None:
    """Raises PortalError for a data folder that supervisord or a Unix socket could not name."""
    if re.search(r"[%;#'\"\\\x00-\x1f\x7f]|\s", str(data)):
        raise PortalError(
            f"SEATRIAL_DATA is {str(data)!r}; it must be a path without blanks, quotes and any of % ; # \\"
        )
    room = SOCKET_PATH - LONGEST_SOCKET
    if len(os.fsencode(data)) > room:
        raise PortalError(
            f"the path of the data folder, {data}, is too long for the sockets in it: set SEATRIAL_DATA to one of at "
            f"most {room} bytes"
        )


def restarts(log: Path, seconds: float) -> dict[str, int]:
    """How often each process has ended without being asked to in the last `seconds`, by supervisord's log."""
    counts: dict[str, int] = {}
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_LOOK))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        if BEGUN in line:  # what ended under the one before it was another start's
            counts.clear()
        found = ENDED.match(line)
        if found and time.time() - _moment(found[1]) <= seconds:
            counts[found[2]] = counts.get(found[2], 0) + 1
    return counts


def last_lines(log: Path, count: int = 8) -> list[str]:
    """The end of a process's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_LOOK))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def _moment(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
