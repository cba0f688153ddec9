"""Terminals in a student's workspace, through Jupyter's own API. The browser talks to them without us.

A terminal's name says which lab it was opened for: `services_3fa9c1`, the slug with underscores, and digits.
"""

from __future__ import annotations

import builtins
import functools
import re
import secrets
import time
from urllib.parse import quote

from webapp.accounts.models import User
from webapp.errors import PortalError, Refused
from webapp.settings import Settings
from webapp.workspaces.hub import Answer, HubApi

# How many a student may have at once: each is a shell.
MOST = 12
NAME = re.compile(r"[A-Za-z0-9_]{1,80}")
# How long the sandbox may take to lay out a lab that was just delivered, and how often we look, in seconds.
LAID_OUT_WITHIN, LOOK_EVERY = 3.0, 0.1


@functools.cache
def _hub(settings: Settings) -> HubApi:
    return HubApi(settings)


def open(settings: Settings, user: User, slug: str) -> str:
    """Open a terminal in the lab's folder; its name. Raises Refused where the workspace is not there, or has enough."""
    hub = _hub(settings)
    there = _all(hub, user)
    if len(there) >= MOST:
        raise Refused(f"You have {MOST} terminals open; close one first", 409)
    _laid_out(hub, user, slug)
    name = f"{_prefix(slug)}{secrets.token_hex(3)}"
    answer = hub.at_server(user.name, "POST", "api/terminals", {"name": name, "cwd": f"labs/{slug}"})
    if answer.status not in (200, 201):
        raise _not_there(answer)
    return str(answer.body["name"])


def list(settings: Settings, user: User, slug: str) -> builtins.list[str]:
    """The names of the lab's terminals; [] where the workspace does not run."""
    try:
        return sorted(name for name in _all(_hub(settings), user) if _of(slug, name))
    except Refused:
        return []


def close(settings: Settings, user: User, name: str) -> None:
    """End a terminal and what runs in it. Idempotent. Raises Refused for what is no terminal's name."""
    if NAME.fullmatch(name) is None:
        raise Refused("There is no such terminal", 404)
    answer = _hub(settings).at_server(user.name, "DELETE", f"api/terminals/{name}")
    if answer.status not in (204, 404):
        raise _not_there(answer)


def _all(hub: HubApi, user: User) -> builtins.list[str]:
    answer = hub.at_server(user.name, "GET", "api/terminals")
    if answer.status != 200 or not isinstance(answer.body, builtins.list):
        raise _not_there(answer)
    return [str(each.get("name")) for each in answer.body if isinstance(each, dict)]


def _laid_out(hub: HubApi, user: User, slug: str) -> None:
    """Wait for the lab's folder, so that the terminal opens there. A home that is full has none: then in the home."""
    deadline = time.monotonic() + LAID_OUT_WITHIN
    while hub.at_server(user.name, "GET", f"api/contents/labs/{quote(slug)}/kubeconfig?content=0").status == 404:
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK_EVERY)


def _prefix(slug: str) -> str:
    return slug.replace("-", "_") + "_"


def _of(slug: str, name: str) -> bool:
    return re.fullmatch(re.escape(_prefix(slug)) + "[0-9a-f]{6}", name) is not None


def _not_there(answer: Answer) -> PortalError:
    if answer.status in (404, 424, 503):
        return Refused("Your workspace is not running yet; it starts with the lab", 409)
    return PortalError(f"the workspace does not answer as it should (HTTP {answer.status})")
