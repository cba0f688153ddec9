"""A fault of a lab, with its place, and the error that carries all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.model import LabError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with a lab. `line` counts from 1; 0 says that the file as a whole is meant."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        """`labs/03-labels/lab.yaml:17: message`, the path as seen from the current directory."""
        place = f"{shown(self.path)}:{self.line}" if self.line else str(shown(self.path))
        return f"{place}: {self.message}"


class LabFaults(LabError):
    """Everything that is wrong with a lab; the text is one fault a line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults by file and line, each once."""
        self.faults = sorted(set(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def shown(path: Path) -> Path:
    """The path as seen from the current directory where it lies below it, else as it is."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None where none is near."""
    known = list(known)
    by_lower = {one.lower(): one for one in known}
    if word.lower() in by_lower:
        return by_lower[word.lower()]
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "match"?`, or "" where no known word is near."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""
