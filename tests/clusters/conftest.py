"""A data directory of its own for each test of the clusters, and a place in which nothing may be left running."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import store
from clusters.kind import node_image
from clusters.kwok import processes
from clusters.kwok.layout import Layout

# A distribution of whose entry points the registry hears.
FAKES = """[seatrial.clusters]
fake = tests.fakes.clusters:FakeProvider
slow = tests.fakes.clusters:SlowProvider
broken = tests.fakes.clusters:BrokenProvider
busy = tests.fakes.clusters:BusyProvider
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's clusters are; whatever it leaves is removed."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield store.root()
    for name in store.names():
        processes.end(Layout.of(name))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without any container engine, whose first folder this is; and nobody remembers what a registry said."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("sh", "cat", "grep", "rm"):
        (place / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(place))
    node_image.forget()
    return place


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the fake providers, as another package would. Returns the folder to put on PYTHONPATH for children."""
    site = tmp_path / "site"
    info = site / "seatrial_fakes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: seatrial-fakes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(FAKES)
    monkeypatch.syspath_prepend(str(site))
    return site
