"""Check what each feature needs of this machine, and name the one command that mends what is missing."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import platformdirs

from clusters import exec as processes
from clusters.errors import ClusterError
from clusters.tools import cache, golang
from clusters.tools.pins import Pins, pinned

Outcome = Literal["ok", "missing", "optional"]  # optional: not there, and only the named feature misses it

CLUSTERS = "clusters of one's own (kwok)"
CONTAINERS = "clusters with real containers (kind)"
CHARTS = "labs with charts, in the portal's workspaces"
# Sizes in bytes, measured: all programs, and all programs with the modules and objects of a build.
PROGRAMS_SIZE, BUILD_SIZE = 10**9, 6 * 10**9
# Bytes of memory: one cluster alone takes 490 MB.
CLUSTER_MEMORY = 10**9
# kwokctl looks for ports downward from here; a cluster takes about ten.
PORTS_FROM, PORTS_TRIED, PORTS_NEEDED = 32767, 200, 20

# Package managers, the command that installs with each, and what they call a thing where they differ.
MANAGERS = {
    "apt-get": "apt-get install -y",
    "dnf": "dnf install -y",
    "pacman": "pacman -S --noconfirm",
    "brew": "brew install",
}
PACKAGES = {
    ("brew", "docker.io"): "colima docker",
    ("dnf", "docker.io"): "moby-engine",
    ("pacman", "docker.io"): "docker",
    ("pacman", "python3"): "python",
    ("brew", "python3"): "python",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One need: what it is for, whether it is met, what was found, and what mends it."""

    need: str
    feature: str
    outcome: Outcome
    found: str
    mend: str


def examine(*, network: bool = False) -> list[Finding]:
    """Check every need. Nothing outside this machine is asked unless `network` says so."""
    known = pinned()
    rows = [_python(), *_commands(), *_folders(), _disk(known), _memory(), _ports()]
    rows += [*_programs(known), _go(known), _engine(), _provider(network), _sandbox()]
    if network:
        rows += _hosts(known)
    return rows


def package(name: str) -> str:
    """The command that installs a system package on this machine."""
    manager = next((each for each in MANAGERS if shutil.which(each)), "apt-get")
    command = f"{MANAGERS[manager]} {PACKAGES.get((manager, name), name)}"
    return command if manager == "brew" else _as_root(command)


def _as_root(command: str) -> str:
    return command if os.geteuid() == 0 else f"sudo {command}"


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    return Finding("Python 3.11 or newer", "everything", "ok" if fine else "missing", found, package("python3"))


def _commands() -> Iterator[Finding]:
    for name, feature in (
        ("git", "working on seatrial and its labs"),
        ("make", "working on seatrial (make demo, make test)"),
    ):
        path = shutil.which(name)
        yield Finding(name, feature, "ok" if path else "optional", path or "not on PATH", package(name))


def _folders() -> Iterator[Finding]:
    for need, feature, place in (
        ("a cache directory to write to", "the upstream programs", platformdirs.user_cache_path("seatrial")),
        ("a data directory to write to", CLUSTERS, platformdirs.user_data_path("seatrial")),
    ):
        nearest = _nearest(place)
        # The nearest folder that exists: the ones below it can be made if this one can be written.
        fine = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
        found = str(place) if fine else f"{nearest} is not yours to write"
        owner = shlex.quote(str(nearest))
        yield Finding(need, feature, "ok" if fine else "missing", found, f"sudo chown -R $(id -u):$(id -g) {owner}")


def _disk(known: Pins) -> Finding:
    root = cache.folder()
    lacking = [p for p in known.programs.values() if not cache.place(root, p).is_file()]
    needed = PROGRAMS_SIZE if lacking else PROGRAMS_SIZE // 10
    free = shutil.disk_usage(_nearest(root)).free
    found = f"{free / 1e9:.1f} GB free" + (
        f" (building the programs takes {BUILD_SIZE / 1e9:.0f} GB)" if lacking else ""
    )
    mend = "XDG_CACHE_HOME=/path/on/a/larger/disk seatrial tools install"
    return Finding("disk space", "the upstream programs", "ok" if free >= needed else "missing", found, mend)


def _memory() -> Finding:
    free = _available_memory()
    found = "this system does not say" if free is None else f"{free / 1e9:.1f} GB available"
    fine = free is None or free >= CLUSTER_MEMORY
    return Finding(
        "memory",
        CLUSTERS,
        "ok" if fine else "missing",
        found,
        "seatrial cluster list  # and stop one that you do not use",
    )


