"""A workspace on a machine that makes no sandbox: it works all the same, for this machine alone, and says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.tools import program
from tests.webapp.workspaces.conftest import House, StandIn, deliver, until
from tests.webapp.workspaces.platforms import Platform, a_platform, type_into
from webapp.errors import PortalError
from webapp.settings import Settings, from_environment
from webapp.workspaces import bare, places, processes, programs, sandbox, starting, terminals
from webapp.workspaces.launch import give
from webapp.workspaces.limits import LIMITS

ADA: Any = SimpleNamespace(id=1, name="ada")


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "sandbox_fault", lambda: "none here")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path), "SEATRIAL_PORT": "8123", "SEATRIAL_PROVIDER": "kwok"})


@pytest.mark.usefixtures("no_sandbox")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "lab.example.org"])
def test_where_others_are_let_in_none_starts_without_a_sandbox(settings: Settings, host: str) -> None:
    place = places.of(settings.workspaces, 1)
    open_to_others = replace(settings, host=host)
    with pytest.raises(PortalError, match=r"no working sandbox .none here., and the portal is not for this machine"):
        starting.start(open_to_others, place, LIMITS, sandbox.environment({}), ["true"])
    assert not place.state.exists()
    assert bare.notice(open_to_others) is None
    assert "the labs' solutions" in str(bare.notice(settings))


def test_with_a_sandbox_nothing_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "sandbox_fault", lambda: None)
    assert bare.notice(settings) is None
    assert not bare.needed(replace(settings, host="0.0.0.0"))


def test_a_sandbox_that_was_mended_is_used_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_works", False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.sandbox_fault() == "bubblewrap is not on PATH"
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho bwrap: no namespaces for you >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    assert "may not make namespaces here" in str(programs.sandbox_fault())
    (tmp_path / "bwrap").write_text("#!/bin/sh\n")
    assert programs.sandbox_fault() is None


def test_the_environment_has_nothing_of_the_platforms(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_DATABASE_URL", "postgresql://secret")
    place = places.of(settings.workspaces, 1)
    hub = {
        "JUPYTERHUB_ACTIVITY_URL": f"{sandbox.HUB_API}/users/ada/activity",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{sandbox.PORT}/user/ada/",
        "JUPYTERHUB_ROOT_DIR": sandbox.HOME,
    }
    found = bare.environment(settings, place, sandbox.environment(hub), 4321)
    assert found["JUPYTERHUB_ACTIVITY_URL"] == "http://127.0.0.1:8123/hub/api/users/ada/activity"
    assert found["JUPYTERHUB_SERVICE_URL"] == "http://127.0.0.1:4321/user/ada/"
    assert found["HOME"] == found["JUPYTERHUB_ROOT_DIR"] == str(place.home)
    assert "secret" not in "".join(found.values())
    assert found[processes.MARK] == str(settings.data), "`seatrial down` finds it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_home_from_before_becomes_the_sandboxs_users(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    (home / "labs").mkdir(parents=True)
    (home / "labs" / "notes").write_text("mine")
    other.write_text("not mine")
    (home / "link").symlink_to(other)
    give(home, 200001)
    found = {path.name: path.lstat().st_uid for path in (home, *home.rglob("*"))}
    assert set(found.values()) == {200001}
    assert other.stat().st_uid == os.getuid()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One whose PATH has no bubblewrap."""
    with a_platform(tmp_path_factory.mktemp("b"), "ada", path=str(tmp_path_factory.mktemp("bin"))) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(platform: Platform) -> Iterator[StandIn]:
    stand_in = StandIn("ada's cluster")
    deliver(House(platform.settings, stand_in), 1, stand_in.port, slug="first-pod")
    yield stand_in
    stand_in.close()


@pytest.mark.portal
def test_a_terminal_works_in_the_labs_folder_and_nothing_is_left_of_it(platform: Platform, cluster: StandIn) -> None:
    platform.api.ensure_server("ada")
    place = places.of(platform.settings.workspaces, 1)
    name = terminals.open(platform.settings, ADA, "first-pod")
    said = type_into(
        platform, name, f"pwd; echo $KUBECONFIG; type kubectl; curl -s http://127.0.0.1:{cluster.port}/x; alias k; env"
    )
    assert f"{place.home}/labs/first-pod" in said
    assert f"{place.home}/labs/first-pod/kubeconfig" in said
    assert f"kubectl is {place.bin}/kubectl" in said
    assert (place.bin / "kubectl").readlink() == program("kubectl")
    assert "ada's cluster" in said
    assert "alias k='kubectl'" in said
    assert platform.settings.key("proxy") not in said
    assert "hidden" not in said
    assert (place.home / ".ipython/profile_default/ipython_kernel_config.py").is_file()

    first = processes.recorded(places.read_json(place.state))
    assert first is not None
    type_into(platform, name, "(setsid sleep 1000 > /dev/null 2>&1 &)")
    below = [found for pid in processes.below(first.pid, processes.table()) if (found := processes.named(pid))]
    assert len(below) >= 4, "what has left its session is ours still"
    platform.api.stop_server("ada")
    until(lambda: not any(each.alive() for each in below), "all of it has ended")


@pytest.mark.portal
def test_killed_it_leaves_nobody_and_the_home_is_kept(platform: Platform, cluster: StandIn) -> None:
    platform.api.ensure_server("ada")
    name = terminals.open(platform.settings, ADA, "first-pod")
    type_into(platform, name, "echo kept > ~/kept; (setsid sleep 1000 > /dev/null 2>&1 &)")
    place = places.of(platform.settings.workspaces, 1)
    first = processes.recorded(places.read_json(place.state))
    assert first is not None
    below = [found for pid in processes.below(first.pid, processes.table()) if (found := processes.named(pid))]
    assert processes.end(first)
    until(lambda: not any(each.alive() for each in below), "all of it has ended")
    assert not first.signal(signal.SIGKILL)
    assert not processes.end(first)
    until(lambda: not platform.api.server_ready("ada"), "the Hub has noticed")
    platform.api.ensure_server("ada")
    assert platform.api.at_server("ada", "GET", "api/contents/kept").body["content"] == "kept\n"
    platform.api.stop_server("ada")
