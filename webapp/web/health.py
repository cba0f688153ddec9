"""Whether the portal does its work, for whoever watches over it. Asks for no sign-in and shows nothing of anybody."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from webapp.database import DatabaseFault, check
from webapp.database.base import Moment, now
from webapp.web.context import database

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """`database`: it answers and has this version's tables. `reconciler`: seconds since its last pass, or null."""
    found = database()
    try:
        check(found)
        with found.reading() as db:
            query = text("SELECT at FROM passes WHERE process = 'reconciler'").columns(at=Moment)
            last = db.scalar(query)
    except DatabaseFault as fault:
        return jsonify(database=False, reconciler=None, fault=str(fault)), 503
    return jsonify(database=True, reconciler=None if last is None else round((now() - last).total_seconds(), 1))
