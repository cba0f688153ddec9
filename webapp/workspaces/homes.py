"""Where students' files are: a file system of fixed size for each, or a plain folder.

As root a home is an ext4 image, mounted for its sandbox alone: it cannot outgrow its size, whatever is done to it, and
the platform never walks through files that a student made. Where the machine mounts no images, it is a folder, and the
relay's watchdog measures it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from webapp.errors import PortalError
from webapp.workspaces.launch import MOUNTED, give, make_home
from webapp.workspaces.places import Place

MKFS = ("/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4")
TRIED_SIZE = 2 * 1024**2
# From this size on there is room for a journal, in bytes; it is kept small, as there is one for each student.
JOURNALLED = 64 * 1024**2
# What a file or folder counts at least where a home is a folder, in bytes: empty ones take room as well.
ENTRY = 4096


def prepare(place: Place, uid: int, size: int, *, plain: bool = False) -> Path | None:
    """Make the home where there is none. Returns the image to mount on it, None where it is a folder.

    A home stays what it was made as; one that is made `plain` is a folder. Raises PortalError.
    """
    if place.image.exists():
        unmount(place)  # Mounted twice, a file system would be spoilt.
        place.home.mkdir(mode=0o700, exist_ok=True)
        return place.image
    if place.home.exists() and any(place.home.iterdir()):
        give(place.home, uid)
        return None
    place.home.mkdir(mode=0o700, exist_ok=True)
    if not plain and images_work():
        _format(place.image, size)
        return place.image
    give(place.home, uid)
    return None


def mount(place: Place, uid: int) -> None:
    """Mount the home's image on the machine, where a container engine sees it. Idempotent. Raises PortalError."""
    if not place.home.is_mount():
        done = subprocess.run(
            ["/usr/bin/mount", "-t", "ext4", "-o", MOUNTED, str(place.image), str(place.home)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PortalError(f"the home {place.image} cannot be mounted: {done.stderr.strip()}")
    make_home(place.home / "student", uid)


def unmount(place: Place) -> None:
    """Undo `mount`. Idempotent; what is in use still goes once it is not. Raises PortalError."""
    if place.home.is_mount():
        done = subprocess.run(["/usr/bin/umount", "-l", str(place.home)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PortalError(f"the home {place.home} cannot be unmounted: {done.stderr.strip()}")


_works: bool | None = None


def images_work() -> bool:
    """Whether this machine lets us mount an image; tried once, in a namespace that is gone afterwards."""
    global _works  # noqa: PLW0603 - what a machine can do does not change
    if _works is None:
        _works = os.geteuid() == 0 and _mkfs() is not None and shutil.which("unshare") is not None and _try()
    return _works


def _mkfs() -> str | None:
    return next((path for path in MKFS if Path(path).exists()), None)


def _try() -> bool:
    with tempfile.TemporaryDirectory(prefix="seatrial-") as folder:
        image, point = Path(folder, "image"), Path(folder, "point")
        point.mkdir()
        try:
            _format(image, TRIED_SIZE)
        except PortalError:
            return False
        tried = [
            "unshare",
            "--mount",
            "--propagation",
            "slave",
            "mount",
            "-t",
            "ext4",
            "-o",
            "loop",
            str(image),
            str(point),
        ]
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def _format(image: Path, size: int) -> None:
    """An empty file system. It takes room on the disk only as it is filled."""
    making = image.with_suffix(".new")
    with making.open("wb") as file:
        file.truncate(size)
    making.chmod(0o600)
    journal = ["-J", "size=4"] if size >= JOURNALLED else []
    options = ["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", *journal]
    made = subprocess.run([_mkfs() or MKFS[0], *options, str(making)], capture_output=True, text=True, check=False)
    if made.returncode:
        making.unlink(missing_ok=True)
        raise PortalError(f"the home {image} cannot be made: {made.stderr.strip() or 'mkfs.ext4 fails'}")
    making.replace(image)


def used(home: Path, enough: int) -> int:
    """The bytes that a home that is a folder takes, what is empty counted as ENTRY.

    No link is followed, and the walk ends as soon as it has come to more than `enough`: by what an entry counts, that
    bounds how many there may be.
    """
    total, waiting = 0, [str(home)]
    links: set[tuple[int, int]] = set()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += max(_size(entry, links), ENTRY)
                    if total > enough:
                        return total
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue  # gone since, or too deep for a path: whatever it is, the student is still working on it
    return total


def _size(entry: os.DirEntry[str], links: set[tuple[int, int]]) -> int:
    """Of one entry, in bytes; 0 where it is gone since, or was counted by another of its names."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return 0
    same = (found.st_dev, found.st_ino)
    if same in links:
        return 0
    if found.st_nlink > 1:
        links.add(same)
    return found.st_blocks * 512
