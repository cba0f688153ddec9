"""What templates may call, besides what a view hands them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from flask import Flask, g, request, url_for
from markupsafe import Markup

from webapp.settings import PREFIX
from webapp.web import csrf

STATIC = Path(__file__).parent / "static"


def install(app: Flask) -> None:
    """Give `asset`, `csrf_field`, `csrf_token` and `user` to every template; autoescape whatever its name ends in."""
    app.jinja_options = {**app.jinja_options, "autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters["ended"] = ended
    app.context_processor(
        lambda: {
            "asset": asset,
            "csrf_field": csrf_field,
            "csrf_token": csrf.token,
            "prefix": PREFIX,
            "user": g.get("user"),
            "here": request.path,
        }
    )


def asset(path: str) -> str:
    """The address of a file in static/, which changes with what is in it."""
    return url_for("static", filename=path, v=_digest(path, (STATIC / path).stat().st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _digest(path: str, _: int) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:16]


def csrf_field() -> Markup:
    """The hidden field that every form needs."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(csrf.token())


def ended(sentence: str) -> str:
    """The sentence with its full stop."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
