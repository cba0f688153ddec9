"""Which upstream programs there are, in which version, and where their releases lie (`pins.toml`)."""

from __future__ import annotations

import difflib
import functools
import platform
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a release. Exactly one of `checksum` and `digests` is set: where its SHA-256 is published."""

    url: str
    checksum: str | None
    digests: str | None

    @property
    def file(self) -> str:
        """The file's name as the release has it."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Program:
    """One upstream program: how it is called, what it is built from, and how it tells its version."""

    name: str
    version: str
    module: str
    package: str
    version_arguments: tuple[str, ...]
    stamps: tuple[str, ...]
    asset: Asset | None  # None: upstream releases none for this system
    member: str | None  # the program's place in the asset, where that is an archive
    gomod: str = ""  # the folder below Pins.folder with the go.mod that builds it


@dataclass(frozen=True, slots=True)
class Pins:
    """Programs by name, and the Go that builds them."""

    programs: Mapping[str, Program]
    go_minimum: tuple[int, int]
    go_wheel: str
    folder: Path  # holds go.mod and go.sum, and the folders of programs that have their own

    def choose(self, names: Iterable[str]) -> list[Program]:
        """The named programs in the order of the pins, all of them where none is named. Raises PermanentError."""
        asked = set(names)
        for name in sorted(asked - set(self.programs)):
            near = difflib.get_close_matches(name, self.programs, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.programs)}"
            raise PermanentError(f"{name} is none of the pinned programs: {hint}")
        return [program for program in self.programs.values() if not asked or program.name in asked]


def system() -> tuple[str, str]:
    """This machine as Go and the releases name it: ("linux", "amd64")."""
    machine = platform.machine().lower()
    return platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def folder() -> Path:
    """Where the pins lie: in the checkout, or where the wheel put them. Raises PermanentError."""
    package = Path(__file__).resolve().parents[1]
    for place in (package.parent / "tools", package.parent / "seatrial_data" / "tools"):
        if (place / "pins.toml").is_file():
            return place
    raise PermanentError(f"pins.toml lies neither beside {package} nor in seatrial_data: install seatrial anew")


def read(place: Path, os: str, arch: str, kind: str = "programs") -> Pins:
    """Read `place`/pins.toml as it applies to a machine of that system and architecture.

    `kind` is the key of the wanted programs: "programs" for those of clusters, "node-programs" for those that only a
    node image holds.
    """
    content = tomllib.loads((place / "pins.toml").read_text())
    programs = {
        name: _program(name, release, entry, os, arch)
        for release in content["releases"].values()
        for name, entry in release.get(kind, {}).items()
    }
    go = content["go"] if "go" in content else tomllib.loads((folder() / "pins.toml").read_text())["go"]
    major, minor = go["minimum"].split(".")
    return Pins(programs, (int(major), int(minor)), go["wheel"], place)


@functools.cache
def pinned() -> Pins:
    """The pins of this installation for this machine."""
    return read(folder(), *system())


@functools.cache
def of_a_node() -> tuple[Pins, Pins]:
    """What a node image holds beside the programs of clusters: Kubernetes' own, and those of a module of their own."""
    return read(folder(), *system(), "node-programs"), read(folder() / "containers", *system(), "node-programs")


def _program(name: str, release: dict[str, Any], entry: dict[str, Any], os: str, arch: str) -> Program:
    version = release["version"]
    major, minor, _ = version.removeprefix("v").split(".", 2)
    words = {"version": version, "major": major, "minor": minor, "os": os, "arch": arch, "program": name}
    asset, member = None, None
    if f"{os}/{arch}" in entry.get("platforms", release.get("platforms", ())):
        url = release["url"].format(**words, archive=release.get("archive", {}).get(os))
        checksum, digests = (
            release[key].format(**words, url=url) if key in release else None for key in ("checksum", "digests")
        )
        asset = Asset(url, checksum, digests)
        member = release["member"].format(**words) if "member" in release else None
    stamps = tuple(stamp.format(**words) for stamp in release.get("stamps", ()))
    arguments, gomod = tuple(entry["version"]), release.get("gomod", "")
    return Program(name, version, release["module"], entry["package"], arguments, stamps, asset, member, gomod)
