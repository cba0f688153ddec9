"""What can go wrong while an image is made, told in one sentence."""

from __future__ import annotations

import errno
from pathlib import Path

from clusters.errors import PermanentError


class ImageBuildError(PermanentError):
    """An image cannot be made here until somebody acts."""


def of_disk(fault: OSError, folder: Path) -> ImageBuildError:
    """The error to raise where a file in the cache cannot be written."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return ImageBuildError(
            f"the disk of {folder} is full: a node image takes 3 GB while it is made; free some and run this again, it "
            "goes on from where it was"
        )
    return ImageBuildError(
        f"{folder} cannot be written ({fault.strerror or fault}): is it yours? XDG_CACHE_HOME may name another"
    )
