"""A university that signs people in by OpenID Connect, and an LMS that launches tools by LTI 1.3, in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.fakes.serving import served

CLIENT = "seatrial"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


@dataclass
class Elsewhere:
    """Whoever comes to it is `name`."""

    name: str = "ada"
    url: str = ""
    secret: str = "between-the-two"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def answer(self, method: str, path: str, asked: dict[str, str], authorization: str) -> tuple[int, object]:
        """An endpoint's status and document; of a redirect the address."""
        if path == "/authorize":
            return 302, asked["redirect_uri"] + "?" + urlencode({"code": "c0de", "state": asked["state"]})
        if path == "/token":
            known = (method, asked.get("code"), asked.get("client_secret") or self.secret) == (
                "POST", "c0de", self.secret
            )  # fmt: skip
            return (200, {"access_token": "t0ken", "token_type": "Bearer"}) if known else (400, {"error": "no"})
        if path == "/userinfo":
            return (200, {"preferred_username": self.name}) if authorization == "Bearer t0ken" else (401, {})
        if path == "/mod/lti/certs.php":
            public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
            return 200, {"keys": [{**public, "kid": "lms", "alg": "RS256", "use": "sig"}]}
        return 404, {}

    def launch(self, asked: dict[str, str], key: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
        """What the LMS has the browser post to the tool, for what the tool has `asked`; signed with `key`."""
        told = {
            "iss": self.url, "aud": asked["client_id"], "sub": "17", "email": self.name, "nonce": asked["nonce"],
            "iat": int(time.time()), "exp": int(time.time()) + 60,
            f"{CLAIM}version": "1.3.0", f"{CLAIM}message_type": "LtiResourceLinkRequest", f"{CLAIM}deployment_id": "1",
            f"{CLAIM}target_link_uri": "http://127.0.0.1/", f"{CLAIM}resource_link": {"id": "5"},
            f"{CLAIM}roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
        }  # fmt: skip
        token = jwt.encode(told, key or self.key, algorithm="RS256", headers={"kid": "lms"})
        return {"id_token": token, "state": asked["state"]}


@contextmanager
def serving(elsewhere: Elsewhere) -> Iterator[Elsewhere]:
    """Serve it at a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = {key: value[0] for key, value in parse_qs(f"{split.query}&{form}").items()}
            status, found = elsewhere.answer(self.command, split.path, asked, self.headers.get("Authorization", ""))
            body = b"" if status == 302 else json.dumps(found).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", str(found))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    with served(Handler) as elsewhere.url:
        yield elsewhere
