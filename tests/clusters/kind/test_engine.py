"""Which engine is taken, and what is said where none can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters import engine
from clusters.engine import EngineError, EngineGone
from clusters.errors import PermanentError
from clusters.exec import CommandError
from tests.fakes.engine import FakeEngine


def test_docker_goes_before_podman_unless_only_podman_answers(bare: Path) -> None:
    FakeEngine(bare, "podman")
    assert engine.find().name == "podman"
    docker = FakeEngine(bare, "docker")
    assert engine.find().name == "docker"
    docker.gone()
    assert engine.find().name == "podman"


def test_no_engine_names_what_needs_none(bare: Path) -> None:
    with pytest.raises(EngineError, match=r"neither docker nor podman is on PATH.*--provider kwok"):
        engine.find()


def test_an_engine_without_rights_names_the_command_that_gives_them(bare: Path) -> None:
    FakeEngine(bare).denied()
    with pytest.raises(EngineError, match="you may not use it: `sudo usermod -aG docker"):
        engine.find()


def test_an_engine_that_is_not_running_is_to_be_started(bare: Path) -> None:
    FakeEngine(bare).gone()
    with pytest.raises(EngineError, match="does not run; start it with `sudo systemctl start docker`"):
        engine.find()


def test_an_engine_that_ends_in_between_is_worth_another_try(bare: Path) -> None:
    fake = FakeEngine(bare)
    found = engine.find()
    fake.gone()
    with pytest.raises(EngineGone, match="docker does not answer any more") as told:
        found.run("ps", timeout=10)
    assert told.value.retry_after > 0


def test_a_full_disk_is_told_as_one(bare: Path) -> None:
    FakeEngine(bare).full()
    with pytest.raises(PermanentError, match="the disk of docker is full"):
        engine.find().run("pull", "x", timeout=10)


def test_any_other_failure_is_in_the_engines_own_words(bare: Path) -> None:
    FakeEngine(bare)
    with pytest.raises(CommandError, match="manifest for x not found"):
        engine.find().run("pull", "x", timeout=10)


def test_an_image_that_is_not_there_has_no_identity(bare: Path) -> None:
    fake = FakeEngine(bare)
    assert engine.find().image_id("x:1") is None
    fake.has("x:1")
    assert engine.find().image_id("x:1") == "sha256:0123456789abcdef"


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_name_without_a_registry_means_the_same_to_every_engine(bare: Path, tmp_path: Path, name: str) -> None:
    fake = FakeEngine(bare, name)
    (tmp_path / "images.tar").write_text("images:\n")
    assert engine.find().load(tmp_path / "images.tar", timeout=10) == ["nginx:1.27"]
    named = [asked for asked in fake.asked() if asked.startswith(("tag", "untag"))]
    tags = ["tag localhost/nginx:1.27 docker.io/library/nginx:1.27", "untag localhost/nginx:1.27 localhost/nginx:1.27"]
    assert named == (tags if name == "podman" else [])
