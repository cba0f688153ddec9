"""Signing in through the Hub by OAuth: the Hub says who it is, then the portal keeps a browser session of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

from flask import Flask, Response, current_app, g, redirect
from jupyterhub.services.auth import HubOAuth
from tornado.web import HTTPError

from webapp.accounts import entering, services, signin
from webapp.accounts.models import User
from webapp.errors import PortalError, Refused
from webapp.settings import PREFIX
from webapp.web.context import settings, transaction

CLIENT = "service-portal"
CALLBACK = f"{PREFIX}/oauth_callback"
# How long one may take to type a password, in seconds.
PATIENCE = 600


@dataclass(frozen=True, slots=True)
class Going:
    """What the browser keeps while it is at the Hub: one cookie for each tab that signs in."""

    state: str
    verifier: str
    next_page: str

    @property
    def cookie(self) -> str:
        """The cookie's name, which the state that comes back leads to."""
        return cookie_of(self.state)


def cookie_of(state: str) -> str:
    """The name of the cookie that belongs to a state."""
    return f"seatrial-signing-in-{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()[:12]}"


def inside(page: str | None) -> str:
    """The page, if it is one of the portal's; its first one otherwise. Nobody is led elsewhere by our own link."""
    home = f"{PREFIX}/"
    if not page or not page.startswith(home) or not page.isprintable() or "\\" in page or ".." in page:
        return home
    return page


def leave(next_page: str | None) -> Response:
    """Send the browser to the Hub, which sends it back to `arrive`."""
    verifier, challenge, method = _oauth().generate_pkce_code_challenge()
    going = Going(secrets.token_urlsafe(24), verifier, inside(next_page))
    query = {
        "client_id": CLIENT,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": going.state,
        "code_challenge": challenge,
        "code_challenge_method": method,
    }
    response = redirect(f"/hub/api/oauth2/authorize?{urlencode(query)}")
    kept = quote(json.dumps([going.state, going.verifier, going.next_page]))
    response.set_cookie(
        going.cookie,
        kept,
        max_age=PATIENCE,
        path=CALLBACK,
        httponly=True,
        samesite="Lax",
        secure=signin.over_https(),
    )
    return _as_response(response)


def arrive(arguments: Any, cookies: Any) -> Response:
    """Take the browser back, and sign it in. Raises Refused where it was not this browser that left."""
    if arguments.get("error"):
        raise Refused("The Hub did not sign you in: go back to the labs and try again", 403)
    going = _kept(arguments.get("state", ""), cookies)
    name = _who(arguments.get("code", ""), going.verifier)
    with transaction() as db:
        user = _user(db, name)
        token = signin.begin(db, user)
        services.audit(db, user, "signed in", user.name)
    response = _as_response(redirect(going.next_page))
    response.delete_cookie(going.cookie, path=CALLBACK)
    signin.set_cookie(response, token)
    if g.user is not None and g.user.id != user.id:
        entering.forget(response, g.user)
    entering.let_in(response, user)
    return response


def _kept(state: str, cookies: Any) -> Going:
    again = Refused("This sign-in was not begun in this browser, or too long ago: go back and try again", 403)
    try:
        kept_state, verifier, next_page = json.loads(unquote(cookies.get(cookie_of(state), "")))
    except ValueError as fault:
        raise again from fault
    if not state or not hmac.compare_digest(str(kept_state).encode(), state.encode()):
        raise again
    return Going(state, str(verifier), inside(str(next_page)))


def _who(code: str, verifier: str) -> str:
    oauth = _oauth()
    try:
        model = oauth.user_for_token(oauth.token_for_code(code, code_verifier=verifier), use_cache=False)
    except HTTPError as fault:
        # How HubOAuth passes on a code that is used up, expired or made up; a Hub that does not answer has other words.
        if str(fault.log_message).startswith("Failed to check authorization:"):
            raise Refused("The Hub does not know this sign-in any more: go back and try again", 403) from fault
        raise Refused("The Hub does not answer just now: wait a few seconds and try again", 503) from fault
    if not model or model.get("kind") != "user":
        raise Refused("The Hub signed in nobody: go back to the labs and try again", 403)
    return str(model["name"])


def _user(db: Any, name: str) -> User:
    try:
        user = services.arrived(db, name) if settings().sign_in_elsewhere else services.by_name(db, name)
    except PortalError as fault:
        raise Refused(f"You cannot come in under this name: {fault}", 403) from fault
    if user is None or not user.active:
        raise Refused(f"There is no user {name!r} here any more: ask your instructor", 403)
    return user


def install(app: Flask) -> None:
    """Keep one client of the Hub, made at the first sign-in."""
    app.extensions["seatrial.oauth"] = None


def _oauth() -> HubOAuth:
    found: HubOAuth | None = current_app.extensions["seatrial.oauth"]
    if found is None:
        found = current_app.extensions["seatrial.oauth"] = HubOAuth(
            api_token=settings().key("portal"),
            api_url=settings().hub_url,
            base_url=f"{PREFIX}/",
            hub_prefix="/hub/",
            oauth_client_id=CLIENT,
            oauth_redirect_uri=CALLBACK,
            cache_max_age=0,
        )
    return found


def _as_response(response: Any) -> Response:
    return current_app.make_response(response)
