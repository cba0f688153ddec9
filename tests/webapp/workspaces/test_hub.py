"""JupyterLab, in a sandbox or a container, behind a real Hub and proxy: started, used, kept through a kill."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters import tools
from tests.webapp.workspaces.conftest import KEPT_IN, House, StandIn, deliver, demand_sandbox, until
from tests.webapp.workspaces.platforms import Platform, a_platform, press, type_into
from webapp.errors import PortalError, Refused
from webapp.settings import from_environment
from webapp.workspaces import keeping, places, processes, terminals
from webapp.workspaces.hub import HubApi

pytestmark = pytest.mark.portal

ADA: Any = SimpleNamespace(id=1, name="ada")
EVE: Any = SimpleNamespace(id=2, name="eve")


@pytest.fixture(scope="module", params=KEPT_IN)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """With whatever keeps a workspace in."""
    contained = request.param == "container"
    if contained:
        request.getfixturevalue("workspace_image")
    else:
        demand_sandbox()
    spawner = keeping.CONTAINER if contained else keeping.SANDBOX
    with a_platform(tmp_path_factory.mktemp("p"), ADA.name, EVE.name, spawner=spawner) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(platform: Platform) -> Iterator[StandIn]:
    """Ada's lab and its API server."""
    stand_in = StandIn("ada's cluster")
    house = House(platform.settings, stand_in)
    deliver(house, 1, stand_in.port, slug="first-pod")
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def workspace(platform: Platform, cluster: StandIn) -> processes.Process:
    platform.api.ensure_server("ada")
    assert platform.api.server_ready("ada")
    found = processes.recorded(places.read_json(places.of(platform.settings.workspaces, 1).state))
    assert found is not None
    return found


def contents(platform: Platform, path: str) -> Any:
    return platform.api.at_server("ada", "GET", f"api/contents/{path}").body


def test_a_terminal_opens_in_the_labs_folder_with_its_cluster(
    platform: Platform, workspace: processes.Process, cluster: StandIn
) -> None:
    name = terminals.open(platform.settings, ADA, "first-pod")
    assert name.startswith("first_pod_")
    assert terminals.list(platform.settings, ADA, "first-pod") == [name]
    assert terminals.list(platform.settings, ADA, "pod") == []
    type_into(platform, name, "{ pwd; echo $KUBECONFIG; alias k; grep server: $KUBECONFIG; env; } > ~/seen")
    seen = contents(platform, "seen")["content"].splitlines()
    assert seen[:3] == [
        "/home/student/labs/first-pod",
        "/home/student/labs/first-pod/kubeconfig",
        "alias k='kubectl'",
    ]
    assert seen[3].strip() == f"server: https://127.0.0.1:{cluster.port}"
    assert not [line for line in seen if "hidden" in line or platform.settings.key("proxy") in line]
    terminals.close(platform.settings, ADA, name)
    terminals.close(platform.settings, ADA, name)
    assert terminals.list(platform.settings, ADA, "first-pod") == []


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("kubectl conf\t", "kubectl config "),
        ("k get --out\t", "k get --output"),
        ("helm vers\t", "helm version "),
        ("git clon\t", "git clone "),
    ],
)
def test_tab_completes(platform: Platform, workspace: processes.Process, typed: str, completed: str) -> None:
    name = terminals.open(platform.settings, ADA, "first-pod")
    assert completed in press(platform, name, typed, completed)
    terminals.close(platform.settings, ADA, name)


def test_the_programs_of_a_lab_are_there(platform: Platform, workspace: processes.Process) -> None:
    name = terminals.open(platform.settings, ADA, "first-pod")
    said = type_into(
        platform,
        name,
        "kubectl version --client; helm version --short; echo '{\"a\": [4]}' | jq -c .a; git init -q ~/r && ls -A ~/r; "
        "vim -es -c 'norm ihello' -c 'wq' ~/v; cat ~/v; nano --version | head -1; echo $EDITOR; helm create ~/chart; "
        "helm template ~/chart | grep -c ^kind",
    )
    terminals.close(platform.settings, ADA, name)
    assert "Client Version: v1.36" in said
    assert tools.VERSIONS["helm"] in said
    for words in ("[4]", ".git", "hello", "GNU nano", "/usr/bin/nano", "Creating ", "\n4"):
        assert words in said, words


