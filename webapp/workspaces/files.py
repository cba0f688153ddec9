"""What the platform hands into a workspace: each lab's kubeconfig, text and notebook, and the way to its API server.

The platform writes only into folders of its own, which a sandbox sees read-only. Nothing in a student's home is ever
opened from outside.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import zlib
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from clusters.model import KUBECONFIG_EXTENSION
from grader.labfile import LoadedLab
from webapp.accounts.models import User
from webapp.errors import PortalError
from webapp.settings import Settings
from webapp.workspaces import places
from webapp.workspaces.control import poke
from webapp.workspaces.notebook import steps

# Where a sandbox reaches an API server of another machine: a port of its own loopback from these.
FOREIGN_PORTS = (33000, 40000)


class Identified(Protocol):
    """A lab session, of which only the id is needed here."""

    @property
    def id(self) -> Any:
        """The session's id."""


def deliver(settings: Settings, user: User, session: Identified, kubeconfig: str, lab: LoadedLab) -> None:
    """Hand a lab into the user's workspace, whether it runs or not. Idempotent.

    `kubeconfig` is the student's own, with the lab's namespace in its context. Raises PortalError for one that names no
    API server.
    """
    place = places.of(settings.workspaces, user.id)
    place.make()
    inside, server = within(kubeconfig)
    folder = place.labs / lab.slug
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    readme = lab.readme()
    places.write(folder / "README.md", readme, 0o644)
    places.write(folder / "steps.ipynb", steps(readme), 0o644)
    places.write(folder / "kubeconfig", inside, 0o644)
    places.write(place.servers / f"{lab.slug}.json", json.dumps({**server, "session": session.id}))
    poke(settings.workspaces, user.id)


def remove(settings: Settings, user: User, slug: str) -> None:
    """Take a lab out of the user's workspace, and the way to its API server. What is in the home stays.

    The relay closes the way within seconds, or at once when it is told by `tell`. Waits for nobody.
    """
    place = places.of(settings.workspaces, user.id)
    (place.servers / f"{slug}.json").unlink(missing_ok=True)
    shutil.rmtree(place.labs / slug, ignore_errors=True)


def tell(settings: Settings, user: User) -> None:
    """Have the relay look at the user's workspace now. Waits for it, for two seconds at most."""
    if places.of(settings.workspaces, user.id).root.is_dir():
        poke(settings.workspaces, user.id)


def within(kubeconfig: str) -> tuple[str, dict[str, Any]]:
    """A kubeconfig as the sandbox needs it, and where the relay finds the API server behind it.

    An API server of this machine keeps its port. One of another is reached by a port of the sandbox's loopback; its
    certificate is still checked by its name. Raises PortalError.
    """
    try:
        config = yaml.safe_load(kubeconfig)
        named = {entry["name"]: entry["context"] for entry in config["contexts"]}
        name = named[config["current-context"]]["cluster"]
        cluster = next(entry["cluster"] for entry in config["clusters"] if entry["name"] == name)
        url = urlsplit(cluster["server"])
        host, port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError, StopIteration) as bad:
        raise PortalError("the cluster's kubeconfig names no API server; reset the lab") from bad
    if host is None:
        raise PortalError("the cluster's kubeconfig names no API server; reset the lab")
    listen = port if _loopback(host) else _foreign(host, port)
    cluster["server"] = f"{url.scheme}://127.0.0.1:{listen}{url.path}"
    if not _loopback(host):
        cluster.setdefault("tls-server-name", host)
    # What the provider knows about the cluster is the grader's business.
    kept = [each for each in cluster.pop("extensions", None) or [] if each.get("name") != KUBECONFIG_EXTENSION]
    if kept:
        cluster["extensions"] = kept
    return yaml.safe_dump(config, sort_keys=False), {"listen": listen, "host": host, "port": port}


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _foreign(host: str, port: int) -> int:
    lowest, highest = FOREIGN_PORTS
    return lowest + zlib.crc32(f"{host}:{port}".encode()) % (highest - lowest)
