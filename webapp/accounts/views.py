"""Signing in and out."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, g, redirect, request

from webapp.accounts import entering, hub, services, signin
from webapp.web.context import transaction

blueprint = Blueprint("accounts", __name__)


@blueprint.get("/sign-in")
def sign_in() -> Response:
    """Go to the Hub; whoever is signed in already goes on."""
    next_page = request.args.get("next")
    if g.user is not None:
        return current_app.make_response(redirect(hub.inside(next_page)))
    return hub.leave(next_page)


@blueprint.get("/oauth_callback")
def oauth_callback() -> Response:
    """Come back from the Hub."""
    return hub.arrive(request.args, request.cookies)


@blueprint.get("/workspace")
@signin.signed_in
def workspace() -> Response:
    """Come from the door of a workspace, and go back there with a ticket, where it is one's own."""
    return entering.enter(signin.current_user(), request.args.get("next", ""))


@blueprint.post("/logout")
def logout() -> Response:
    """Sign this browser out here and at the Hub."""
    user = signin.current_user()
    with transaction() as db:
        signin.end(db, request.cookies.get(signin.COOKIE, ""))
        services.audit(db, user, "signed out", user.name)
    response = current_app.make_response(redirect("/hub/logout"))
    signin.forget_cookie(response)
    entering.forget(response, user)
    return response