def test_names_that_are_no_terminals(platform: Platform, workspace: processes.Process) -> None:
    for name in ("../../api/kernels", "a/b", "", "a" * 200, "ä", "a%2fb"):
        with pytest.raises(Refused):
            terminals.close(platform.settings, ADA, name)


def test_a_workspace_that_does_not_run_has_no_terminals(platform: Platform) -> None:
    assert terminals.list(platform.settings, EVE, "first-pod") == []
    with pytest.raises(Refused, match="not running"):
        terminals.open(platform.settings, EVE, "first-pod")


def test_there_is_an_end_to_terminals(
    platform: Platform, workspace: processes.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "MOST", 1)
    name = terminals.open(platform.settings, ADA, "first-pod")
    with pytest.raises(Refused, match="close one first"):
        terminals.open(platform.settings, ADA, "first-pod")
    terminals.close(platform.settings, ADA, name)


def test_the_students_own_token_reaches_nobody_else(platform: Platform, workspace: processes.Process) -> None:
    """With the token of the server's environment, straight to the Hub and past the relay's door."""
    environment = Path(f"/proc/{workspace.pid}/environ").read_bytes().split(b"\0")
    (token,) = [word.partition(b"=")[2].decode() for word in environment if word.startswith(b"JUPYTERHUB_API_TOKEN=")]

    def status(method: str, path: str) -> int:
        request = urllib.request.Request(f"{platform.settings.address}{path}", method=method)
        request.add_header("Authorization", f"token {token}")
        if method == "POST":
            # Without a body: a Hub that refuses before it has read one closes, which the proxy tells as 503.
            request.data = b""
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as fault:
            with fault:
                return fault.code

    assert status("GET", "/hub/api/user") == 200
    for method, path in (
        ("GET", "/hub/api/users"), ("GET", "/hub/api/users/eve"), ("POST", "/hub/api/users/eve/server"),
        ("POST", "/hub/api/users/eve/tokens"), ("DELETE", "/hub/api/users/eve"), ("GET", "/hub/api/proxy"),
        ("POST", "/hub/api/users/eve/activity"), ("POST", "/hub/api/shutdown"), ("GET", "/hub/api/services"),
        ("POST", "/hub/api/users/ada/tokens"), ("POST", "/hub/api/users/new"), ("PATCH", "/hub/api/users/ada"),
    ):  # fmt: skip
        assert status(method, path) in (403, 404), path
    assert status("GET", "/user/eve/api/terminals") in (403, 404, 424)


def test_no_port_of_the_machine_leads_into_a_workspace(platform: Platform, workspace: processes.Process) -> None:
    routes = platform.settings.data / "hub.log"
    place = places.of(platform.settings.workspaces, 1)
    assert "http+unix://" in routes.read_text()
    assert place.socket.is_socket()
    assert os.readlink(f"/proc/{workspace.pid}/ns/net") != os.readlink("/proc/self/ns/net")  # noqa: PTH115


def test_a_killed_hub_takes_the_workspaces_up_again(platform: Platform, workspace: processes.Process) -> None:
    name = terminals.open(platform.settings, ADA, "first-pod")
    platform.kill("hub")
    assert workspace.alive()
    # The proxy leads there without the Hub, and the terminal goes on.
    type_into(platform, name, "echo kept > ~/kept")
    platform.start("hub")
    until(platform.hub_is_up, "the Hub answers again")
    until(lambda: platform.api.server_ready("ada"), "the workspace is taken up again")
    assert workspace.alive()
    assert terminals.list(platform.settings, ADA, "first-pod") == [name]
    assert contents(platform, "kept")["content"] == "kept\n"


def test_stopped_is_stopped_and_starts_again_with_its_home(platform: Platform, workspace: processes.Process) -> None:
    platform.api.stop_server("ada")
    platform.api.stop_server("ada")
    # Asked for while the last one may still be ending.
    platform.api.ensure_server("ada")
    assert not workspace.alive()
    platform.api.ensure_server("ada")
    assert contents(platform, "kept")["content"] == "kept\n"


def test_a_user_whom_the_hub_does_not_know(platform: Platform) -> None:
    assert not platform.api.server_ready("nobody")
    with pytest.raises(PortalError, match="knows no user nobody"):
        platform.api.ensure_server("nobody")


def test_a_hub_that_does_not_answer_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = from_environment(
            {"SEATRIAL_DATA": "/nonexistent/seatrial", "SEATRIAL_PORT": str(free.getsockname()[1])}
        )
    api = HubApi(settings)
    with pytest.raises(PortalError):
        api.server_ready("ada")
