"""The stream of a session's events, as server-sent events."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from webapp.accounts.models import Role
from webapp.accounts.services import by_name
from webapp.accounts.signin import current_user, require, signed_in
from webapp.errors import Refused
from webapp.live.feed import Event
from webapp.live.services import Feeds, Viewer, raise_limit
from webapp.sessions.services import current
from webapp.web.context import reading

blueprint = Blueprint("live", __name__)
# After so many seconds of silence a comment is sent, by which proxies know that the stream lives. How often it is
# looked whether the browser is still there. After how long a stream ends, so that the browser comes again and whether
# it still may is asked anew.
HEARTBEAT, LOOK_UP, LASTS = 15.0, 2.0, 600.0
# What the browser waits before it comes again, in milliseconds.
RETRY = 2000


@blueprint.record_once
def _install(state: BlueprintSetupState) -> None:
    raise_limit()
    state.app.extensions["seatrial.live"] = Feeds(
        state.app.extensions["seatrial.database"], workspaces=state.app.extensions["seatrial.settings"].workspaces
    )


def feeds() -> Feeds:
    """The feeds of the application that answers now."""
    return cast(Feeds, current_app.extensions["seatrial.live"])


@blueprint.get("/labs/<slug>/events")
@signed_in
def events(slug: str) -> Response:
    """One's own session in a lab; an instructor's look at another's with ?user=NAME."""
    viewer = current_user()
    name = request.args.get("user")
    with reading() as db:
        owner = viewer
        if name is not None and name != viewer.name:
            require(viewer, Role.INSTRUCTOR)
            found = by_name(db, name)
            if found is None:
                raise Refused("There is no such student.", 404)
            owner = found
        session = current(db, owner, slug)
        if session is None:
            raise Refused("This lab is not started.", 404)
        session_id, own = session.id, owner.id == viewer.id
    one = feeds().subscribe(session_id, viewer.id, owner=own, after=request.headers.get("Last-Event-ID", "")[:64])
    response = Response(stream(one, request.environ), mimetype="text/event-stream")
    # Also where nobody ever reads the first line.
    response.call_on_close(one.close)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def stream(viewer: Viewer, environ: Mapping[str, Any]) -> Iterator[bytes]:
    """The events as they come, and comments where none do, until the browser has gone."""
    until = time.monotonic() + LASTS
    spoken = time.monotonic()
    try:
        yield b"retry: %d\n\n" % RETRY
        while time.monotonic() < until and not hung_up(environ):
            events = viewer.next(LOOK_UP)
            if events is None:
                return
            if events:
                yield b"".join(map(wire, events))
            elif time.monotonic() - spoken < HEARTBEAT:
                continue
            else:
                yield b": still here\n\n"
            spoken = time.monotonic()
    finally:
        viewer.close()


def wire(event: Event) -> bytes:
    """An event as it goes over the wire. JSON has no line breaks outside its strings, and none in them."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), event.name.encode(), event.data)


def hung_up(environ: Mapping[str, Any]) -> bool:
    """Whether the other side has closed the connection, as far as the server lets us look."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
