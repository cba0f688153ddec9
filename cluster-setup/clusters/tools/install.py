"""Bring the pinned programs into the cache: download what the network gives, build the rest."""

from __future__ import annotations

import errno
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clusters.errors import PermanentError
from clusters.tools import build, cache
from clusters.tools.download import DownloadError, Source, WrongChecksum, fetch
from clusters.tools.pins import Asset, Pins, Program
from clusters.tools.watch import Watch

Way = Literal["auto", "download", "build"]


@dataclass(frozen=True, slots=True)
class Installed:
    """What an install did, by program names."""

    present: tuple[str, ...]  # were there before
    downloaded: tuple[str, ...]
    built: tuple[str, ...]


def install(names: Iterable[str], way: Way, *, pins: Pins, root: Path, source: Source, watch: Watch) -> Installed:
    """Install the named programs (all of them where none is named) into the cache folder `root`.

    `auto` builds what cannot be downloaded, but never what came with a wrong checksum. Raises DownloadError,
    WrongChecksum, BuildError, ToolMissing, and PermanentError for an unknown name or a disk that takes nothing.
    """
    wanted = pins.choose(names)
    if not _missing(wanted, root):
        return Installed(tuple(p.name for p in wanted), (), ())
    try:
        with cache.locked(root, watch.say):
            missing = _missing(wanted, root)  # whoever held the lock may have installed them
            left = missing if way == "build" else _download(missing, way, root, source, watch)
            if left:
                if len(left) > 1:
                    watch.say(
                        f"Building {len(left)} programs from source: minutes the first time, and instant from then on."
                    )
                build.build(left, root, pins, watch)
            shutil.rmtree(cache.partial(root), ignore_errors=True)
    except OSError as fault:
        raise PermanentError(_sentence(fault, root)) from fault
    fresh = {p.name for p in missing} - {p.name for p in left}
    return Installed(
        tuple(p.name for p in wanted if p not in missing),
        tuple(p.name for p in wanted if p.name in fresh),
        tuple(p.name for p in left),
    )


def _missing(programs: Sequence[Program], root: Path) -> list[Program]:
    return [program for program in programs if not cache.place(root, program).is_file()]


def _download(programs: Sequence[Program], way: Way, root: Path, source: Source, watch: Watch) -> list[Program]:
    """Install what can be downloaded and return the rest; with `download` a rest is an error."""
    wanted: dict[Asset, list[Program]] = {}
    for program in programs:
        if program.asset:
            wanted.setdefault(program.asset, []).append(program)
    results = fetch(list(wanted), cache.partial(root), source, watch)
    left = [program for program in programs if program.asset is None]
    reasons = [f"upstream releases no {', '.join(p.name for p in left)} for this system"] if left else []
    wrong: WrongChecksum | None = None
    for asset, result in results.items():
        if isinstance(result, Path):
            _unpack(result, asset, wanted[asset], root)
        elif isinstance(result, WrongChecksum):
            wrong = result
        else:
            left += wanted[asset]
            reasons.append(str(result))
    if wrong:
        raise wrong
    told = "; ".join(dict.fromkeys(reasons))
    if left and way == "download":
        raise DownloadError(f"{told}; run `seatrial tools install --from build` to build instead")
    if left:
        watch.say(f"Not everything can be downloaded: {told}.")
    return [program for program in programs if program in left]


def _unpack(file: Path, asset: Asset, programs: Sequence[Program], root: Path) -> None:
    """Put the programs of a verified file into their places. Raises PermanentError where one is not in its archive."""
    for program in programs:
        made = cache.staging(root) / program.name
        if program.member is None:
            file.rename(made)
        else:
            try:
                _extract(file, asset.file, program.member, made)
            except (KeyError, tarfile.TarError, zipfile.BadZipFile) as fault:
                raise PermanentError(
                    f"{asset.url} has no {program.member}: the pins do not fit this release"
                ) from fault
        cache.put(root, program, made)


def _extract(file: Path, name: str, member: str, goal: Path) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(file) as packed, packed.open(member) as inside, goal.open("wb") as out:
            shutil.copyfileobj(inside, out)
        return
    with tarfile.open(file) as archive:
        content = archive.extractfile(member)
        if content is None:
            raise KeyError(member)
        with content, goal.open("wb") as out:
            shutil.copyfileobj(content, out)


def _sentence(fault: OSError, root: Path) -> str:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {root} is full: the programs take 1 GB, building them 6 GB; free some and run this again"
    return f"{root} cannot be written ({fault.strerror or fault}): is it yours? XDG_CACHE_HOME may name another"
