"""The portal's settings. This module alone reads the environment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from webapp.errors import PortalError

# What is left to the machine and the platform's own processes before clusters are counted, what one cluster takes with
# a lab in it, one of containers too, and what the workspace of its student does, in bytes.
RESERVE = 2 * 1024**3
CLUSTER = 300 * 1024**2
CLUSTER_OF_CONTAINERS = 600 * 1024**2
WORKSPACE = 220 * 1024**2

# Where the portal's pages begin, and where the public port leads who comes in.
PREFIX = "/services/portal"
# Who signs people in: ours, over the portal's users.
AUTHENTICATOR = "webapp.accounts.hub_authenticator.PortalAuthenticator"


@dataclass(frozen=True, slots=True)
class Settings:
    """How this portal runs. Each field is set by the environment variable SEATRIAL_<FIELD>."""

    data: Path
    """The folder (0700) of everything that the portal keeps."""
    database_url: str = field(repr=False)
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
    """After how many minutes without activity a session is put to sleep, and a workspace that no session needs ends."""
    keep_days: int = 30
    """After how many days a session that sleeps is removed, with its cluster."""
    authenticator: str = AUTHENTICATOR
    """The Hub's Authenticator: an import path, or a name such as "github". With another than ours, users come to be at
    their first sign-in."""

    @property
    def address(self) -> str:
        """The portal's address for a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - a name, not a bind
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    @property
    def hub_url(self) -> str:
        """Where the Hub's API answers, for the platform's own processes: through the proxy."""
        return f"{self.address}/hub/api"

    @property
    def run(self) -> Path:
        """The folder (0700) of the Unix sockets: `hub.sock`, `portal.sock`, `proxy.sock`, `supervisor.sock`."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """The folder of what each process prints."""
        return self.data / "logs"

    @property
    def secret(self) -> str:
        """What the parameters of labs are drawn from, beside the student's name."""
        return self.key("labs")

    def key(self, name: str) -> str:
        """A secret of the platform, 64 hexadecimal digits in the file `secrets`/NAME; drawn when it is first asked for.

        `proxy` is the proxy's token, `portal` the portal's API token at the Hub (and its OAuth secret, as client
        "service-portal"), `reconciler` the reconciler's API token, `workspaces` is behind the tickets of browsers that
        workspaces are opened to, `labs` behind `secret`. Raises PortalError where it can neither be read nor made.
        """
        file = self.secrets / name
        try:
            self.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not file.exists():
                _draw(file)
            return file.read_text().strip()
        except OSError as fault:
            raise PortalError(
                f"{file} can be neither read nor made: {fault.strerror}; mend that and try again"
            ) from fault

    @property
    def secrets(self) -> Path:
        """The folder of the tokens and keys, each a file (0600) of its own."""
        return self.data / "secrets"

    @property
    def sign_in_elsewhere(self) -> bool:
        """Whether somebody other than the portal knows the users' passwords."""
        return self.authenticator != AUTHENTICATOR

    @property
    def workspaces(self) -> Path:
        """The folder of the students' homes and of what is handed to their sandboxes."""
        return self.data / "workspaces"


def from_environment(environment: Mapping[str, str] | None = None, *, provider: str | None = None) -> Settings:
    """Read the settings; `provider` takes the place of what the environment says of it.

    Raises PortalError that names the variable and what it must be.
    """
    env = os.environ if environment is None else environment
    chosen = provider or env.get("SEATRIAL_PROVIDER") or "auto"
    data = Path(env.get("SEATRIAL_DATA") or platformdirs.user_data_path("seatrial") / "portal").absolute()
    return Settings(
        data=data,
        database_url=env.get("SEATRIAL_DATABASE_URL") or f"sqlite:///{data / 'portal.db'}",
        host=env.get("SEATRIAL_HOST") or "127.0.0.1",
        port=_whole(env, "SEATRIAL_PORT", 8000, most=65535),
        provider=chosen,
        pool=_whole(env, "SEATRIAL_POOL", 2, least=0),
        clusters=_whole(env, "SEATRIAL_CLUSTERS", room_for_clusters(chosen)),
        idle_minutes=_whole(env, "SEATRIAL_IDLE_MINUTES", 30),
        keep_days=_whole(env, "SEATRIAL_KEEP_DAYS", 30),
        authenticator=env.get("SEATRIAL_AUTHENTICATOR") or AUTHENTICATOR,
    )


def room_for_clusters(provider: str) -> int:
    """How many of the provider's clusters the machine's memory holds, each with a workspace before it; one at least."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cluster = CLUSTER_OF_CONTAINERS if provider == "kind" else CLUSTER
    return max(1, (memory - RESERVE) // (cluster + WORKSPACE))


def _draw(file: Path) -> None:
    """Make a secret, whole or not at all; whoever comes second takes the first one's."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, file)
    finally:
        part.unlink()


def _whole(env: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 10**6) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise PortalError(f"{name} is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)
