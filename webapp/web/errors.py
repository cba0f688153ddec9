"""Every fault as a page, or as a fragment or JSON where a script asked: what is wrong, and what to do."""

from __future__ import annotations

import http
import logging
import secrets

from flask import Flask, Response, abort, g, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from webapp.database import DatabaseBusy, DatabaseFault
from webapp.errors import PortalError, Refused

LOG = logging.getLogger(__name__)

# A form of ours is a few hundred bytes, a password or a hand raised.
LARGEST = 256 * 1024
# What is still read of a body that is too large, so that the browser shows our page and not a broken connection.
DRAINED = 16 * 1024**2

SENTENCES = {
    400: "The server does not understand what was sent: go back, reload the page and try again",
    401: "You are not signed in, or no longer: sign in and try again",
    403: "This is not yours to see",
    404: "There is no such page: the link is old, or mistyped",
    405: "This page cannot be used in that way: go back and use its buttons",
    413: "That is too large: a form here takes at most 256 KiB. Nothing was changed",
    415: "That is of a kind that this page does not take",
    500: "The portal has a fault here. Nothing that you did before is lost; tell your instructor the number below",
}


def install(app: Flask) -> None:
    """Answer each kind of fault."""
    app.before_request(_no_nul)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST
    app.register_error_handler(Refused, lambda fault: answer(str(fault), fault.status))
    app.register_error_handler(DatabaseFault, _database)
    app.register_error_handler(PortalError, lambda fault: answer(str(fault), 503))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _bug)


def answer(sentence: str, status: int, *, number: str = "") -> Response:
    """The sentence in the form that was asked for."""
    title = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Error"
    sentence = sentence[:1].upper() + sentence[1:]
    accepted = request.accept_mimetypes
    if request.headers.get("HX-Request"):
        body = render_template("error_fragment.html", sentence=sentence, number=number)
        response = make_response(body, status)
    elif accepted.best_match(["text/html", "application/json"], "text/html") == "application/json":
        response = make_response(jsonify(error=sentence), status)
    else:
        body = render_template("error.html", status=status, title=title, sentence=sentence, number=number)
        response = make_response(body, status)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _no_nul() -> None:
    """No address of ours holds a NUL, and PostgreSQL takes it for a fault of the program that asks."""
    if "\0" in request.path or any("\0" in text for pair in request.args.items(multi=True) for text in pair):
        abort(404)


def _database(fault: DatabaseFault) -> Response:
    LOG.log(logging.WARNING if isinstance(fault, DatabaseBusy) else logging.ERROR, "%s", fault)
    return answer(str(fault), 503)


def _http(fault: HTTPException) -> Response:
    status = fault.code or 500
    if status < 400:
        return make_response(fault.get_response())
    if isinstance(fault, RequestEntityTooLarge):
        _drain()
    response = answer(SENTENCES.get(status, fault.description or "Something went wrong"), status)
    for name, value in fault.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _drain() -> None:
    left = min(request.content_length or 0, DRAINED)
    while left > 0:
        read = request.environ["wsgi.input"].read(min(left, 65536))
        if not read:
            return
        left -= len(read)


def _bug(fault: Exception) -> Response:
    number = secrets.token_hex(4)
    user = g.get("user")
    LOG.exception("fault %s at %s %s for %s", number, request.method, request.path, user.name if user else "nobody")
    return answer(SENTENCES[500], 500, number=number)
