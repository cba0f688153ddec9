"""What each process does before it becomes itself: `python -m webapp.platform.launch NAME`.

It gets its secrets from their files, so that none is on a command line or in supervisord's configuration, and asks the
kernel to be ended when supervisord is: nobody would start it again, and its output would go nowhere.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import time
from pathlib import Path

from clusters.errors import ClusterError
from webapp.errors import PortalError
from webapp.platform.parent import end_with_parent
from webapp.platform.programs import PROGRAMS, Program
from webapp.settings import Settings, from_environment

# Seconds to wait for what should be there first, and how often to look.
FIRST_WITHIN, LOOK_EVERY = 30.0, 0.1


def port_fault(settings: Settings) -> str | None:
    """Why the public port cannot be listened at, in a sentence, or None."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((settings.host.strip("[]"), settings.port))
    except PermissionError:
        return f"port {settings.port} is for root alone; set SEATRIAL_PORT to one from 1024 on"
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            return (
                f"port {settings.port} of {settings.host} is in use by another program; end that, or choose another "
                f"port, as in SEATRIAL_PORT={settings.port + 1 if settings.port < 65535 else 8000} make up"
            )
        return f"SEATRIAL_HOST is {settings.host!r}, which is no address of this machine ({fault.strerror or fault})"
    return None


def await_socket(path: Path) -> None:
    """Wait until somebody listens at a Unix socket, but not for ever."""
    deadline = time.monotonic() + FIRST_WITHIN
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as trial:
            try:
                trial.connect(str(path))
            except OSError:
                time.sleep(LOOK_EVERY)
            else:
                return


def become(program: Program, settings: Settings) -> None:
    """Replace this process by the program. Returns only by raising: ClusterError, PortalError, OSError."""
    os.umask(0o077)
    if program.name == "proxy" and (fault := port_fault(settings)):
        raise PortalError(fault)  # the proxy itself would stay, and listen nowhere
    for name in program.sockets:
        (settings.run / name).unlink(missing_ok=True)
    if program.after:
        await_socket(settings.run / program.after)
    environment = {**os.environ, **{variable: settings.key(key) for variable, key in program.secrets}}
    command = program.command(settings)
    os.execve(command[0], command, environment)  # noqa: S606 - a list of our own words, and no shell


def main() -> int:
    """Become the program that the command line names; 1 and a sentence where that cannot be."""
    end_with_parent(signal.SIGTERM)
    if os.getppid() == 1:  # it ended before we had asked
        return 1
    try:
        become(PROGRAMS[sys.argv[1]], from_environment())
    except (ClusterError, PortalError, OSError) as fault:
        print(f"{sys.argv[1]} cannot start: {fault}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
