"""The portal's settings. This module alone reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from webapp.errors import PortalError

# What is left to the machine and the platform's own processes before clusters are counted, and what one cluster takes
# with a lab in it, both in bytes.
RESERVE = 2 * 1024**3
CLUSTER = 512 * 1024**2


@dataclass(frozen=True, slots=True)
class Settings:
    """How this portal runs. Each field is set by the environment variable SEATRIAL_<FIELD>."""

    data: Path
    """The folder (0700) of everything that the portal keeps."""
    database_url: str
    """SQLAlchemy's URL of the database. Default: SQLite, `portal.db` in the data folder."""
    host: str
    """The address that the public port listens at."""
    port: int
    """The public port, where browsers come in."""
    provider: str
    """The provider of clusters, as `seatrial cluster up --provider` has it."""
    pool: int
    """How many clusters are kept ready for those who come."""
    clusters: int
    """How many clusters there may be at once."""
    idle_minutes: int
    """After how many minutes without activity a session is put to sleep."""

    @property
    def hub_url(self) -> str:
        """Where the Hub's API answers, for the platform's own processes."""
        return f"http://127.0.0.1:{self.port}/hub/api"

    @property
    def secrets(self) -> Path:
        """The folder of the tokens and keys, each a file (0600) of its own."""
        return self.data / "secrets"

    @property
    def workspaces(self) -> Path:
        """The folder of the students' homes and of what is handed to their sandboxes."""
        return self.data / "workspaces"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises PortalError that names the variable and what it must be."""
    env = os.environ if environment is None else environment
    data = Path(env.get("SEATRIAL_DATA") or platformdirs.user_data_path("seatrial") / "portal").absolute()
    return Settings(
        data=data,
        database_url=env.get("SEATRIAL_DATABASE_URL") or f"sqlite:///{data / 'portal.db'}",
        host=env.get("SEATRIAL_HOST") or "127.0.0.1",
        port=_whole(env, "SEATRIAL_PORT", 8000, most=65535),
        provider=env.get("SEATRIAL_PROVIDER") or "auto",
        pool=_whole(env, "SEATRIAL_POOL", 2, least=0),
        clusters=_whole(env, "SEATRIAL_CLUSTERS", room_for_clusters()),
        idle_minutes=_whole(env, "SEATRIAL_IDLE_MINUTES", 30),
    )


def room_for_clusters() -> int:
    """How many clusters this machine's memory holds, at least one."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, (memory - RESERVE) // CLUSTER)


def _whole(env: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 10**6) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise PortalError(f"{name} is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)
