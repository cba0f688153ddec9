"""A small Hub for the tests: anybody may sign in, the spawner and the Hub's own roles are the real ones."""

import os

from webapp.settings import from_environment
from webapp.workspaces.hosting import address

settings = from_environment()
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
c.JupyterHub.bind_url = f"{settings.address}/"
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = address(settings.run / "hub.sock")
c.JupyterHub.db_url = f"sqlite:///{settings.data / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(settings.data / "cookie")
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = os.environ["SPAWNER"]
c.Workspace.numbers = {"ada": 1, "eve": 2}.__getitem__
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = settings.key("proxy")
c.ConfigurableHTTPProxy.api_url = address(settings.run / "proxy.sock")
c.JupyterHub.services = [{"name": "portal", "api_token": settings.key("portal")}]
scopes = ["admin:servers", "admin:users", "tokens", "read:users", "read:hub", "access:servers"]
c.JupyterHub.load_roles = [{"name": "portal-service", "services": ["portal"], "scopes": scopes}]
