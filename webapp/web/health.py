"""Whether the portal does its work, for whoever watches over it. Asks for no sign-in and shows nothing of anybody."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import JSON, text

from webapp.database import DatabaseFault, check
from webapp.database.base import Moment, now
from webapp.web.context import database

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """`database`: it answers and has this version's tables. `reconciler`: seconds since its last pass, or null.

    Once there was one, `pool`: whether clusters can be made, and `waiting`: how many sessions wait for one.
    """
    found = database()
    try:
        check(found)
        with found.reading() as db:
            query = text("SELECT at, detail FROM passes WHERE process = 'reconciler'").columns(at=Moment, detail=JSON)
            last = db.execute(query).one_or_none()
    except DatabaseFault as fault:
        return jsonify(database=False, reconciler=None, fault=str(fault)), 503
    if last is None:
        return jsonify(database=True, reconciler=None)
    age, told = round((now() - last.at).total_seconds(), 1), last.detail
    return jsonify(database=True, reconciler=age, pool=not told.get("fault"), waiting=told.get("waiting", 0))
