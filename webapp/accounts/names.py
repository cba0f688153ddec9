"""What a user may be called."""

from __future__ import annotations

import re
import unicodedata

from webapp.errors import PortalError

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
LONGEST_DISPLAY_NAME = 200
# Marks that turn the direction of the text around them, and characters that nobody sees.
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Of the format characters, the joiners that many scripts and emoji are spelled with.
_KEPT = {"\u200c", "\u200d"}


def normal(name: str) -> str:
    """A name as it was typed, in the one way that it is stored: NFKC, lower case, no space around it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def key(name: str) -> str:
    """The normal form, or "" for what nobody can be called: what is asked of the database is always a name."""
    result = normal(name[:256])
    return result if NAME.fullmatch(result) else ""


def checked(name: str) -> str:
    """The normal form of the name. Raises PortalError that says what a name is."""
    result = normal(name)
    if not NAME.fullmatch(result):
        raise PortalError(
            f"{name[:80]!r} is no name for a user: take 1 to 64 of a-z 0-9 . _ @ + -, beginning with a letter or digit"
        )
    return result


def display(text: str) -> str:
    """A name for people to read, as it is stored: any script, without what would disturb the text around it."""
    spaced = "".join(" " if character.isspace() else character for character in unicodedata.normalize("NFC", text))
    kept = "".join(c for c in spaced if c in _KEPT or unicodedata.category(c) not in _DROPPED)
    return " ".join(kept.split())[:LONGEST_DISPLAY_NAME].strip()