def _available_memory() -> int | None:
    """Bytes, or None where the kernel has no /proc/meminfo."""
    source = Path("/proc/meminfo")
    if not source.exists():
        return None
    line = next((line for line in source.read_text().splitlines() if line.startswith("MemAvailable:")), None)
    return int(line.split()[1]) * 1024 if line else None


def _ports() -> Finding:
    free = 0
    for port in range(PORTS_FROM, PORTS_FROM - PORTS_TRIED, -1):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            free += 1
        if free == PORTS_NEEDED:
            break
    fine = free >= PORTS_NEEDED
    found = "127.0.0.1 has them" if fine else f"{free} of {PORTS_NEEDED} below {PORTS_FROM} on 127.0.0.1"
    mend = "ss -ltnp  # shows who listens; end what you do not need" if free else _as_root("ip link set lo up")
    return Finding("free ports", CLUSTERS, "ok" if fine else "missing", found, mend)


def _programs(known: Pins) -> Iterator[Finding]:
    root = cache.folder()
    for program in known.programs.values():
        path = cache.place(root, program)
        there = path.is_file() and os.access(path, os.X_OK)
        feature = {"kind": CONTAINERS, "helm": CHARTS}.get(program.name, CLUSTERS)
        found = str(path) if there else "not installed"
        outcome: Outcome = "ok" if there else "missing" if feature == CLUSTERS else "optional"
        yield Finding(
            f"{program.name} {program.version}", feature, outcome, found, f"seatrial tools install {program.name}"
        )


def _go(known: Pins) -> Finding:
    wanted = ".".join(map(str, known.go_minimum))
    cached = golang.in_cache(cache.folder(), known.go_wheel)
    path = golang.on_path(known.go_minimum) or (cached if cached.is_file() else None)
    found = (
        str(path) if path else f"not on PATH; {known.go_wheel} from PyPI takes its place when something has to be built"
    )
    feature = "building the upstream programs where the network does not reach their releases"
    return Finding(
        f"Go {wanted} or newer", feature, "ok" if path else "optional", found, "seatrial tools install --from build"
    )


def _engine() -> Finding:
    for name in ("docker", "podman"):
        path = shutil.which(name)
        if path is None:
            continue
        if _runs([path, "info"]):
            return Finding("a container engine", CONTAINERS, "ok", path, package("docker.io"))
        mend = _as_root("systemctl start docker") if name == "docker" else "systemctl --user start podman.socket"
        return Finding(
            "a container engine", CONTAINERS, "optional", f"{path} is there but its engine does not answer", mend
        )
    return Finding(
        "a container engine", CONTAINERS, "optional", "neither docker nor podman is on PATH", package("docker.io")
    )


def _provider(network: bool) -> Finding:
    """Which clusters are made here, and what would have to be there for the other kind."""
    from clusters.registry import automatic

    name, why = automatic(registries=network)
    outcome: Outcome = "ok" if name == "kind" else "optional"
    return Finding("clusters of --provider auto", CONTAINERS, outcome, f"{name}: {why}", "seatrial node-image build")


def _sandbox() -> Finding:
    feature = "checks of kind script, and students' shells on this machine"
    path = shutil.which("bwrap")
    if path is None:
        return Finding("bubblewrap", feature, "optional", "not on PATH", package("bubblewrap"))
    if _runs([path, "--unshare-all", "--ro-bind", "/", "/", "true"]):
        return Finding("bubblewrap", feature, "ok", path, package("bubblewrap"))
    found = f"{path} may not make namespaces here"
    return Finding("bubblewrap", feature, "optional", found, _as_root("sysctl -w kernel.unprivileged_userns_clone=1"))


def _hosts(known: Pins) -> Iterator[Finding]:
    from clusters.tools.download import Source, reachable

    urls = [
        url
        for p in known.programs.values()
        if p.asset
        for url in (p.asset.url, p.asset.checksum, p.asset.digests)
        if url
    ]
    hosts = {urlsplit(url).netloc: url for url in urls}
    faults = asyncio.run(reachable(list(hosts.values()), Source()))
    for host, url in hosts.items():
        fault = faults[url]
        found = fault or "answers"
        mend = "seatrial tools install --from build"
        yield Finding(host, "downloading the upstream programs", "optional" if fault else "ok", found, mend)


def _runs(argv: list[str]) -> bool:
    """Whether a command succeeds within a few seconds."""
    try:
        processes.run(argv, timeout=10)
    except ClusterError:
        return False
    return True


def _nearest(place: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(each for each in (place, *place.parents) if each.exists())
