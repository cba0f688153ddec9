"""The lab behind a session: found by its slug alone, read with the student's own parameters."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader import labfile
from grader.labfile import LoadedLab
from grader.labfile.catalog import slug as slug_of
from grader.model import LabError
from proving.demand import Demand
from webapp.errors import Refused


def folder(slug: str) -> Path:
    """The folder of a lab. A slug from a URL is never taken for a path. Raises Refused 404."""
    for found in labfile.catalogue():
        if slug_of(found) == slug:
            return found
    raise Refused("There is no such lab.", 404)


def slugs() -> list[str]:
    """The slugs of all labs, in the catalogue's order."""
    return [slug_of(found) for found in labfile.catalogue()]


def load(slug: str, student: str, *, secret: str = "", params: Mapping[str, Any] | None = None) -> LoadedLab:
    """The lab as it is on disk now. Raises Refused 404, and LabFaults for one that cannot be read."""
    return labfile.read(folder(slug), student=student, secret=secret, params=params)


def demand() -> Demand:
    """What a cluster needs in which any of the labs can be done. One that cannot be read asks for nothing."""
    return Demand.of(lab for lab in map(_readable, slugs()) if lab is not None)


def _readable(slug: str) -> LoadedLab | None:
    try:
        return load(slug, "student")
    except (LabError, Refused):
        return None


def title(slug: str) -> str:
    """The lab's title; the slug of one that is gone from the catalogue, or cannot be read."""
    try:
        file = folder(slug) / "lab.yaml"
        seen = file.stat()
    except (Refused, OSError):
        return slug
    return _title(slug, seen.st_mtime_ns, seen.st_size)


@functools.lru_cache(maxsize=256)
def _title(slug: str, _changed: int, _size: int) -> str:
    lab = _readable(slug)
    return slug if lab is None else lab.spec.title
