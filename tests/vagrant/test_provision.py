"""The provisioning script, on a machine of fakes: what it installs, copies, hands on and refuses."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.vagrant.conftest import CHECKOUT, SCRIPT, Machine, needed
from webapp.platform.needs import INSIDE

# What .ci/run installs for tests alone, and what every Debian has.
FOR_TESTS = {
    "chromium",
    "fonts-dejavu-core",
    "fonts-liberation",
    "postgresql",
    "shellcheck",
    "vagrant",
    "vagrant-libvirt",
}
EVERYWHERE = {"util-linux"}


def packages() -> set[str]:
    """What the script installs."""
    listed = re.search(r'^packages="([^"]+)"', SCRIPT.read_text(), re.MULTILINE)
    assert listed
    return set(listed[1].split())


def installed_by_ci() -> set[str]:
    """What .ci/run installs where it is not there, tests' own needs left out."""
    text = (CHECKOUT / ".ci" / "run").read_text()
    lists = [*re.findall(r"\+=\(([^)]*)\)", text), *re.findall(r"^for program in (.*); do$", text, re.MULTILINE)]
    return {word for each in lists for word in each.split() if re.fullmatch(r"[a-z0-9.+-]+", word)}


def test_a_shell_reads_it() -> None:
    subprocess.run([needed("sh"), "-n", SCRIPT], check=True)


def test_shellcheck_finds_nothing() -> None:
    found = subprocess.run([needed("shellcheck"), SCRIPT], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_it_installs_what_ci_does() -> None:
    wanted = installed_by_ci()
    assert {"bubblewrap", "jq", "mmdebstrap"} <= wanted, "the lists of .ci/run are written in another way now"
    assert wanted - FOR_TESTS - EVERYWHERE <= packages()


def test_it_installs_what_students_find_in_a_terminal() -> None:
    assert {*INSIDE.values(), "bash-completion"} <= packages()


def test_a_fresh_machine_is_brought_up(machine: Machine) -> None:
    done = machine.provision()
    assert done.returncode == 0, done.stderr
    assert (machine.place / "seatrial.py").read_text() == "first\n"
    assert set((machine.folder / "installed").read_text().split()) == packages()
    assert "No container engine answers" in done.stdout
    assert machine.asked_of_the_user() == ["make setup", "make up"]


def test_a_second_run_leaves_all_as_it_is(machine: Machine) -> None:
    machine.provision()
    machine.calls()
    done = machine.provision()
    assert done.returncode == 0, done.stderr
    calls = machine.calls()
    assert not [one for one in calls if one.startswith("apt-get")]
    assert [one.split(" && ", 1)[1] for one in calls if one.startswith("runuser")] == ["make setup", "make up"]
    assert [one for one in calls if one.startswith("rsync")] == [one for one in calls if "--dry-run" in one]


def test_one_package_that_is_lacking_is_installed_alone(machine: Machine) -> None:
    (machine.folder / "installed").write_text("\n".join(packages() - {"jq"}))
    machine.provision()
    assert [one.split()[-1] for one in machine.calls() if one.startswith("apt-get install")] == ["jq"]


@pytest.mark.parametrize("registry", [True, False])
def test_with_an_engine_images_are_there_before_the_portal(machine: Machine, registry: bool) -> None:
    (machine.folder / "engine").touch()
    if not registry:
        (machine.folder / "no-registry").touch()
    done = machine.provision()
    assert done.returncode == 0, done.stderr
    assert "No container engine" not in done.stdout
    assert ("cannot be started in clusters of containers" in done.stdout) is not registry
    seatrial = ".venv/bin/seatrial"
    wanted = ["make setup", f"{seatrial} workspace build", f"{seatrial} images pull", "make up"]
    assert machine.asked_of_the_user() == wanted


def test_the_portal_ends_before_its_source_changes(machine: Machine) -> None:
    machine.provision()
    (machine.place / ".venv" / "bin").mkdir(parents=True)
    (machine.place / ".venv" / "bin" / "seatrial").touch(mode=0o755)
    machine.calls()
    (machine.source / "seatrial.py").write_text("second, and longer\n")
    assert machine.provision().returncode == 0
    calls = machine.calls()
    down = next(place for place, one in enumerate(calls) if one.endswith("make down"))
    assert ["--dry-run" in one for one in calls[:down] if one.startswith("rsync")] == [True]
    assert ["--dry-run" in one for one in calls[down:] if one.startswith("rsync")] == [False]
    assert (machine.place / "seatrial.py").read_text() == "second, and longer\n"
    assert (machine.place / ".venv" / "bin" / "seatrial").exists()


def test_only_source_is_copied(machine: Machine) -> None:
    for made in (".git/config", ".vagrant/private_key", ".venv/bin/python", "build/lib", "webapp/__pycache__/a.pyc"):
        (machine.source / made).parent.mkdir(parents=True)
        (machine.source / made).touch()
    (machine.source / "webapp" / "app.py").touch()
    (machine.source / "gone").touch()
    machine.provision()
    (machine.source / "gone").unlink()
    machine.provision()
    found = {str(file.relative_to(machine.place)) for file in machine.place.rglob("*") if file.is_file()}
    assert found == {".gitignore", "seatrial.py", "webapp/app.py"}


def test_settings_are_handed_on(machine: Machine) -> None:
    machine.provision(SEATRIAL_PORT="8123", SEATRIAL_PROVIDER="kwok", OTHER="not handed on")
    assert set((machine.folder / "settings").read_text().split()) == {
        "SEATRIAL_HOST=0.0.0.0",
        "SEATRIAL_PORT=8123",
        "SEATRIAL_PROVIDER=kwok",
    }
    (called,) = {one.split()[2] for one in machine.calls() if one.startswith("runuser")}
    names = called.removeprefix("--whitelist-environment=").split(",")
    assert sorted(names) == ["SEATRIAL_HOST", "SEATRIAL_PORT", "SEATRIAL_PROVIDER"]


def test_without_a_network_it_ends_there(machine: Machine) -> None:
    (machine.folder / "no-network").touch()
    done = machine.provision()
    assert done.returncode != 0
    assert "Unable to fetch" in done.stderr
    assert machine.asked_of_the_user() == []


def test_a_copy_that_fails_brings_nothing_up(machine: Machine) -> None:
    (machine.source / ".gitignore").unlink()
    done = machine.provision()
    assert done.returncode != 0
    assert ".gitignore" in done.stderr
    assert machine.asked_of_the_user() == []


@pytest.mark.parametrize(
    ("words", "settings", "told"),
    [
        (["/vagrant"], {}, "the folder of the source and the user's name are needed"),
        (["/", "somebody"], {"UID_HERE": "1000"}, "only root can install packages"),
        (["/", "somebody"], {}, "/ is no folder of seatrial's source"),
        ([str(CHECKOUT), "no-such-user"], {}, "there is no user no-such-user here"),
    ],
)
def test_what_it_cannot_work_with_is_told(
    machine: Machine, words: list[str], settings: dict[str, str], told: str
) -> None:
    done = machine.provision(*words, **settings)
    assert done.returncode == 1
    assert done.stderr.startswith(f"provision.sh: {told}")
    assert len(done.stderr.splitlines()) == 1
    assert not [one for one in machine.calls() if not one.startswith(("id ", "getent "))]
