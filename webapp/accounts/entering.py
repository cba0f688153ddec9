"""Letting a browser into its user's workspace: the cookie that the door before it asks for."""

from __future__ import annotations

from flask import Response, current_app, redirect

from webapp.accounts import signin, ticket
from webapp.accounts.models import User
from webapp.errors import Refused
from webapp.web.context import settings

# As long as the Hub's own cookie, so that a JupyterLab that is open all week is not cut off; in seconds.
LASTS = 14 * 24 * 3600


def enter(user: User, page: str) -> Response:
    """Let the browser in and lead it on to a page of its user's workspace. Raises Refused for every other page."""
    try:
        name, path = ticket.owner(page)
    except ValueError as fault:
        raise Refused("This link leads to no page of a workspace", 400) from fault
    if name != user.name:
        raise Refused("This workspace belongs to somebody else; only its owner can open it", 403)
    # Without a slash at its end the address of the workspace itself would not get the cookie.
    there = page if page.startswith(path) else path + page[len(path) - 1 :]
    response = current_app.make_response(redirect(there, 303))
    let_in(response, user, path)
    return response


def let_in(response: Response, user: User, *paths: str) -> None:
    """Hand the user's ticket to the browser, for these paths of the workspace, or as they are usually written."""
    value = ticket.make(settings().key(ticket.KEY), user.id)
    for path in paths or ticket.paths(user.name):
        response.set_cookie(
            ticket.COOKIE,
            value,
            max_age=LASTS,
            path=path,
            httponly=True,
            samesite="Lax",
            secure=signin.over_https(),
        )


def forget(response: Response, user: User) -> None:
    """Take it away again."""
    for path in ticket.paths(user.name):
        response.delete_cookie(ticket.COOKIE, path=path, httponly=True, samesite="Lax", secure=signin.over_https())
