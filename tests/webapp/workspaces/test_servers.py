"""Whose workspaces run, as a real Hub tells the reconciler, which ends those that nobody needs."""

from __future__ import annotations

import datetime

import pytest

from tests.webapp.workspaces.conftest import demand_sandbox, until
from tests.webapp.workspaces.platforms import a_platform
from webapp.platform.hub import PORTAL_SCOPES
from webapp.workspaces import hub

pytestmark = pytest.mark.portal


def test_whose_workspaces_run_and_when_something_happened_in_them(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand_sandbox()
    assert "list:users" in PORTAL_SCOPES
    monkeypatch.setattr(hub, "PAGE", 1)  # which two users do not fit on
    with a_platform(tmp_path_factory.mktemp("p"), "ada", "eve") as platform:
        assert platform.api.servers() == {}
        for name in ("ada", "eve"):
            platform.api.ensure_server(name)
        found = platform.api.servers()
        assert set(found) == {"ada", "eve"}
        for at in found.values():
            assert at is not None and abs(datetime.datetime.now(datetime.UTC) - at) < datetime.timedelta(minutes=30)
        platform.api.stop_server("ada")
        until(lambda: set(platform.api.servers()) == {"eve"}, "ada's is no longer among them")
