"""What is handed into a workspace."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grader import labfile
from tests.webapp.workspaces.conftest import kubeconfig
from webapp.errors import PortalError
from webapp.settings import Settings, from_environment
from webapp.workspaces import faults, files, places
from webapp.workspaces.notebook import steps

USER: Any = SimpleNamespace(id=7)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SEATRIAL_DATA": str(tmp_path)})


def hand_in(settings: Settings, text: str, readme: str = "# Lamp\n", slug: str = "lamp") -> places.Place:
    lab: Any = SimpleNamespace(slug=slug, readme=lambda: readme)
    files.deliver(settings, USER, SimpleNamespace(id="s1"), text, lab)
    return places.of(settings.workspaces, USER.id)


def test_a_lab_is_delivered_without_a_relay_and_again(settings: Settings) -> None:
    place = hand_in(settings, kubeconfig(31001))
    again = hand_in(settings, kubeconfig(31001))
    assert place == again
    assert sorted(path.name for path in (place.labs / "lamp").iterdir()) == ["README.md", "kubeconfig", "steps.ipynb"]
    record = json.loads((place.servers / "lamp.json").read_text())
    assert record == {"listen": 31001, "host": "127.0.0.1", "port": 31001, "session": "s1"}


def test_what_is_the_same_keeps_its_time_and_what_is_new_is_there_whole(settings: Settings) -> None:
    place = hand_in(settings, kubeconfig(31001))
    file = place.labs / "lamp" / "kubeconfig"
    before = file.stat()
    hand_in(settings, kubeconfig(31001))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    hand_in(settings, kubeconfig(31002))
    assert "31002" in file.read_text()
    assert not [path for path in file.parent.iterdir() if path.name.startswith(".")]


def test_removed_is_removed_and_the_others_stay(settings: Settings) -> None:
    place = hand_in(settings, kubeconfig(31001))
    hand_in(settings, kubeconfig(31002), slug="other")
    files.remove(settings, USER, "lamp")
    files.remove(settings, USER, "lamp")
    assert [path.name for path in place.labs.iterdir()] == ["other"]
    assert [path.name for path in place.servers.iterdir()] == ["other.json"]
    files.remove(settings, SimpleNamespace(id=99), "lamp")  # type: ignore[arg-type]


def test_an_api_server_of_this_machine_keeps_its_port_and_the_namespace() -> None:
    text, server = files.within(kubeconfig(31001))
    config = yaml.safe_load(text)
    assert config["clusters"][0]["cluster"] == {"server": "https://127.0.0.1:31001"}
    assert config["contexts"][0]["context"]["namespace"] == "shop"
    assert server == {"listen": 31001, "host": "127.0.0.1", "port": 31001}


def test_an_api_server_elsewhere_is_reached_by_a_port_inside_and_checked_by_its_name() -> None:
    text, server = files.within(kubeconfig(6443, "kubernetes.example.org"))
    cluster = yaml.safe_load(text)["clusters"][0]["cluster"]
    assert server == {"listen": server["listen"], "host": "kubernetes.example.org", "port": 6443}
    assert cluster["server"] == f"https://127.0.0.1:{server['listen']}"
    assert cluster["tls-server-name"] == "kubernetes.example.org"
    low, high = files.FOREIGN_PORTS
    assert low <= server["listen"] < high


@pytest.mark.parametrize(
    "text", ["", "- a", "{", "clusters: []", "contexts: 3", kubeconfig(1).replace("name: c\n", "name: d\n", 1)]
)
def test_a_kubeconfig_without_an_api_server_is_told(text: str) -> None:
    with pytest.raises(PortalError, match="names no API server"):
        files.within(text)


def test_the_sentence_of_a_sandbox_that_was_ended(settings: Settings) -> None:
    workspaces = settings.workspaces
    assert faults.told(workspaces, USER.id) is None
    place = hand_in(settings, kubeconfig(31001))
    faults.leave(place, "Your workspace was ended because …")
    assert faults.told(workspaces, USER.id) == "Your workspace was ended because …"
    hand_in(settings, kubeconfig(31002))
    assert faults.told(workspaces, USER.id), "another lab is no answer to it"
    long_ago = time.time() - faults.SHOWN - 1
    os.utime(place.fault, (long_ago, long_ago))
    assert faults.told(workspaces, USER.id) is None
    faults.leave(place, "Your workspace was ended because …")
    assert faults.told(workspaces, USER.id), "the same again is news"
    faults.forget(place)
    assert faults.told(workspaces, USER.id) is None


@pytest.mark.parametrize("folder", labfile.catalogue(), ids=lambda folder: folder.name)
def test_every_lab_makes_a_notebook(folder: Path) -> None:
    readme = labfile.read(folder).readme()
    text = steps(readme)
    assert text == steps(readme)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    commands = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert commands
    assert all(source.startswith("%%bash\n") and "```" not in source for source in commands)
    assert readme.count("\n```sh\n") == len(commands)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=300), st.text("ab`~#\n sh", max_size=60))
def test_any_readme_makes_a_notebook(readme: str, fences: str) -> None:
    nbformat.validate(nbformat.reads(steps(readme + "\n" + fences), as_version=4))


def test_text_and_commands_alternate_as_in_the_readme() -> None:
    notebook = json.loads(steps("# A\n\ntext\n\n```sh\nkubectl get pods\n```\n\nmore\n\n```yaml\na: 1\n```\n"))
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]] == [
        ("markdown", "# A\n\ntext"),
        ("code", "%%bash\nkubectl get pods"),
        ("markdown", "more\n\n```yaml\na: 1\n```"),
    ]
