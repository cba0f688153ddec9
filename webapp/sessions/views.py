"""What a student presses on a lab's page. Each form leads back to it, and a script takes the part that changed."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from webapp.accounts.signin import current_user, signed_in
from webapp.errors import Refused
from webapp.sessions import services
from webapp.sessions.models import LabSession
from webapp.settings import PREFIX
from webapp.web.context import reading, settings, transaction

blueprint = Blueprint("sessions", __name__)


@blueprint.post("/labs/<slug>/start")
@signed_in
def start(slug: str) -> AnyResponse:
    """Start the lab, or wake it."""
    with transaction() as db:
        services.start(db, current_user(), slug)
    return _back(slug)


@blueprint.post("/labs/<slug>/reset")
@signed_in
def reset(slug: str) -> AnyResponse:
    """A fresh cluster in place of this one."""
    with transaction() as db:
        services.reset(db, _session(db, slug))
    return _back(slug)


@blueprint.post("/labs/<slug>/stop")
@signed_in
def stop(slug: str) -> AnyResponse:
    """Put the cluster to sleep."""
    with transaction() as db:
        services.stop(db, _session(db, slug))
    return _back(slug)


@blueprint.post("/labs/<slug>/hand")
@signed_in
def hand(slug: str) -> AnyResponse:
    """Raise the hand (up=1), or lower it (up=0)."""
    up = request.values.get("up", "1")
    if up not in ("0", "1"):
        raise Refused("The hand is raised with up=1 and lowered with up=0", 400)
    with transaction() as db:
        services.raise_hand(db, _session(db, slug), up == "1")
    return _back(slug)


@blueprint.post("/labs/<slug>/here")
@signed_in
def here(slug: str) -> Response:
    """Somebody moves, types or scrolls on the lab's page."""
    with transaction() as db:
        session = services.current(db, current_user(), slug)
        if session is not None:
            services.touch(db, session)
    return Response(status=204)


@blueprint.post("/labs/<slug>/hints/<task>")
@signed_in
def hint(slug: str, task: str) -> AnyResponse:
    """Ask for a task's hint; that it was asked for is noted."""
    with transaction() as db:
        services.take_hint(db, _session(db, slug), task)
    return _back(slug, f"task-{task}")


@blueprint.get("/labs/<slug>/terminals")
@signed_in
def list_terminals(slug: str) -> Response:
    """The names of the terminals that are open, as JSON."""
    user = current_user()
    with reading() as db:
        _session(db, slug)
    from webapp.workspaces import terminals

    return jsonify(terminals=terminals.list(settings(), user, slug))


@blueprint.post("/labs/<slug>/terminals")
@signed_in
def open_terminal(slug: str) -> AnyResponse:
    """One more terminal: its name, as JSON."""
    user = current_user()
    with reading() as db:
        _session(db, slug)
    from webapp.workspaces import terminals

    name = terminals.open(settings(), user, slug)
    return current_app.make_response((jsonify(name=name), 201))


@blueprint.delete("/labs/<slug>/terminals/<name>")
@signed_in
def close_terminal(slug: str, name: str) -> Response:
    """End a terminal, and what runs in it."""
    user = current_user()
    with reading() as db:
        _session(db, slug)
    from webapp.workspaces import terminals

    terminals.close(settings(), user, name)
    return Response(status=204)


def _session(db: Session, slug: str) -> LabSession:
    """The session of who asks: nobody reaches another's, for it is found by the user who is signed in."""
    session = services.current(db, current_user(), slug)
    if session is None:
        raise Refused("This lab is not started; open its page and press Start", 409)
    return session


def _back(slug: str, anchor: str = "") -> AnyResponse:
    return redirect(f"{PREFIX}/labs/{slug}" + (f"#{anchor}" if anchor else ""), 303)
