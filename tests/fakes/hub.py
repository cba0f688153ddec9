"""A JupyterHub of two endpoints: it changes a code for a token, and says whose the token is."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from tests.fakes.serving import served


@dataclass
class FakeHub:
    """`codes`: code -> (the user's name, the PKCE challenge). A code works once, as the Hub has it."""

    url: str = ""
    secret: str = ""
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    kind: str = "user"
    broken: bool = False

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, str]]:
        """Change a code for a token."""
        name, challenge = self.codes.pop(form.get("code", [""])[0], ("", ""))
        digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
        proved = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
        if not name or not proved or form.get("client_secret") != [self.secret]:
            return 400, {"error": "invalid_grant"}
        token = digest.hex()
        self.tokens[token] = name
        return 200, {"access_token": token, "token_type": "Bearer"}

    def user(self, authorization: str) -> tuple[int, dict[str, object]]:
        """Say whose the token is."""
        name = self.tokens.get(authorization.rpartition(" ")[2])
        return (200, {"name": name, "kind": self.kind, "scopes": []}) if name else (403, {})


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve it at a port of its own, in this process."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send(*hub.token(parse_qs(body)))

        def do_GET(self) -> None:
            self.send(*hub.user(self.headers.get("Authorization", "")))

        def send(self, status: int, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(500 if hub.broken else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served(Handler) as hub.url:
        yield hub
