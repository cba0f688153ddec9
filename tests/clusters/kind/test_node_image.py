"""Which image nodes are made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters import engine
from clusters.errors import PermanentError
from clusters.kind import KindProvider, node_image
from clusters.kind.names import built
from clusters.model import ClusterSpec
from clusters.tools import VERSIONS
from tests.fakes.engine import FakeEngine

BUILT = built(VERSIONS["kube-apiserver"])


def test_kinds_own_image_is_of_the_pinned_kubernetes() -> None:
    name, _, digest = node_image.published().partition("@")
    assert name == f"docker.io/kindest/node:{VERSIONS['kube-apiserver']}"
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)


def test_what_was_built_here_goes_before_what_was_pulled(bare: Path) -> None:
    fake = FakeEngine(bare)
    fake.has(node_image.published())
    assert node_image.provide(engine.find()) == node_image.published()
    fake.has(BUILT)
    assert node_image.provide(engine.find()) == BUILT
    assert not any(asked.startswith(("pull", "manifest")) for asked in fake.asked())


def test_what_is_not_here_is_pulled_once(bare: Path) -> None:
    fake = FakeEngine(bare)
    fake.registry_has(node_image.published())
    assert node_image.provide(engine.find()) == node_image.provide(engine.find()) == node_image.published()
    assert [asked for asked in fake.asked() if asked.startswith("pull")] == [f"pull {node_image.published()}"]


def test_a_registry_that_does_not_answer_is_not_asked_again_at_once(bare: Path) -> None:
    fake = FakeEngine(bare)
    assert node_image.found(engine.find()) is None
    assert node_image.found(engine.find()) is None
    assert sum(asked.startswith("manifest") for asked in fake.asked()) == 1


def test_without_an_image_up_says_how_to_get_one_and_leaves_nothing(bare: Path, data: Path) -> None:
    FakeEngine(bare)
    with pytest.raises(PermanentError, match="`seatrial node-image build` makes one here"):
        KindProvider().create(ClusterSpec("one"))
    assert not (data / "one").exists()


def test_a_full_disk_of_the_engine_is_told(bare: Path, data: Path) -> None:
    FakeEngine(bare).full()
    with pytest.raises(PermanentError, match="the disk of docker is full"):
        KindProvider().create(ClusterSpec("one"))


def test_without_an_engine_up_fails_down_succeeds_and_the_list_is_empty(bare: Path, data: Path) -> None:
    provider = KindProvider()
    with pytest.raises(PermanentError, match="neither docker nor podman"):
        provider.create(ClusterSpec("one"))
    provider.delete("one")
    assert provider.list() == []
