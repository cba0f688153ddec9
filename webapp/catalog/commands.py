"""A block of shell, cut into the commands that a student can run one by one.

Pure text: nothing is run here. What is cut is never changed, so the pieces joined by newlines are the block again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
# A line that ends so is not yet a command: the next line belongs to it.
_UNFINISHED = re.compile(r"(\\|\||&&|\|\||\(|\{)\s*$")
_OPENING = re.compile(r"(?:^|[;|&]|\bthen\b|\bdo\b|\belse\b)\s*(?:for|while|until|if|case|select)\b")
_CLOSING = re.compile(r"(?:^|[;|&])\s*(?:done|fi|esac)\b")
# "<name>" and "…" stand for something that the student has to fill in.
_BLANK = re.compile(r"…|<[A-Za-z][A-Za-z0-9 _-]*>|\bPOD\b|\bNAME\b")


@dataclass(frozen=True, slots=True)
class Piece:
    """One command of a block, or a line that is none (blank, a comment). `complete`: it can be run as it is."""

    text: str
    command: bool
    complete: bool


def cut(block: str) -> list[Piece]:
    """The pieces of a block in their order."""
    return [_piece(text) for text in _texts(block.split("\n"))]


def _piece(text: str) -> Piece:
    stripped = text.strip()
    command = bool(stripped) and not stripped.startswith("#")
    return Piece(text, command, command and not _BLANK.search(text))


def _texts(lines: list[str]) -> Iterator[str]:
    held: list[str] = []
    ends: list[
        tuple[str, bool]
    ] = []  # the here-documents that are open: the word that ends one, and whether tabs may precede it
    for line in lines:
        held.append(line)
        if ends:
            word, tabs = ends[0]
            if (line.lstrip("\t") if tabs else line) == word:
                ends.pop(0)
        elif not line.lstrip().startswith("#"):
            ends += [(found[3], found[1] == "-") for found in _HEREDOC.finditer(line)]
        if not ends and _whole("\n".join(held)):
            yield "\n".join(held)
            held = []
    if held:
        yield "\n".join(held)


def _whole(text: str) -> bool:
    """Whether a shell would run this now instead of asking for more."""
    first = text.split("\n", 1)[0]
    if first.lstrip().startswith("#") or _HEREDOC.search(text):
        return True
    if _UNFINISHED.search(text) or _quoted(text):
        return False
    opened = sum(len(_OPENING.findall(line)) for line in text.split("\n"))
    closed = sum(len(_CLOSING.findall(line)) for line in text.split("\n"))
    return opened <= closed


def _quoted(text: str) -> bool:
    """Whether a quotation mark is still open at the end."""
    open_with = ""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and open_with != "'":
            escaped = True
        elif open_with:
            open_with = "" if character == open_with else open_with
        elif character in "'\"":
            open_with = character
    return bool(open_with)
