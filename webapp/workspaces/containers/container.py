"""What a student's container is made of.

Its network namespace has a loopback interface and nothing else: there is no route to anywhere, and so no rule is needed
that would forbid one. The student's API servers and the Hub are reached as from a sandbox, by the sockets in the folder
that the platform hands in, and the notebook server listens at a socket that the platform has made and hands in as well.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webapp.errors import PortalError
from webapp.settings import Settings
from webapp.workspaces import homes, programs, sandbox, seccomp, starting
from webapp.workspaces.containers import known
from webapp.workspaces.limits import MIB, Limits
from webapp.workspaces.places import Place

# Where the image has its Python, with JupyterLab in it.
PYTHON = "/opt/jupyter"
# Where the first process asks for the socket at which the notebook server is to listen.
HANDED_AT = "/run/seatrial/listen.sock"
# A container may take this long until it asks, in seconds.
ASKS_WITHIN = 60.0
# The watchdog ends a workspace with a sentence; the kernel, which has none, only what is faster than that.
SPARE = 128 * MIB
# Workspaces are the first to go where the machine has no memory left.
EXPENDABLE = 800
# What is covered in a container: what the engine covers by itself, and all that the machine tells of its devices.
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys",
)  # fmt: skip


def user_id(place: Place) -> int:
    """As in a sandbox: each student's own where the platform may give it, else the platform's."""
    return sandbox.FIRST_UID + place.user_id if os.geteuid() == 0 else os.geteuid()


def first_process() -> list[str]:
    """The relay within, which starts the notebook server."""
    return [f"{PYTHON}/bin/python", "-I", "-S", "/etc/seatrial/relay.py", HANDED_AT, str(sandbox.PORT)]


def environment(hub: dict[str, str]) -> dict[str, str]:
    """Every variable inside; `hub` as for a sandbox."""
    return sandbox.environment(hub, prefix=PYTHON)


def prepare(settings: Settings, place: Place, limits: Limits) -> None:
    """Make the folders and the home, and end what a killed Hub may have left. Raises PortalError."""
    place.make()
    starting.end_leftover(place)
    uid = user_id(place)
    if homes.prepare(place, uid, limits.disk) is not None:
        homes.mount(place, uid)
    sandbox.write_etc(place, uid)


def binds(place: Place) -> dict[str, dict[str, str]]:
    """The folders and files of this machine that are seen inside, as docker-py takes them."""
    shown = {
        place.shared: "/run/seatrial",
        sandbox.INSIDE: "/etc/seatrial",
        sandbox.INSIDE / "ipython": "/etc/ipython",
        **{place.etc / each: f"/etc/{each}" for each in ("passwd", "group", "nsswitch.conf")},
        **{program: f"/opt/seatrial/bin/{each}" for each, program in programs.found().items()},
    }
    found = {str(path): {"bind": inside, "mode": "ro"} for path, inside in shown.items()}
    return {**found, str(sandbox.home(place)): {"bind": sandbox.HOME, "mode": "rw"}}


def create_options(settings: Settings, place: Place) -> dict[str, Any]:
    """What docker-py's `create_container` is told besides image, command, environment and name."""
    uid = user_id(place)
    return {
        "user": f"{uid}:{uid}",
        "hostname": "workspace",
        "working_dir": "/",
        "stop_signal": "SIGTERM",
        "labels": {known.LABEL: str(settings.data)},
        "host_config": {"MaskedPaths": [*MASKED]},
    }


def host_options(limits: Limits) -> dict[str, Any]:
    """What docker-py's `create_host_config` is told: no network, no right, nothing to write but home and memory."""
    most = limits.memory + SPARE
    return {
        "network_mode": "none",
        "ipc_mode": "private",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {"/tmp": f"size={limits.temporary},mode=1777"},  # noqa: S108 - the container's own
        "shm_size": limits.shared_memory,
        "pids_limit": limits.processes,
        "mem_limit": most,
        "memswap_limit": most,
        "ulimits": [
            {"Name": name, "Soft": most, "Hard": most}
            for name, most in (
                ("data", limits.memory),
                ("fsize", limits.file),
                ("nofile", limits.open_files),
                ("core", 0),
                ("memlock", 64 * 1024),
                ("msgqueue", 64 * 1024),
            )
        ],
        "oom_score_adj": EXPENDABLE,
        # What a student prints counts as the student's own, in the home; on the platform's disk it would have no end.
        "log_config": {"Type": "none", "Config": {}},
    }


class Handing:
    """Hands the listening end of a socket to the first process of one student's container, with the filter of system
    calls that a sandbox has: the engine's own refuses less."""

    def __init__(self, place: Place, asked_at: socket.socket) -> None:
        """`asked_at` is where it will ask."""
        self._uid, self._asked_at = user_id(place), asked_at

    def give(self, listening: socket.socket) -> None:
        """Wait until it asks, and give. Raises PortalError where nobody asks, or somebody else."""
        try:
            asking, _ = self._asked_at.accept()
        except TimeoutError as fault:
            raise PortalError(
                f"the workspace does not start: its container has not asked for its socket in {ASKS_WITHIN:.0f} s"
            ) from fault
        with asking:
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            asks = struct.unpack("3i", told)[1]
            if asks != self._uid:
                raise PortalError(
                    f"the container's processes have user id {asks} here in place of {self._uid}: seatrial needs an "
                    "engine without userns-remap, and no rootless one"
                )
            socket.send_fds(asking, [seccomp.program()], [listening.fileno()])


@contextlib.contextmanager
def handing(place: Place) -> Iterator[Handing]:
    """For as long as a container starts."""
    path = place.shared / Path(HANDED_AT).name
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        # The folder is shown to this student alone, and lies below one that is the platform's.
        path.chmod(0o666)
        made.listen(1)
        made.settimeout(ASKS_WITHIN)
        try:
            yield Handing(place, made)
        finally:
            path.unlink(missing_ok=True)
