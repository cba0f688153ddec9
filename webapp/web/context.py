"""What a view reaches through Flask's application: the settings and the database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

from flask import Flask, current_app
from sqlalchemy.orm import Session

from webapp.database import Database
from webapp.settings import Settings


def install(app: Flask, settings: Settings, database: Database) -> None:
    """Hang both on the application."""
    app.extensions["seatrial.settings"] = settings
    app.extensions["seatrial.database"] = database


def settings() -> Settings:
    """The settings of the application that answers now."""
    return cast(Settings, current_app.extensions["seatrial.settings"])


def database() -> Database:
    """The database of the application that answers now."""
    return cast(Database, current_app.extensions["seatrial.database"])


def transaction() -> AbstractContextManager[Session]:
    """A unit of work that writes: `with transaction() as db`. Keep it short: on SQLite it is the only one."""
    return database().transaction()


def reading() -> AbstractContextManager[Session]:
    """A unit of work that only reads."""
    return database().reading()
