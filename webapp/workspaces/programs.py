"""The programs of the machine and of the platform that a workspace shows, and what it must not show."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from clusters import exec as processes
from clusters import tools
from clusters.errors import ClusterError
from grader.labfile.catalog import roots
from webapp.errors import PortalError
from webapp.settings import Settings

# Upstream programs that a student uses, as `seatrial tools install` installs them.
PROGRAMS = ("kubectl", "helm")


def found() -> dict[str, Path]:
    """The programs that are installed."""
    there: dict[str, Path] = {}
    for name in PROGRAMS:
        if name not in tools.VERSIONS:
            continue
        try:
            there[name] = tools.program(name)
        except ClusterError:
            continue  # the doctor tells of it; a shell without it is better than none
    return there


def hidden(settings: Settings) -> tuple[Path, ...]:
    """What no student may read, wherever it lies: labs with solutions and hidden checks, and the platform's data."""
    installed = importlib.util.find_spec("seatrial_data")
    data = [Path(path) for path in (installed.submodule_search_locations or [])] if installed else []
    beside = Path(tools.__file__).resolve().parents[2] / "seatrial_data"
    return tuple(path.resolve() for path in (*roots(), *data, beside, settings.data, settings.workspaces))


# How long a sandbox for trial may take, in seconds.
TRIAL_TIMEOUT = 20.0
_works = False


def sandbox_fault() -> str | None:
    """Why no sandbox can be made here, in a few words, or None. One that could be made is not tried again."""
    global _works  # noqa: PLW0603 - a fault may be mended while we run
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not on PATH"
    if _works:
        return None
    argv = [program, "--unshare-all", *([] if os.geteuid() == 0 else ["--unshare-user"]), "--ro-bind", "/", "/"]
    argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "true"]  # noqa: S108 - the sandbox's own
    try:
        processes.run(argv, timeout=TRIAL_TIMEOUT)
    except ClusterError as fault:
        said = str(fault).rpartition(": ")[2]
        return f"bubblewrap may not make namespaces here ({said})"
    _works = True
    return None


def bubblewrap() -> str:
    """Where bubblewrap is. Raises PortalError."""
    program = shutil.which("bwrap")
    if program is None:
        raise PortalError("bubblewrap is not installed; install it (Debian: apt-get install bubblewrap)")
    return program
