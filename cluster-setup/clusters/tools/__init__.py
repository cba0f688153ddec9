"""The upstream programs: pinned, installed into the user's cache, found again by name. PATH is never asked for them."""

from __future__ import annotations

from pathlib import Path

from clusters.errors import ToolMissing
from clusters.tools import cache
from clusters.tools.pins import pinned

VERSIONS = {name: program.version for name, program in pinned().programs.items()}


def program(name: str) -> Path:
    """Where the pinned program `name` is installed.

    Raises ToolMissing with the command that installs it, PermanentError for a name that is not pinned.
    """
    (found,) = pinned().choose([name])
    path = cache.place(cache.folder(), found)
    if not path.is_file():
        raise ToolMissing(f"{name} {found.version} is not installed; run `seatrial tools install`")
    return path
