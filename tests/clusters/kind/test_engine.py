"""Which engine is taken, and what is said where none can be used."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusters import engine, store
from clusters.engine import EngineError, EngineGone
from clusters.errors import PermanentError
from clusters.exec import CommandError
from clusters.kind import KindProvider, images
from tests.fakes.engine import FakeEngine


def test_docker_goes_before_podman_unless_only_podman_answers(bare: Path) -> None:
    FakeEngine(bare, "podman")
    assert engine.find().name == "podman"
    docker = FakeEngine(bare, "docker")
    assert engine.find().name == "docker"
    docker.gone()
    assert engine.find().name == "podman"


def test_of_two_engines_the_one_that_is_asked_for_is_taken_or_none(bare: Path) -> None:
    docker, podman = FakeEngine(bare), FakeEngine(bare, "podman")
    assert engine.find("podman").name == "podman"
    podman.gone()
    with pytest.raises(EngineError, match="podman is installed but does not run"):
        engine.find("podman")
    docker.gone()
    (bare / "docker").unlink()
    with pytest.raises(EngineError, match="docker is not on PATH"):
        engine.find("docker")


def test_a_cluster_stays_with_the_engine_that_has_its_nodes(bare: Path, data: Path) -> None:
    """Where Docker has ended and Podman answers, its clusters are neither lost nor forgotten."""
    docker, podman = FakeEngine(bare), FakeEngine(bare, "podman")
    store.make("one")
    store.save(store.Record("one", "kind", "ada", "https://x", store.now(), ready=True, engine="docker"))
    docker.gone()
    kind = KindProvider()
    assert [cluster.state for cluster in kind.list()] == ["broken"]
    for change in (kind.start, kind.stop, kind.delete):
        with pytest.raises(EngineError, match="docker is installed but does not run"):
            change("one")
    assert store.names() == ["one"]
    assert not [asked for asked in podman.asked() if not asked.startswith("version")]


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


def test_an_engine_that_does_not_say_is_not_taken_for_one_without_the_image(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeEngine(bare)
    found = engine.find()
    fake.gone()
    with pytest.raises(EngineGone, match="docker does not answer any more"):
        found.image_id("x:1")
    (bare / "docker").write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
    monkeypatch.setattr(engine, "INSPECTS_WITHIN", 0.2)
    with pytest.raises(EngineGone, match="does not say within 0 s whether it has x:1"):
        found.has("x:1")


def test_clusters_that_start_together_save_an_image_once(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = FakeEngine(bare)
    found = engine.find()
    start = threading.Barrier(6)

    def one(_: int) -> Path:
        start.wait()
        return images.saved(found, "nginx:1.27", "sha256:0123456789abcdef")

    with ThreadPoolExecutor(6) as pool:
        files = set(pool.map(one, range(6)))
    assert [file.read_text() for file in files] == ["images:\n1\n2\n3\n"]
    assert len([asked for asked in fake.asked() if asked.startswith("save")]) == 1


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_name_without_a_registry_means_the_same_to_every_engine(bare: Path, tmp_path: Path, name: str) -> None:
    fake = FakeEngine(bare, name)
    (tmp_path / "images.tar").write_text("images:\n")
    assert engine.find().load(tmp_path / "images.tar", timeout=10) == ["nginx:1.27"]
    named = [asked for asked in fake.asked() if asked.startswith(("tag", "untag"))]
    tags = ["tag localhost/nginx:1.27 docker.io/library/nginx:1.27", "untag localhost/nginx:1.27 localhost/nginx:1.27"]
    assert named == (tags if name == "podman" else [])
