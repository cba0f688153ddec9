"""Who is signed in: the browser's cookie, its row, and what a view asks for.

@blueprint.get("/results")
@signed_in
def results(): ... current_user() ...

@blueprint.get("/class")
@role(Role.INSTRUCTOR)
def class_table(): ...
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import secrets
from collections.abc import Callable
from typing import ParamSpec, cast
from urllib.parse import quote

from flask import Flask, Response, g, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy import delete
from sqlalchemy.orm import Session

from webapp.accounts.models import BrowserSession, Role, User
from webapp.database.base import now
from webapp.errors import Refused
from webapp.settings import PREFIX
from webapp.web.context import reading

COOKIE = "seatrial-portal"
# Then the Hub is asked once more, without a word to the user while its own sign-in lasts.
LASTS = datetime.timedelta(hours=12)
# What needs to know nobody, and must answer without a database.
OPEN_ENDPOINTS = frozenset({"static", "health.healthz"})

P = ParamSpec("P")

_RANK = {Role.STUDENT: 0, Role.INSTRUCTOR: 1, Role.ADMIN: 2}


def install(app: Flask) -> None:
    """Find out before every request who sends it."""
    app.before_request(_load)


def begin(db: Session, user: User) -> str:
    """Sign a browser in. Returns the token for its cookie, which is stored nowhere but there."""
    db.execute(delete(BrowserSession).where(BrowserSession.expires_at < now()))
    token = secrets.token_urlsafe(32)
    row = BrowserSession(
        token_digest=digest(token), user_id=user.id, csrf=secrets.token_urlsafe(32), expires_at=now() + LASTS
    )
    db.add(row)
    return token


def end(db: Session, token: str) -> None:
    """Sign the browser out."""
    db.execute(delete(BrowserSession).where(BrowserSession.token_digest == digest(token)))


def digest(token: str) -> str:
    """What is stored of a token: who reads the database can sign in as nobody."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def set_cookie(response: Response, token: str) -> None:
    """Hand the token to the browser: to no script, to no other site's forms, to no page outside the portal."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LASTS.total_seconds()),
        path=f"{PREFIX}/",
        httponly=True,
        samesite="Lax",
        secure=over_https(),
    )


def forget_cookie(response: Response) -> None:
    """Take it away again."""
    response.delete_cookie(COOKIE, path=f"{PREFIX}/", httponly=True, samesite="Lax", secure=over_https())


def over_https() -> bool:
    """Whether the browser came by HTTPS, which ends at a proxy before us."""
    return request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0].strip() == "https"


def current_user() -> User:
    """Who is signed in. Raises Refused 401 where nobody is."""
    user = g.get("user")
    if user is None:
        raise Refused("You are not signed in, or no longer: sign in and try again", 401)
    return cast(User, user)


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """A view for whoever is signed in. A page sends others to sign in, anything else answers 401."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if g.get("user") is None and _is_page():
            return redirect(sign_in_address(request.full_path.rstrip("?")))
        current_user()
        return view(*args, **kwargs)

    return guarded


def role(least: Role) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """A view for users of that role and those above it. Others get 403."""

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            require(current_user(), least)
            return view(*args, **kwargs)

        return signed_in(guarded)

    return decorate


def require(user: User, least: Role) -> None:
    """Raise Refused 403 unless the user has that role or one above it. For services too."""
    if _RANK[user.role] < _RANK[least]:
        raise Refused(f"This page is for {'instructors' if least is Role.INSTRUCTOR else 'administrators'}", 403)


def sign_in_address(next_page: str) -> str:
    """Where signing in begins, and what page it leads to."""
    return f"{PREFIX}/sign-in?next={quote(next_page, safe='/')}"


def _is_page() -> bool:
    """Whether a person waits for a page, rather than a script for an answer."""
    if request.method not in {"GET", "HEAD"} or request.headers.get("HX-Request"):
        return False
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate" and "text/event-stream" not in str(
        request.accept_mimetypes
    )


def _load() -> None:
    g.user, g.csrf_token = None, None
    token = request.cookies.get(COOKIE)
    if not token or request.endpoint in OPEN_ENDPOINTS:
        return
    with reading() as db:
        row = db.get(BrowserSession, digest(token))
    if row is not None and row.expires_at > now() and row.user.active:
        g.user, g.csrf_token = row.user, row.csrf
