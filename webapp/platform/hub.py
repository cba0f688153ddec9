"""How the Hub is set up. jupyterhub_config.py, which JupyterHub reads, calls `configure` and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from webapp.settings import PREFIX, Settings

# A class of one's own that signs in, such as OAuthenticator's, or any other setting of JupyterHub: this file in the
# data folder is read last.
OWN = "jupyterhub_config.py"
PORTAL = f"{PREFIX}/"
# The schema that holds the Hub's tables where the database is PostgreSQL: both have a table `users`.
SCHEMA = "seatrial_hub"
# What the portal may do at the Hub: start and stop workspaces, see which run, make short-lived tokens for their owners,
# reach them.
PORTAL_SCOPES = ["admin:servers", "tokens", "list:users", "read:users", "read:hub", "access:servers"]
# What a user may do: what concerns themselves, and enter the portal.
USER_SCOPES = ["self", "access:services!service=portal"]
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def configure(c: Any, settings: Settings) -> None:
    """Fill JupyterHub's configuration object. For the Hub's own process: it reads JupyterHub."""
    from webapp.workspaces import keeping
    from webapp.workspaces.hosting import address

    os.umask(0o077)
    hub = c.JupyterHub
    hub.bind_url = f"{settings.address}/"
    hub.hub_bind_url = hub.hub_connect_url = address(settings.run / "hub.sock")
    hub.db_url = database_url(settings)
    hub.cookie_secret_file = str(settings.secrets / "hub-cookies")
    settings.key("hub-cookies")
    hub.cleanup_servers = False  # workspaces outlive the Hub, which takes them up again
    hub.default_url = PORTAL
    # A web server with HTTPS on this machine is not the client: failed sign-ins count for the address before it.
    hub.trusted_downstream_ips = ["127.0.0.1", "::1"]
    hub.template_paths = [str(Path(__file__).parents[1] / "web" / "templates" / "hub")]
    hub.tornado_settings = {"headers": HEADERS}
    hub.log_level = "INFO"
    _proxy(c, settings, address)
    _portal(hub, settings)
    hub.authenticator_class = settings.authenticator
    c.CryptKeeper.keys = [bytes.fromhex(settings.key("hub-states"))]  # of what an Authenticator keeps of a sign-in
    hub.spawner_class = keeping.spawner(settings)


def _proxy(c: Any, settings: Settings, address: Callable[[Path], str]) -> None:
    c.JupyterHub.proxy_class = "webapp.platform.hub_proxy.WatchedProxy"
    c.JupyterHub.cleanup_proxy = False
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = settings.key("proxy")
    c.ConfigurableHTTPProxy.api_url = address(settings.run / "proxy.sock")
    c.WatchedProxy.portal = address(settings.run / "portal.sock")


def _portal(hub: Any, settings: Settings) -> None:
    hub.services = [
        {
            "name": "portal",
            "api_token": settings.key("portal"),
            "oauth_client_id": "service-portal",
            "oauth_redirect_uri": f"{PORTAL}oauth_callback",
            "oauth_no_confirm": True,
            "display": False,
        }
    ]
    hub.load_roles = [
        {"name": "portal-service", "description": "The portal", "services": ["portal"], "scopes": PORTAL_SCOPES},
        {"name": "user", "description": "Whoever may sign in", "scopes": USER_SCOPES},
    ]


def database_url(settings: Settings) -> str:
    """The Hub's own database: SQLite in the data folder, or a schema of its own beside the portal's tables."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "postgresql":
        return f"sqlite:///{settings.data / 'hub' / 'hub.sqlite'}"
    mine = url.set(drivername="postgresql+psycopg").update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    return mine.render_as_string(hide_password=False)


def prepare(settings: Settings) -> None:
    """Make the Hub's schema where the database is PostgreSQL. Raises what SQLAlchemy raises."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "postgresql":
        return
    from sqlalchemy import create_engine, text

    engine = create_engine(url.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    engine.dispose()
