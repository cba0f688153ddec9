"""A release server that has everything, a Go that builds nothing, and a cache of the test's own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clusters.tools import pins as pins_module
from clusters.tools.pins import Asset, Pins
from tests.fakes.golang import FakeGo
from tests.fakes.releases import Releases, serving

HOSTS = ("dl.k8s.io", "github.com", "api.github.com", "get.helm.sh")


def publish(releases: Releases, pins: Pins) -> None:
    """Serve a release of every program, with the checksums as upstream publishes them; its content is its name."""
    sums: dict[str, list[str]] = {}
    records: dict[str, list[dict[str, str]]] = {}
    members: dict[Asset, dict[str, bytes]] = {}
    for program in pins.programs.values():
        if program.asset:
            key = program.member or program.name
            members.setdefault(program.asset, {})[key] = f"released {program.name}\n".encode() + os.urandom(40_000)
    for asset, contents in members.items():
        packed = pack(asset.file, contents) if asset.file.endswith((".zip", ".gz")) else next(iter(contents.values()))
        digest = releases.publish(asset.url, packed)
        if asset.checksum:
            sums.setdefault(asset.checksum, []).append(f"{digest}  {asset.file}")
        if asset.digests:
            records.setdefault(asset.digests, []).append({"name": asset.file, "digest": f"sha256:{digest}"})
    for url, lines in sums.items():
        releases.publish(url, "\n".join(lines).encode())
    for url, assets in records.items():
        releases.publish(url, json.dumps({"assets": assets}).encode())


def pack(name: str, contents: dict[str, bytes]) -> bytes:
    """An archive of the kind that its name says."""
    packed = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in contents.items():
                archive.writestr(path, content)
        return packed.getvalue()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in contents.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def spoil(releases: Releases, url: str) -> None:
    """Change a file after its checksum was published."""
    releases.files[releases.path(url)] += b"!"
    assert hashlib.sha256(releases.files[releases.path(url)]).hexdigest()
    assert urlsplit(url).netloc in HOSTS


@pytest.fixture
def pins() -> Pins:
    return pins_module.read(pins_module.folder(), "linux", "amd64")


@pytest.fixture
def releases(pins: Pins) -> Iterator[Releases]:
    with serving(Releases()) as running:
        publish(running, pins)
        yield running


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test, not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "seatrial" / "tools"


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A `go` on PATH before every other."""
    go = FakeGo(tmp_path / "fake-go")
    monkeypatch.setenv("PATH", go.on_path() + os.pathsep + os.environ["PATH"])
    return go
