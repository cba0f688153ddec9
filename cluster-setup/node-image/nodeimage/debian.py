"""Debian packages as tar files, by mmdebstrap in a namespace of its own: no root, and nothing of this machine is
touched."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from clusters import exec as processes
from clusters.tools.doctor import package
from nodeimage.errors import ImageBuildError
from nodeimage.layers import MOMENT, content
from nodeimage.recipe import Debian
from nodeimage.workshop import Workshop, digest

# Seconds for one set of packages. Half a minute on a machine that is not busy.
TIMEOUT = 3600.0
# Where the list of what was unpacked is written: NAME_VERSION_ARCHITECTURE.deb, one a line.
LISTING = "usr/share/seatrial/packages"
# What no container reads.
UNREAD = ("usr/share/man/*", "usr/share/doc/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/lintian/*")


def unpacked(workshop: Workshop, debian: Debian, packages: Sequence[str]) -> Path:
    """Packages with everything that they need, unpacked but not set up: enough for a program and its libraries."""
    return _fetched(workshop, debian, packages, "packages", ["--variant=extract"])


def installed(workshop: Workshop, debian: Debian, packages: Sequence[str]) -> Path:
    """A small Debian with these packages set up, without apt."""
    options = ["--variant=essential", "--aptopt=APT::Install-Recommends false"]
    options += [f"--dpkgopt=path-exclude=/{pattern}" for pattern in UNREAD]
    options.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
    return _fetched(workshop, debian, packages, "debian", options)


def security(mirror: str) -> str:
    """Where a mirror has Debian's security updates: in `debian-security` beside `debian`, else among its packages."""
    return re.sub(r"/debian(?=/|$)", "/debian-security", mirror)


def _updated(debian: Debian) -> str:
    """What mmdebstrap runs to add Debian's updates, which by itself it does only where it chooses the mirror.

    The line that it wrote is repeated: it has found out by which keys that one is to be trusted.
    """
    suite, safe = debian.suite, security(debian.mirror)
    more = rf"\1{debian.mirror} {suite}-updates \3\n\1{safe} {suite}-security \3"
    edit = rf"s|^(deb( \[.*\])? )\S+ {suite} (.*)$|&\n{more}|"
    return f'sed -E -i {shlex.quote(edit)} "$1/etc/apt/sources.list"'


def versions(tar: Path) -> dict[str, str]:
    """The version of each package in a tar file of ours, without its epoch."""
    fields = [line.removesuffix(".deb").split("_") for line in content(tar, LISTING).decode().split()]
    return {name: version.rpartition("%3a")[2] for name, version, _ in fields}


def _fetched(workshop: Workshop, debian: Debian, packages: Sequence[str], name: str, options: Sequence[str]) -> Path:
    wanted = sorted(set(packages))
    options = [*options, f"--setup-hook={_updated(debian)}"]
    name = f"{name}-{debian.suite}-{wanted[0]}-{digest(*wanted)[:6]}"

    def fetch(goal: Path) -> None:
        program = shutil.which("mmdebstrap")
        if program is None:
            raise ImageBuildError(f"mmdebstrap is not on PATH, and makes the images: {package('mmdebstrap')}")
        listing = (
            f'mkdir -p "$1/usr/share/seatrial" && cd "$1/var/cache/apt/archives" && ls | grep deb$ > "$1/{LISTING}"'
        )
        argv = [program, "--mode=unshare", "--format=tar", *options, f"--include={','.join(wanted)}"]
        argv += [f"--extract-hook={listing}", debian.suite, str(goal), debian.mirror]
        try:
            processes.stream(
                argv,
                lambda line: workshop.watch.step(name, line.removeprefix("I: ")),
                timeout=TIMEOUT,
                env={"SOURCE_DATE_EPOCH": str(MOMENT)},
            )
        except processes.CommandError as fault:
            raise ImageBuildError(_sentence(fault, debian)) from fault

    told = f"Fetching {wanted[0]}" + (f" and {len(wanted) - 1} more packages" if len(wanted) > 1 else "")
    return workshop.made(
        name, f"{told} from Debian {debian.suite}", [*options, *wanted, debian.suite, debian.mirror], fetch
    )


def _sentence(fault: processes.CommandError, debian: Debian) -> str:
    said = [line for line in fault.output.strip().splitlines() if line.startswith("E: ")] or ["it printed nothing"]
    if "No space left" in fault.output:
        return "the disk is full: a node image takes 3 GB while it is made; free some and run this again"
    if any(
        words in fault.output
        for words in ("Temporary failure resolving", "Could not resolve", "Could not connect", "Unable to connect")
    ):
        return f"{debian.mirror} cannot be reached; name a mirror of yours with --mirror, or try again later"
    if lacking := re.search(r"The repository '(\S+) (\S+) (In)?Release' (does not have|is not signed)", fault.output):
        return (
            f"{lacking[1]} has no signed {lacking[2]}: name a mirror with --mirror that has Debian's updates too, "
            "those of security in debian-security beside debian"
        )
    if "newuidmap" in fault.output or "/etc/subuid" in fault.output or "unshare" in said[-1]:
        return (
            f"mmdebstrap may not make a namespace here ({said[-1].removeprefix('E: ')}): as another user than root it "
            f"needs a range in /etc/subuid and `{package('uidmap')}`"
        )
    return f"mmdebstrap cannot fetch the packages: {said[-1].removeprefix('E: ')}"
