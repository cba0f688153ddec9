"""The ticket with which a browser is let in at a workspace: it says whose browser it is, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, unquote

COOKIE = "seatrial-workspace"
# The name of the secret that tickets are made with.
KEY = "workspaces"
# Where workspaces lie.
USERS = "/user/"


def make(secret: str, user_id: int) -> str:
    """The ticket of one user's workspace."""
    return hmac.new(secret.encode(), f"workspace {user_id}".encode(), hashlib.sha256).hexdigest()


def is_one(ticket: str, given: bytes) -> bool:
    """Whether what a browser sent is this ticket."""
    return hmac.compare_digest(ticket.encode(), given)


def paths(name: str) -> tuple[str, ...]:
    """The user's part of the paths, as the portal, the Hub and browsers write it."""
    return tuple(f"{USERS}{part}/" for part in sorted({quote(name, safe=""), quote(name, safe="@~")}))


def owner(page: str) -> tuple[str, str]:
    """Whose workspace a page is in, and the path of that workspace as it is written there.

    Raises ValueError where it is no page of a workspace, or one that browsers and servers might read differently.
    """
    path = page.partition("?")[0]
    part, plain = path.removeprefix(USERS).partition("/")[0], unquote(path)
    if not path.startswith(USERS) or not part or "//" in path:
        raise ValueError("no page of a workspace")
    if not all("!" <= sign <= "~" for sign in page) or "\\" in page + plain or {".", ".."} & set(plain.split("/")):
        raise ValueError("a page that may be read in several ways")
    return unquote(part), f"{USERS}{part}/"
