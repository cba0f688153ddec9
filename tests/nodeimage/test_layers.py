"""Layers and images as files: the same bytes of the same things, and what an engine reads out of them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from nodeimage import archive, layers
from nodeimage.layers import Layer
from nodeimage.workshop import digest_of_file


def written(goal: Path) -> Path:
    with Layer(goal) as layer:
        layer.file("usr/local/bin/tool", b"#!/bin/sh\n", 0o755)
        layer.link("bin/tool", "/usr/local/bin/tool")
        layer.folder("tmp", 0o1777)
    return goal


def test_a_layer_comes_out_the_same_and_belongs_to_root(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {(m.uid, m.gid, m.mtime) for m in tar} == {(0, 0, layers.MOMENT)}
        assert tar.getmember("usr/local/bin/tool").mode == 0o755
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.getmember("bin/tool").linkname == "/usr/local/bin/tool"
    assert {"usr", "usr/local", "usr/local/bin"} <= layers.names(first)


def test_what_is_copied_keeps_its_links_and_loses_what_is_not_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "kept").write_text("x")
    (folder / "dropped").write_text("y")
    (folder / "hard").hardlink_to(folder / "kept")
    with tarfile.open(tmp_path / "source", "w") as tar:
        for name in ("kept", "dropped", "hard"):
            tar.add(folder / name, f"./{name}")
    with Layer(tmp_path / "goal") as layer:
        layer.copy(tmp_path / "source", lambda path: path != "dropped")
    assert layers.names(tmp_path / "goal") == {"kept", "hard"}
    assert layers.content(tmp_path / "goal", "kept") == b"x"
    with tarfile.open(tmp_path / "goal") as tar:
        assert tar.getmember("hard").linkname == "kept"
    with pytest.raises(KeyError):
        layers.content(tmp_path / "goal", "dropped")


def test_an_image_names_its_layers_by_their_digests(tmp_path: Path) -> None:
    lower, upper = written(tmp_path / "a"), tmp_path / "b"
    with Layer(upper) as layer:
        layer.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
    settings = archive.Settings(("/tool",), ("run",), user="1000", ports=("80/tcp",), stop="SIGQUIT", labels={"a": "b"})
    archive.write(tmp_path / "image", ["x:1"], [lower, upper], settings)
    with tarfile.open(tmp_path / "image") as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files["config.json"])
    digests = [digest_of_file(lower), digest_of_file(upper)]
    assert manifest == {"Config": "config.json", "RepoTags": ["x:1"], "Layers": [f"{d}.tar" for d in digests]}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{d}" for d in digests]
    assert files[f"{digests[1]}.tar"] == upper.read_bytes()
    assert config["config"]["Entrypoint"] == ["/tool"]
    assert config["config"]["Cmd"] == ["run"]
    assert (config["config"]["User"], config["config"]["StopSignal"]) == ("1000", "SIGQUIT")
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}
    assert config["config"]["Labels"] == {"a": "b"}
