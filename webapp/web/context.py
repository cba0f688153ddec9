"""What a view reaches through Flask's application: the settings and the database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

from flask import Flask, current_app
from sqlalchemy.orm import Session

from webapp.database import Database, check
from webapp.settings import Settings


def install(app: Flask, settings: Settings, database: Database) -> None:
    """Hang both on the application."""
    app.extensions["seatrial.settings"] = settings
    app.extensions["seatrial.database"] = database
    app.extensions["seatrial.checked"] = False


def settings() -> Settings:
    """The settings of the application that answers now."""
    return cast(Settings, current_app.extensions["seatrial.settings"])


def database() -> Database:
    """The database of the application that answers now."""
    return cast(Database, current_app.extensions["seatrial.database"])


def transaction() -> AbstractContextManager[Session]:
    """A unit of work that writes: `with transaction() as db`. Keep it short: on SQLite it is the only one."""
    return _checked().transaction()


def reading() -> AbstractContextManager[Session]:
    """A unit of work that only reads."""
    return _checked().reading()


def _checked() -> Database:
    """The database, once its tables were found to be this version's: nothing is read or written before."""
    found = database()
    if not current_app.extensions["seatrial.checked"]:
        check(found)
        current_app.extensions["seatrial.checked"] = True
    return found
