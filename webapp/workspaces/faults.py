"""The sentence with which the platform ended a workspace. It outlives the next start, so that the owner sees it."""

from __future__ import annotations

import time
from pathlib import Path

from webapp.workspaces import places
from webapp.workspaces.places import Place

# For how long a sentence is shown, in seconds.
SHOWN = 1800.0


def leave(place: Place, sentence: str) -> None:
    """Write down why a workspace was ended, before it is."""
    forget(place)  # the same sentence again is a new one
    places.write(place.fault, sentence)


def forget(place: Place) -> None:
    """The workspace was stopped as it should be: there is nothing to tell any more."""
    place.fault.unlink(missing_ok=True)


def told(workspaces: Path, user_id: int) -> str | None:
    """What the owner is to read, None where nothing of late is to be told."""
    path = places.of(workspaces, user_id).fault
    try:
        age = time.time() - path.stat().st_mtime
        # A clock that was put back makes nothing older.
        return (path.read_text() or None) if age < SHOWN else None
    except (FileNotFoundError, NotADirectoryError):
        return None
