from __future__ import annotations

from pathlib import Path

import pytest

from clusters import registry
from clusters.errors import PermanentError
from clusters.existing import ExistingProvider
from clusters.kind import KindProvider, node_image
from clusters.kind.names import built
from clusters.kwok import KwokProvider
from clusters.model import ClusterSpec
from clusters.tools import VERSIONS
from tests.fakes.clusters import FakeProvider
from tests.fakes.engine import FakeEngine

NODE = built(VERSIONS["kube-apiserver"])


def test_ours_are_there() -> None:
    assert {"kwok", "kind", "existing"} <= set(registry.providers())
    assert isinstance(registry.provider("kwok"), KwokProvider)
    assert isinstance(registry.provider("kind"), KindProvider)
    assert isinstance(registry.provider("existing"), ExistingProvider)


def test_auto_is_the_embedded_one_where_no_engine_can_be_used(bare: Path) -> None:
    assert isinstance(registry.provider("auto"), KwokProvider)
    assert "neither docker nor podman is on PATH" in registry.automatic()[1]
    FakeEngine(bare).denied()
    assert isinstance(registry.provider("auto"), KwokProvider)
    assert "you may not use it" in registry.automatic()[1]


def test_auto_is_kind_where_an_engine_answers_and_has_an_image_for_nodes(bare: Path) -> None:
    engine = FakeEngine(bare)
    name, why = registry.automatic()
    assert (name, isinstance(registry.provider("auto"), KwokProvider)) == ("kwok", True)
    assert "docker has no image for nodes" in why
    engine.has(NODE)
    assert isinstance(registry.provider("auto"), KindProvider)
    assert registry.automatic()[1] == f"docker answers, and has {NODE}"


def test_auto_is_kind_where_a_registry_has_the_image(bare: Path) -> None:
    engine = FakeEngine(bare)
    engine.registry_has(node_image.published())
    assert registry.automatic(registries=False)[0] == "kwok"
    assert registry.automatic() == ("kind", f"docker answers, and a registry has {node_image.published()}")


def test_another_package_brings_a_provider_by_an_entry_point(fakes: Path) -> None:
    assert "fake" in registry.providers()
    assert registry.provider("fake").name == "fake"


def test_the_owner_of_a_cluster_is_the_provider_that_made_it(fakes: Path, data: Path) -> None:
    FakeProvider().create(ClusterSpec("one"))
    assert registry.owner("one").name == "fake"
    with pytest.raises(PermanentError, match="there is no cluster 'two'; there are: one"):
        registry.owner("two")
