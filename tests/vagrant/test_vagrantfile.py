"""The Vagrantfile, as Vagrant itself reads it. No machine is started."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.vagrant.conftest import CHECKOUT, SCRIPT, lacking, needed

# All that Vagrant asks of VirtualBox before it reads the settings for it.
VBOXMANAGE = "#!/bin/sh\necho 7.0.20r163906\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Vagrant keeps what it writes to this test, and asks nobody for a newer Vagrant."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VAGRANT_", "SEATRIAL_VM_"))}
    places = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    return {**own, **places, "VAGRANT_CHECKPOINT_DISABLE": "1"}


def validate(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What `vagrant validate` says of the Vagrantfile in a folder."""
    argv = [needed("vagrant"), "validate", *words]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def for_provider(
    name: str, folder: Path, environment: dict[str, str], tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """As `validate`, with the settings of one provider; skips where Vagrant does not have it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "VBoxManage").write_text(VBOXMANAGE)
    (programs / "VBoxManage").chmod(0o755)
    path = f"{programs}:{environment['PATH']}"
    found = validate(folder, {**environment, "PATH": path, "VAGRANT_DEFAULT_PROVIDER": name})
    if "could not be found, but was requested" in found.stderr:
        lacking(f"Vagrant has no provider {name} here")
    return found


def shown(environment: dict[str, str]) -> dict[str, Any]:
    """What Vagrant makes of the Vagrantfile, see shown.rb."""
    needed("vagrant")
    argv = [needed("ruby"), str(Path(__file__).with_name("shown.rb")), str(CHECKOUT)]
    found = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if "cannot load such file -- vagrant" in found.stderr:
        lacking("the Ruby on PATH does not have Vagrant's library: it came with a Ruby of its own")
    assert found.returncode == 0, found.stderr
    content: dict[str, Any] = json.loads(found.stdout)
    return content


def copied(folder: Path, old: str, new: str) -> Path:
    """A folder with the Vagrantfile and what it reads, in which something is written in another way."""
    text = (CHECKOUT / "Vagrantfile").read_text()
    assert old in text
    (folder / "Vagrantfile").write_text(text.replace(old, new))
    (folder / ".gitignore").write_text((CHECKOUT / ".gitignore").read_text())
    script = folder / SCRIPT.relative_to(CHECKOUT)
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT.read_text())
    return folder


def test_it_is_valid_without_any_provider(environment: dict[str, str]) -> None:
    found = validate(CHECKOUT, environment, "--ignore-provider")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_it_is_valid_for(provider: str, environment: dict[str, str], tmp_path: Path) -> None:
    found = for_provider(provider, CHECKOUT, environment, tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_a_setting_that_is_none_would_be_noticed(provider: str, environment: dict[str, str], tmp_path: Path) -> None:
    folder = copied(tmp_path, "machine.cpus", "machine.cpuz")
    found = for_provider(provider, folder, environment, tmp_path)
    assert found.returncode == 1
    assert "cpuz" in found.stdout + found.stderr


def test_a_script_that_is_not_there_would_be_noticed(environment: dict[str, str], tmp_path: Path) -> None:
    folder = copied(tmp_path, "provision.sh", "prevision.sh")
    found = validate(folder, environment, "--ignore-provider")
    assert found.returncode == 1
    assert "prevision.sh" in found.stdout + found.stderr


def test_the_portal_is_for_this_machine_alone(environment: dict[str, str]) -> None:
    found = shown({**environment, "SEATRIAL_VM_PORT": "8123"})
    assert {one["host_ip"] for one in found["forwarded"]} == {"127.0.0.1"}
    (port,) = (one for one in found["forwarded"] if one["guest"] == 8000)
    assert port["host"] == 8123
    assert "http://127.0.0.1:8123." in found["said"]


def test_the_script_is_given_the_source_each_time(environment: dict[str, str]) -> None:
    found = shown(environment)
    (one,) = found["provisioners"]
    assert CHECKOUT / one["path"] == SCRIPT
    assert (one["type"], one["run"], one["args"]) == ("shell", "always", ["/vagrant", "vagrant"])
    (folder,) = found["folders"]
    assert folder == one["args"][0]


def test_what_git_does_not_keep_stays_here(environment: dict[str, str]) -> None:
    left_out = shown(environment)["folders"]["/vagrant"]["rsync__exclude"]
    assert {".git", ".venv/", ".vagrant/", "build/"} <= set(left_out)
    assert set((CHECKOUT / ".gitignore").read_text().split()) <= set(left_out)
