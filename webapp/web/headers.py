"""The headers of every answer: what a page may load, who may frame it, what may be kept."""

from __future__ import annotations

import re

from flask import Flask, Response, g, request

# What a browser may send as the host of a URL; anything else is kept out of the policy.
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")

PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"


def install(app: Flask) -> None:
    """Put them on every answer, errors and static files too."""
    app.after_request(put)


def allow_terminal_styles() -> None:
    """For a page with a terminal: xterm.js writes its colours into style elements of its own making."""
    g.terminal_styles = True


def policy() -> str:
    """The Content-Security-Policy of this answer: nothing but ours, no inline script, no style attribute in markup."""
    sockets = f" ws://{request.host} wss://{request.host}" if HOST.fullmatch(request.host) else ""
    rules = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src 'self'{sockets}",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
    ]
    if g.get("terminal_styles"):
        rules.insert(3, "style-src-elem 'self' 'unsafe-inline'")
    return "; ".join(rules)


def put(response: Response) -> Response:
    """Put the headers on, those that a view set itself aside."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", policy())
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.endpoint == "static" and response.status_code in {200, 304}:
        # A file asked for with its digest never changes under that address.
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if "v" in request.args else "no-cache"
    else:
        headers["Cache-Control"] = "no-store"
    return response
