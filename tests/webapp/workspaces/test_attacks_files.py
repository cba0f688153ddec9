"""Attacks from inside a workspace on files: other homes, the platform's secrets and databases, the labs' solutions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from grader.labfile.catalog import catalogue
from tests.webapp.workspaces.conftest import House, Inside, StandIn, deliver, kubeconfig, until

pytestmark = pytest.mark.portal


def test_nothing_of_the_platform_is_there(house: House, eve: Inside) -> None:
    data = house.settings.data
    house.settings.key("proxy")
    (data / "portal.db").write_text("the database")
    (data / "run").mkdir(exist_ok=True)
    for path in (data, data / "secrets" / "proxy", data / "portal.db", data / "workspaces" / "1", data / "run"):
        assert path.exists()
        assert eve.run(f"test -e {path}").code == 1
    own = [Path.home() / name for name in (".cache", ".kube", ".local", ".ssh")]
    # An image has some of these of its own.
    others = () if house.contained else ("/etc/shadow", "/var/lib", "/var/run")
    for path in (*own, "/sys", "/mnt", "/srv", "/run/docker.sock", "/var/run/docker.sock", "/boot", *others):
        assert eve.run(f"ls -A {path} 2>/dev/null").output == ""


def test_another_students_home_is_not_there(ada: Inside, eve: Inside) -> None:
    ada.run("echo ada-was-here > ~/diary; chmod 777 ~ ~/diary")
    assert eve.run("test -e ~/diary").code == 1
    assert "ada-was-here" not in eve.run("grep -rs ada-was-here /home /tmp /run /dev/shm /var").output


def test_no_lab_is_there_with_its_solution_and_hidden_checks(eve: Inside) -> None:
    assert catalogue()
    found = eve.run("find / -xdev \\( -name lab.yaml -o -name solution -o -name wrong \\) 2>/dev/null").output
    everywhere = eve.run(
        "for place in $(awk '{print $2}' /proc/mounts); do "
        "find $place -xdev \\( -name lab.yaml -o -path '*/seatrial_data/*' \\) 2>/dev/null; done"
    ).output
    assert found == ""
    assert everywhere == ""
    assert eve.run("python -c 'import grader'").code != 0
    assert "hidden: true" not in eve.run("grep -rsl 'hidden: true' /run /etc /home /opt /work 2>/dev/null").output


def test_the_system_is_read_only(eve: Inside) -> None:
    for path in ("/", "/usr/bin", "/etc", "/opt", "/run", "/run/seatrial", "/run/seatrial/labs/lamp", "/dev", "/home"):
        assert eve.run(f"touch {path}/attack").code != 0, path
        assert eve.run(f"mkdir {path}/attack").code != 0, path
    assert eve.run("echo x > /etc/passwd").code != 0
    assert eve.run("echo x > $(command -v python)").code != 0
    assert eve.run("echo x > /etc/seatrial/bashrc").code != 0
    assert eve.run("echo x > /etc/seatrial/relay.py").code != 0
    assert eve.run(
        "python -c 'import jupyter_server, pathlib; pathlib.Path(jupyter_server.__file__).write_text(\"\")'"
    ).code


def test_the_environment_is_the_students_own(eve: Inside, house: House) -> None:
    names = {line.partition("=")[0] for line in eve.run("env").output.splitlines()}
    ours = {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "JUPYTER_CONFIG_PATH",
        "JUPYTER_RUNTIME_DIR", "PYTHONDONTWRITEBYTECODE", "SEATRIAL_WORKSPACE", "JUPYTERHUB_API_TOKEN",
    }  # fmt: skip
    assert names - {"PWD", "SHLVL", "_"} == ours | ({"HOSTNAME"} if house.contained else set())
    every = eve.run("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").output
    assert str(house.settings.data) not in every
    assert house.settings.key("proxy") not in every
    assert "ada-token" not in every


def test_file_descriptors_of_the_platform_are_not_handed_in(eve: Inside) -> None:
    listed = eve.run("for fd in /proc/1/fd/*; do readlink $fd; done").output.split()
    assert not [where for where in listed if where.startswith("/") and not where.startswith(("/dev/null", "/home/"))]


def test_links_in_the_home_lead_the_platform_nowhere(
    house: House, ada: Inside, eve: Inside, api_servers: dict[int, StandIn], tmp_path: Path
) -> None:
    """The platform writes into folders of its own, and never into a home: there is no path for a link to bend."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for link in ("labs/lamp", "labs/other", ".cache/seatrial/server.log", "labs/lamp/kubeconfig", ".jupyter"):
        eve.run(f"rm -rf ~/{link}; mkdir -p $(dirname ~/{link}); ln -sfn {victim} ~/{link}")
    eve.run("rm -rf ~/labs; ln -sfn /run/seatrial/labs ~/labs")
    deliver(house, 2, api_servers[2].port, slug="other")
    until(lambda: eve.run("test -e /run/seatrial/labs/other/kubeconfig").code == 0, "the lab is delivered")
    assert victim.read_text() == "untouched"
    assert ada.run("ls ~/labs").output.split() == ["lamp"]
    # The student's own folder heals once the link is gone.
    eve.run("rm -f ~/labs")
    until(lambda: eve.run("test -s ~/labs/other/kubeconfig").code == 0, "the lab is laid out again")


def test_setuid_programs_give_nothing(eve: Inside) -> None:
    assert eve.run("find /usr -xdev -perm -4000 -type f | head -1").output.strip(), "the machine has setuid programs"
    assert eve.run("grep NoNewPrivs /proc/self/status").output.split() == ["NoNewPrivs:", "1"]
    assert eve.run("su root -c id </dev/null").code != 0
    assert "uid=0" not in eve.run("for p in $(find /usr -xdev -perm -4000); do $p id </dev/null; done").output
    mine = eve.run("cp /bin/bash ~/sh; chmod 4755 ~/sh; ~/sh -p -c 'id -u'").output.strip()
    assert mine == eve.run("id -u").output.strip() != "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each student a user of their own")
def test_each_student_is_a_user_of_their_own(ada: Inside, eve: Inside) -> None:
    assert ada.run("id -u; id -g; id -G").output.split() == ["200001"] * 3
    assert eve.run("id -u; id -g; id -G").output.split() == ["200002"] * 3
    assert {Path(f"/proc/{each.process.pid}").stat().st_uid for each in (ada, eve)} == {200001, 200002}


def test_what_is_handed_in_cannot_be_reached_by_others(house: House, ada: Inside) -> None:
    workspaces = house.settings.workspaces
    for folder in (workspaces, ada.place.root, ada.place.run, ada.place.servers):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(ada.place.socket.stat().st_mode) == 0o600
    if ada.place.image.exists():
        assert stat.S_IMODE(ada.place.image.stat().st_mode) == 0o600
    if ada.place.image.exists() and not house.contained:
        assert list(ada.place.home.iterdir()) == [], "a home is mounted for its sandbox alone"


def test_the_kubeconfig_tells_nothing_of_the_platform(eve: Inside, api_servers: dict[int, StandIn]) -> None:
    text = eve.run("cat /run/seatrial/labs/lamp/kubeconfig").output
    assert "31234" in kubeconfig(api_servers[2].port)
    assert "31234" not in text
    assert f"127.0.0.1:{api_servers[2].port}" in text
