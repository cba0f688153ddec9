"""A sandbox's life: what it survives, what ends it, and what is left. The relay's, too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from tests.webapp.workspaces.conftest import REPOSITORY, House, Inside, StandIn, deliver, until
from webapp.workspaces import files, places, starting

pytestmark = pytest.mark.portal


def ask(inside: Inside, port: int) -> str:
    return inside.run(f"curl -s -m 10 http://127.0.0.1:{port}/").output


def test_the_relay_may_be_killed_at_any_moment(house: House, ada: Inside, api_servers: dict[int, StandIn]) -> None:
    port = api_servers[1].port
    assert "ada's cluster" in ask(ada, port)
    house.kill_relay()
    assert ask(ada, port) == ""
    assert ada.run("echo the server is reached without it").code == 0
    house.start_relay()
    until(lambda: "ada's cluster" in ask(ada, port), "the way is open again")
    assert '"hub"' in ada.run("curl -s -m 10 http://127.0.0.1:8081/hub/api").output


def test_a_lab_comes_and_goes_while_the_workspace_runs(
    house: House, ada: Inside, api_servers: dict[int, StandIn]
) -> None:
    second = StandIn("the second cluster")
    deliver(house, 1, second.port, slug="second", readme="# Second\n\n```sh\nkubectl get pods\n```\n")
    until(lambda: ada.run("test -s ~/labs/second/kubeconfig").code == 0, "the lab is laid out")
    assert ada.run("cat ~/labs/second/README.md").output.startswith("# Second")
    assert json.loads(ada.run("cat ~/labs/second/steps.ipynb").output)["nbformat"] == 4
    until(lambda: "the second cluster" in ask(ada, second.port), "its API server is reached")
    user: Any = SimpleNamespace(id=1)
    files.remove(house.settings, user, "second")
    until(lambda: ask(ada, second.port) == "", "its API server is reached no more")
    assert "ada's cluster" in ask(ada, api_servers[1].port)
    assert ada.run("test -d ~/labs/second").code == 0, "what is the student's stays"
    second.close()


def test_a_reset_brings_the_new_clusters_kubeconfig_and_keeps_the_notebook(house: House, ada: Inside) -> None:
    first, second = StandIn("before"), StandIn("after")
    deliver(house, 1, first.port, slug="again")
    until(lambda: ada.run("test -s ~/labs/again/kubeconfig").code == 0, "the lab is laid out")
    ada.run("echo mine > ~/labs/again/steps.ipynb; echo '# mine' >> ~/labs/again/kubeconfig")
    deliver(house, 1, first.port, slug="again")
    assert "# mine" in ada.run("sleep 1; cat ~/labs/again/kubeconfig").output
    deliver(house, 1, second.port, slug="again")
    until(lambda: str(second.port) in ada.run("cat ~/labs/again/kubeconfig").output, "the new cluster's is there")
    assert ada.run("cat ~/labs/again/steps.ipynb").output == "mine\n"
    until(lambda: "after" in ask(ada, second.port), "the new cluster is reached")
    first.close()
    second.close()


def test_the_home_survives_and_nothing_else(house: House) -> None:
    inside = house.open(4)
    inside.run("echo kept > ~/kept; echo lost > /tmp/lost; chmod 600 ~/kept")
    inside.end()
    again = house.open(4)
    assert again.run("cat ~/kept; ls /tmp/lost").output.startswith("kept\nls:")
    again.end()


def test_it_survives_whoever_started_it(house: House) -> None:
    """As the Hub is killed: the sandbox goes on, and is found again by what is written of it."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from webapp.settings import from_environment
from webapp.workspaces import places, sandbox, starting
from webapp.workspaces.limits import LIMITS
from tests.webapp.workspaces.agents import AGENT
settings = from_environment({{"SEATRIAL_DATA": {str(house.settings.data)!r}}})
place = places.of(settings.workspaces, 5)
starting.start(settings, place, LIMITS, sandbox.environment({{}}), [sys.executable, "-I", "-c", AGENT])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=REPOSITORY, start_new_session=True)
    assert done.returncode == -signal.SIGKILL
    place = places.of(house.settings.workspaces, 5)
    process = starting.processes.recorded(places.read_json(place.state))
    assert process is not None
    assert process.alive()
    assert Inside(place, process, sys.executable).run("echo goes on").output == "goes on\n"
    # The next one to start a workspace for this user ends it first: there are never two.
    second = house.open(5)
    assert not process.alive()
    second.end()


