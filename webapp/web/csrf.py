"""No form is taken that did not come from one of our own pages.

The token belongs to the signed-in browser: accounts.signin puts it into `flask.g.csrf_token`. There is no form for who
is not signed in; the sign-in form is the Hub's.

Students' workspaces serve pages of the same origin, below /user/. What a browser says of where a request began is a
second wall against those: a page that means to can leave it out.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Flask, g, request

from webapp.errors import Refused

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Of Sec-Fetch-Site: a page of ours, or nobody's.
OURS = frozenset({"", "same-origin", "none"})
# Where workspaces and the Hub have their pages.
OTHERS = ("/user/", "/hub/")


def install(app: Flask) -> None:
    """Check every request that changes something, whichever view it is for."""
    app.before_request(check)


def token() -> str:
    """The token of this browser, for a hidden field; empty for who is not signed in."""
    return str(g.get("csrf_token") or "")


def check() -> None:
    """Raise Refused unless the request is a safe one or carries the token."""
    if request.method in SAFE:
        return
    if request.headers.get("Sec-Fetch-Site", "") not in OURS or _path(request.headers.get("Referer", "")).startswith(
        OTHERS
    ):
        raise Refused(
            "This was not sent from a page of the portal: open the page there and press the button again", 403
        )
    expected = token()
    if not expected:
        raise Refused("You are not signed in, or no longer: sign in and send it again", 401)
    # An empty header, as an empty field, is none.
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Refused("This form is not from this sign-in: reload the page and send it again", 403)


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
