"""The Hub's configuration, as JupyterHub reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from traitlets.config import Config, PyFileConfigLoader

from webapp.platform import hub
from webapp.settings import AUTHENTICATOR, Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path), "SEATRIAL_PORT": "8123"})


@pytest.fixture
def configured(settings: Settings) -> Any:
    made = Config()
    hub.configure(made, settings)
    return made


def test_the_proxy_is_somebody_elses_and_workspaces_outlive_the_hub(configured: Any, settings: Settings) -> None:
    assert configured.ConfigurableHTTPProxy.should_start is False
    assert configured.ConfigurableHTTPProxy.auth_token == settings.key("proxy")
    assert configured.JupyterHub.cleanup_servers is False
    assert configured.JupyterHub.cleanup_proxy is False


def test_only_the_proxy_listens_at_a_port(configured: Any) -> None:
    assert configured.JupyterHub.bind_url == "http://127.0.0.1:8123/"
    for url in (
        configured.JupyterHub.hub_bind_url,
        configured.JupyterHub.hub_connect_url,
        configured.ConfigurableHTTPProxy.api_url,
        configured.WatchedProxy.portal,
    ):
        assert url.startswith("http+unix://")


def test_the_portal_may_what_it_needs_and_users_what_is_theirs(configured: Any, settings: Settings) -> None:
    (service,) = configured.JupyterHub.services
    assert service["api_token"] == settings.key("portal")
    assert service["oauth_client_id"] == "service-portal"
    assert service["oauth_no_confirm"] is True
    roles = {role["name"]: role for role in configured.JupyterHub.load_roles}
    assert all(len(name) >= 3 for name in roles)
    assert "admin:users" not in roles["portal-service"]["scopes"]
    assert set(roles["user"]["scopes"]) == {"self", "access:services!service=portal"}


def test_the_hubs_pages_are_never_framed(configured: Any) -> None:
    headers = configured.JupyterHub.tornado_settings["headers"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"


def test_the_hub_has_tables_of_its_own(settings: Settings) -> None:
    assert make_url(hub.database_url(settings)).database == str(settings.data / "hub" / "hub.sqlite")
    shared = from_environment(
        {"SEATRIAL_DATABASE_URL": "postgresql://ada:s%2Fcret@db.example:5433/seatrial?sslmode=require"}
    )
    url = make_url(hub.database_url(shared))
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "ada", "s/cret", "db.example", 5433, "seatrial",
    )  # fmt: skip
    assert url.query == {"sslmode": "require", "options": f"-csearch_path={hub.SCHEMA}"}


def test_a_file_of_ones_own_is_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_DATA", str(tmp_path))
    monkeypatch.setenv("SEATRIAL_AUTHENTICATOR", "github")
    (tmp_path / hub.OWN).write_text("c.GitHubOAuthenticator.client_id = 'ours'\nc.JupyterHub.log_level = 'DEBUG'\n")
    file = Path(hub.__file__).with_name("jupyterhub_config.py")
    read: Any = PyFileConfigLoader(file.name, path=str(file.parent)).load_config()
    assert read.JupyterHub.authenticator_class == "github"
    assert read.GitHubOAuthenticator.client_id == "ours"
    assert read.JupyterHub.log_level == "DEBUG"


def test_without_it_our_own_sign_in_is_used(configured: Any) -> None:
    assert configured.JupyterHub.authenticator_class == AUTHENTICATOR