def test_the_end_of_the_outer_process_is_not_the_end(house: House) -> None:
    inside = house.open(6)
    os.kill(inside.outer.pid, signal.SIGKILL)
    inside.outer.wait()
    assert inside.run("echo goes on").output == "goes on\n"
    inside.process.signal(signal.SIGKILL)
    assert inside.ends()


def test_asked_to_end_it_ends_with_all_that_is_in_it(house: House) -> None:
    inside = house.open(7)
    inside.run("setsid sleep 600 > /dev/null 2>&1 &")
    found = starting.processes.below(inside.process.pid, starting.processes.table())
    inside.process.signal(signal.SIGTERM)
    assert inside.ends()
    inside.outer.wait()
    assert [pid for pid in found if starting.processes.stat(pid)] == []
    if inside.place.image.exists():
        assert str(inside.place.image) not in subprocess.check_output(["/usr/sbin/losetup", "--all"], text=True)


def test_what_bubblewrap_says_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from webapp.errors import PortalError
    from webapp.workspaces import limits, sandbox

    monkeypatch.setattr(sandbox, "INSIDE", Path("/nowhere"))
    place = places.of(house.settings.workspaces, 8)
    with contextlib.suppress(PortalError):  # it is said a moment before or after the first process stands
        starting.start(house.settings, place, limits.LIMITS, {}, ["true"]).outer.wait()
    assert "does not start: bwrap: " in str(starting.fault(place))
    assert "/nowhere" in str(starting.fault(place))


def test_a_data_folder_with_a_long_path(tmp_path: Path) -> None:
    from webapp.errors import PortalError
    from webapp.settings import from_environment
    from webapp.workspaces import limits

    settings = from_environment({"SEATRIAL_DATA": str(tmp_path / ("x" * 100))})
    with pytest.raises(PortalError, match="too long for a socket"):
        starting.start(settings, places.of(settings.workspaces, 1), limits.LIMITS, {}, ["true"])


@pytest.mark.skipif(os.geteuid() != 0, reason="tried by becoming another user")
def test_it_works_for_a_platform_that_is_not_root() -> None:
    """With a user namespace in place of user ids: the same sandbox, less a file system of its own for the home."""
    program = """
import os, sys, tempfile
from pathlib import Path
from types import SimpleNamespace
from tests.webapp.workspaces import conftest as c
from webapp.settings import from_environment
with tempfile.TemporaryDirectory(prefix="ws-", ignore_cleanup_errors=True) as folder:
    house = c.House(from_environment({"SEATRIAL_DATA": folder, "SEATRIAL_PORT": "9"}), None)
    try:
        inside = house.open(1)
        print(inside.run("id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status").output)
        print(inside.run("touch ~/x && echo home").output)
        print(inside.run("touch /x; cat /etc/shadow; unshare -U true; ls " + folder).output)
        print("image", inside.place.image.exists())
    finally:
        house.close()
"""
    other = [
        "/usr/bin/setpriv",
        "--reuid",
        "65533",
        "--regid",
        "65533",
        "--clear-groups",
        "/bin/sh",
        "-c",
        'exec "$0" "$@"',
    ]
    packages = str(Path(nbformat.__file__).parents[1])
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin",
        "HOME": "/nonexistent",
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/cluster-setup:{packages}",
    }
    for python in (sys.executable, "/usr/bin/python3"):
        found = [*other, python, "-c", "import pydantic, sqlalchemy"]
        if subprocess.run(found, check=False, env=environment, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("another user cannot read this Python")
    done = subprocess.run(
        [*other, python, "-c", program], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert "home" in done.stdout, done.stderr
    assert "image False" in done.stdout
    assert "65533" in done.stdout
    assert "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2" in done.stdout
    assert done.stdout.count("Read-only file system") == 1
    assert "unshare failed" in done.stdout
