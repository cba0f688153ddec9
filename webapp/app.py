"""The portal as a WSGI application: the slices' views put together."""

from __future__ import annotations

from flask import Flask

from webapp import settings as settings_module
from webapp.accounts import hub, signin
from webapp.accounts.views import blueprint as accounts
from webapp.catalog.views import blueprint as catalog
from webapp.database import Database
from webapp.grading.views import blueprint as grading
from webapp.live.views import blueprint as live
from webapp.sessions.views import blueprint as sessions
from webapp.settings import PREFIX, Settings
from webapp.teaching.views import blueprint as teaching
from webapp.web import context, csrf, errors, headers, health, templating

BLUEPRINTS = (health.blueprint, accounts, catalog, sessions, grading, live, teaching)


def create_app(settings: Settings | None = None) -> Flask:
    """The application. It opens nothing yet: a database that is not there is told on the page that needs it.

    `gunicorn 'webapp.app:create_app()'` reads the settings from the environment.
    """
    chosen = settings or settings_module.from_environment()
    app = Flask("webapp.web", static_url_path=f"{PREFIX}/static")
    app.config["SECRET_KEY"] = None  # Flask's own signed session is not used: a browser has a row, see accounts.signin.
    context.install(app, chosen, Database(chosen.database_url))
    headers.install(app)
    errors.install(app)
    templating.install(app)
    signin.install(app)
    csrf.install(app)
    hub.install(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=PREFIX)
    return app
