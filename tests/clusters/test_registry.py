from __future__ import annotations

from pathlib import Path

import pytest

from clusters import registry
from clusters.errors import PermanentError
from clusters.existing import ExistingProvider
from clusters.kwok import KwokProvider
from clusters.model import ClusterSpec
from tests.fakes.clusters import FakeProvider


def test_ours_are_there_and_auto_is_the_embedded_one() -> None:
    assert {"kwok", "existing"} <= set(registry.providers())
    assert isinstance(registry.provider("kwok"), KwokProvider)
    assert isinstance(registry.provider("existing"), ExistingProvider)
    assert isinstance(registry.provider("auto"), KwokProvider)


def test_another_package_brings_a_provider_by_an_entry_point(fakes: Path) -> None:
    assert "fake" in registry.providers()
    assert registry.provider("fake").name == "fake"


def test_the_owner_of_a_cluster_is_the_provider_that_made_it(fakes: Path, data: Path) -> None:
    FakeProvider().create(ClusterSpec("one"))
    assert registry.owner("one").name == "fake"
    with pytest.raises(PermanentError, match="there is no cluster 'two'; there are: one"):
        registry.owner("two")
