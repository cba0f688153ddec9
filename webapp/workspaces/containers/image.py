"""The image of the programs in a workspace's container: which it is, and making it."""

from __future__ import annotations

import hashlib
import tempfile
from importlib import metadata
from pathlib import Path

from clusters.engine import Engine
from clusters.errors import ClusterError, PermanentError
from clusters.exec import CommandError, stream
from clusters.tools.authorities import authorities
from clusters.tools.watch import Watch

DOCKERFILE = Path(__file__).with_name("Dockerfile")
# What the notebook server is made of. The Hub and the server within must be of one version.
PACKAGES = ("jupyterhub", "jupyterlab", "jupyter-server", "jupyter-server-terminals", "ipykernel")
# The system that the image is made from, where nobody names another; and one of its kind for where no registry is
# reached, made of Debian's own packages.
BASE, OWN_BASE = "docker.io/library/debian:12-slim", "seatrial/debian:12"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
# Seconds for the whole build, most of which it waits for Debian and PyPI.
TIMEOUT = 3600.0


def requirements() -> str:
    """The packages in the versions that the platform itself has."""
    return "".join(f"{name}=={metadata.version(name)}\n" for name in PACKAGES)


def reference() -> str:
    """The image's name. Its tag says what it was made of, so that another version of the platform wants another."""
    made_of = hashlib.sha256(DOCKERFILE.read_bytes() + requirements().encode()).hexdigest()[:12]
    return f"seatrial/workspace:{made_of}"


def build(engine: Engine, watch: Watch, base: str | None = None) -> str:
    """Make the image, unless it is there, from the image `base`; its name.

    Without `base` it is Debian's from a registry, or where none answers, one made here. Raises ClusterError.
    """
    wanted = reference()
    if base is None and engine.has(wanted):
        return wanted
    chosen = base or _base(engine, watch)
    with tempfile.TemporaryDirectory(prefix="seatrial-") as folder:
        context = Path(folder)
        (context / "Dockerfile").write_bytes(DOCKERFILE.read_bytes())
        (context / "requirements.txt").write_text(requirements())
        trusted = authorities()
        (context / "certificates.pem").write_bytes(trusted.read_bytes() if trusted else b"")
        watch.begin("workspace", f"Making {wanted} from {chosen}")
        # The engine's own network may lead nowhere where the machine's does.
        argv: list[str | Path] = [
            engine.program,
            "build",
            "--network=host",
            f"--build-arg=BASE={chosen}",
            f"--tag={wanted}",
            context,
        ]
        try:
            stream(argv, lambda line: watch.step("workspace", line), timeout=TIMEOUT)
        except CommandError as fault:
            raise _told(engine, fault, chosen) from fault
    watch.end("workspace", f"Made {wanted}")
    return wanted


def _base(engine: Engine, watch: Watch) -> str:
    """Debian's image, or one made of Debian's packages."""
    if engine.has(BASE):
        return BASE
    if engine.has(OWN_BASE):
        return OWN_BASE
    watch.begin("base", f"Fetching {BASE}")
    try:
        engine.run("pull", "--quiet", BASE, timeout=600)
    except CommandError:
        watch.end("base", "No registry gives it; one is made of Debian's packages")
    else:
        watch.end("base", f"Fetched {BASE}")
        return BASE
    _debian(engine, watch)
    return OWN_BASE


def _debian(engine: Engine, watch: Watch) -> None:
    """A small Debian with apt, from Debian's packages."""
    from nodeimage import debian, workshop
    from nodeimage.recipe import Debian

    with workshop.opened(watch) as place:
        tar = debian.installed(place, Debian(SUITE, MIRROR), ["apt", "ca-certificates"])
        engine.run("import", tar, OWN_BASE, timeout=600)


def _told(engine: Engine, fault: CommandError, base: str) -> ClusterError:
    told = engine.told(fault)
    if told is not fault:
        return told
    said = [line for line in fault.output.splitlines() if line.strip()][-3:]
    return PermanentError(f"the workspace's image cannot be made from {base}: {' / '.join(said)}")
