"""A workspace where this machine makes no sandbox: the same home, files and programs, and nothing that keeps it in.

Whoever has a terminal in it has the rights of whoever runs the portal. So there are such workspaces only while the
portal is for this machine alone; elsewhere none is started.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Mapping, Sequence

from webapp.errors import PortalError
from webapp.settings import Settings
from webapp.workspaces import keeping, programs, sandbox
from webapp.workspaces.places import Place
from webapp.workspaces.processes import MARK

WORDS = (
    "There is no working sandbox: {fault}. Workspaces run without one: whoever has a terminal here can read and do "
    "what you can, and see the labs' solutions; the portal listens on this machine only."
)


def needed(settings: Settings) -> bool:
    """Whether a workspace that is no container runs without a sandbox here. Raises PortalError where none may, since
    strangers are let in."""
    fault = programs.sandbox_fault()
    if fault is None:
        return False
    if loopback(settings.host):
        return True
    raise PortalError(f"there is no working sandbox ({fault}), and the portal is not for this machine alone")


def notice(settings: Settings) -> str | None:
    """What whoever lets others work here should know, None where there is a sandbox."""
    fault = keeping.fault(settings)
    return WORDS.format(fault=fault) if fault and loopback(settings.host) else None


def loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def environment(settings: Settings, place: Place, inside: Mapping[str, str], port: int) -> dict[str, str]:
    """A sandbox's variables as they are without one: the home, the Hub and the server's port are the machine's own."""
    home = str(sandbox.home(place))
    found = {name: value.replace(sandbox.HUB_API, settings.hub_url) for name, value in inside.items()}
    url = f"http://127.0.0.1:{sandbox.PORT}/"
    if found.get("JUPYTERHUB_SERVICE_URL", "").startswith(url):
        found["JUPYTERHUB_SERVICE_URL"] = f"http://127.0.0.1:{port}/" + found["JUPYTERHUB_SERVICE_URL"][len(url) :]
    if "JUPYTERHUB_ROOT_DIR" in found:
        found["JUPYTERHUB_ROOT_DIR"] = home
    bins = [str(place.bin), *found["PATH"].split(":")[1:], "/usr/local/sbin", "/usr/sbin", "/sbin"]
    return found | {
        "HOME": home,
        "PATH": ":".join(bins),
        "TMPDIR": str(place.run / "tmp"),
        "JUPYTER_CONFIG_PATH": str(sandbox.INSIDE / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(place.run / "jupyter"),
        "SEATRIAL_SHARED": str(place.shared),
        MARK: str(settings.data),
    }


def prepare(place: Place) -> None:
    """The folder of upstream programs, by their names, and those for what is temporary."""
    for folder in (place.bin, place.run / "tmp", place.run / "jupyter"):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, program in programs.found().items():
        link = place.bin / name
        if not link.is_symlink() or link.readlink() != program:
            link.unlink(missing_ok=True)
            link.symlink_to(program)


def first_process(listening: int, port: int, command: Sequence[str]) -> list[str]:
    """What starts `command`, as in a sandbox."""
    return [sys.executable, "-I", "-S", str(sandbox.INSIDE / "relay.py"), str(listening), str(port), *command]


def free_port() -> int:
    """A port of the loopback interface at which nobody listens. Where it is taken since, the server ends, and is
    started again."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
