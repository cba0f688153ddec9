"""The Hub's API, as the portal uses it: servers of users, and short-lived tokens for one user's server."""

from __future__ import annotations

import datetime
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webapp.errors import PortalError
from webapp.settings import Settings

# In seconds: for an answer; for a server to start; a token's life, and how much of it must be left to use it again.
PATIENCE, START_WITHIN, TOKEN_LIFE, TOKEN_LEFT = 15.0, 60.0, 300, 60
# How soon a start is asked for again while the last server is still ending, in seconds.
AGAIN_AFTER = 0.5
# How many users the Hub tells of at once.
PAGE = 100
# Proxies of the environment are for other machines.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is its JSON, None where it has none."""

    status: int
    body: Any


class HubApi:
    """Safe to share between threads; one a process, so that its tokens are used again."""

    def __init__(self, settings: Settings) -> None:
        """Asks for nothing yet."""
        self._settings = settings
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def ensure_server(self, user_name: str) -> None:
        """Have the user's server run; returns once it answers. Idempotent. Raises PortalError."""
        deadline = time.monotonic() + START_WITHIN
        while not self.server_ready(user_name):
            answer = self._ask("POST", f"users/{quote(user_name, safe='')}/server", patience=START_WITHIN)
            if answer.status == 404:
                raise PortalError(f"the Hub knows no user {user_name}: sign in once, then start the lab again")
            # 201 and 202 both say that it is on its way, 400 that it was already, or that the last one is still ending.
            if answer.status not in (201, 202, 400):
                raise PortalError(f"the workspace of {user_name} does not start: {_said(answer)}")
            if self.server_ready(user_name) or self._comes(user_name):
                return
            if answer.status != 400 or time.monotonic() > deadline:
                raise PortalError(f"the workspace of {user_name} does not start: {_said(answer)}")
            time.sleep(AGAIN_AFTER)

    def server_ready(self, user_name: str) -> bool:
        """Whether the user's server runs and answers. False where the Hub does not know them. Raises PortalError."""
        answer = self._ask("GET", f"users/{quote(user_name, safe='')}")
        if answer.status == 404:
            return False
        if answer.status != 200:
            raise PortalError(f"the Hub does not tell of {user_name}: {_said(answer)}")
        server = (answer.body.get("servers") or {}).get("") or {}
        return bool(server.get("ready"))

    def servers(self) -> dict[str, datetime.datetime | None]:
        """The users whose server runs, and when something last happened in it, None where the Hub does not know.

        Something is what is typed and printed in a terminal, what a kernel does, and what a visible JupyterLab asks
        for. The Hub hears of it every few minutes. Raises PortalError.
        """
        found: dict[str, datetime.datetime | None] = {}
        for begin in itertools.count(0, PAGE):
            answer = self._ask("GET", f"users?state=ready&offset={begin}&limit={PAGE}")
            if answer.status != 200:
                raise PortalError(f"the Hub does not tell whose workspaces run: {_said(answer)}")
            for user in answer.body:
                server = (user.get("servers") or {}).get("") or {}
                at = server.get("last_activity")
                found[str(user["name"])] = datetime.datetime.fromisoformat(at) if at else None
            if len(answer.body) < PAGE:
                break
        return found

    def stop_server(self, user_name: str) -> None:
        """End the user's server, with all that runs in it. Idempotent. Raises PortalError."""
        answer = self._ask("DELETE", f"users/{quote(user_name, safe='')}/server", patience=START_WITHIN)
        if answer.status not in (202, 204, 400, 404):
            raise PortalError(f"the workspace of {user_name} does not stop: {_said(answer)}")

    def at_server(
        self, user_name: str, method: str, path: str, body: Any = None, *, patience: float = PATIENCE
    ) -> Answer:
        """Ask the user's own server, as that user, with a token that is good for this server and some minutes."""
        url = f"{self._settings.address}/user/{quote(user_name, safe='')}/{path}"
        answer = _request(method, url, self._token(user_name), body, patience)
        if answer.status in (401, 403):
            # The token was taken away with the server that it was for.
            with self._lock:
                self._tokens.pop(user_name, None)
            answer = _request(method, url, self._token(user_name), body, patience)
        return answer

    def _token(self, user_name: str) -> str:
        with self._lock:
            token, until = self._tokens.get(user_name, ("", 0.0))
        if time.monotonic() < until:
            return token
        wanted = {
            "note": "portal: terminals",
            "expires_in": TOKEN_LIFE,
            "scopes": [f"access:servers!server={user_name}/"],
        }
        answer = self._ask("POST", f"users/{quote(user_name, safe='')}/tokens", wanted)
        if answer.status not in (200, 201):
            raise PortalError(f"the Hub gives no token for the workspace of {user_name}: {_said(answer)}")
        token = str(answer.body["token"])
        with self._lock:
            self._tokens[user_name] = token, time.monotonic() + TOKEN_LIFE - TOKEN_LEFT
        return token

    def _comes(self, user_name: str) -> bool:
        """Follow the start of a server as the Hub tells it, until it is there (True) or has failed."""
        url = f"{self._settings.hub_url}/users/{quote(user_name, safe='')}/server/progress"
        request = urllib.request.Request(url, headers=self._headers())  # noqa: S310 - our own Hub
        try:
            with _OPENER.open(request, timeout=START_WITHIN) as events:
                for line in events:
                    if line.startswith(b"data:"):
                        event = json.loads(line[5:])
                        if event.get("ready") or event.get("failed"):
                            return bool(event.get("ready"))
        except urllib.error.HTTPError:
            pass  # it has been there, or has failed, before we asked
        except OSError as fault:
            raise PortalError(f"the Hub at {self._settings.hub_url} does not answer: {fault}") from fault
        return self.server_ready(user_name)

    def _ask(self, method: str, path: str, body: Any = None, *, patience: float = PATIENCE) -> Answer:
        answer = _request(method, f"{self._settings.hub_url}/{path}", self._settings.key("portal"), body, patience)
        if answer.status in (404, 503) and not isinstance(answer.body, dict):
            # The proxy's own page: it stands, and does not know the way to the Hub yet.
            raise PortalError("the Hub is being started; try again in some seconds")
        return answer

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"token {self._settings.key('portal')}", "Accept": "text/event-stream"}


def _request(method: str, url: str, token: str, body: Any, patience: float) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {token}", "Accept": "application/json"}
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - our own Hub
    try:
        with _OPENER.open(request, timeout=patience) as answer:
            return Answer(answer.status, _json(answer.read()))
    except urllib.error.HTTPError as fault:
        with fault:
            return Answer(fault.code, _json(fault.read()))
    except OSError as fault:
        raise PortalError(f"the Hub does not answer at {url}: {fault}") from fault


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def _said(answer: Answer) -> str:
    told = answer.body.get("message") if isinstance(answer.body, dict) else None
    return f"{told} (HTTP {answer.status})" if told else f"HTTP {answer.status}"
