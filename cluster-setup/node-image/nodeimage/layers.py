"""Layers: tar files that come out the same, byte for byte, whenever they are made of the same things."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import TracebackType

# The time of every file, so that it does not tell when the layer was made. Not 0, which some programs take for
# "unknown".
MOMENT = 1_700_000_000


class Layer:
    """A layer that is being written. Everything in it belongs to root."""

    def __init__(self, goal: Path) -> None:
        """Write it to the file `goal`."""
        self._tar = tarfile.open(goal, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by __exit__
        self._folders: set[str] = set()

    def __enter__(self) -> Layer:
        """The layer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        self._tar.close()

    def _member(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        for parent in reversed(PurePosixPath(path).parents):
            if str(parent) != ".":
                self.folder(str(parent))
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.mtime = kind, mode, MOMENT
        return member

    def folder(self, path: str, mode: int = 0o755) -> None:
        """A folder; its parents come with it. `path` has no slash at the beginning. One that was written stays."""
        if path not in self._folders:
            self._folders.add(path)
            self._tar.addfile(self._member(path, tarfile.DIRTYPE, mode))

    def file(self, path: str, content: bytes | Path, mode: int = 0o644) -> None:
        """A file with this content, or the content of that file."""
        member = self._member(path, tarfile.REGTYPE, mode)
        if isinstance(content, bytes):
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))
            return
        member.size = content.stat().st_size
        with content.open("rb") as source:
            self._tar.addfile(member, source)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        member = self._member(path, tarfile.SYMTYPE, 0o777)
        member.linkname = target
        self._tar.addfile(member)

    def copy(self, source: Path, keep: Callable[[str], bool]) -> None:
        """Every member of another tar file whose path `keep` wants, with owner and mode."""
        with tarfile.open(source) as other:
            for member in other:
                path = member.name.removeprefix("./").strip("/")
                if path in ("", ".") or not keep(path):
                    continue
                member.name, member.mtime, member.pax_headers = path, MOMENT, {}
                if member.islnk():
                    member.linkname = member.linkname.removeprefix("./")
                if member.isdir():
                    self._folders.add(path)
                self._tar.addfile(member, other.extractfile(member) if member.isreg() else None)


def names(source: Path) -> set[str]:
    """The paths of everything in a tar file."""
    with tarfile.open(source) as tar:
        return {member.name.removeprefix("./").strip("/") for member in tar}


def content(source: Path, path: str) -> bytes:
    """A file of a tar file. Raises KeyError where there is none."""
    with tarfile.open(source) as tar:
        for member in tar:
            if member.name.removeprefix("./") == path:
                file = tar.extractfile(member)
                if file is not None:
                    return file.read()
    raise KeyError(path)


def extract(source: Path, into: Path, keep: Callable[[str], bool]) -> None:
    """Lay the files and links of a tar file whose path `keep` wants into a folder; they belong to whoever runs this."""
    with tarfile.open(source) as tar:
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            if (member.isreg() or member.issym()) and keep(path):
                tar.extract(member, into, filter="data")
