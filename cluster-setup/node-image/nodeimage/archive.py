"""An image as one file, in the form of `docker save`, which Docker, Podman and containerd take."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.tools.pins import system
from nodeimage.layers import MOMENT
from nodeimage.workshop import digest_of_file

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CREATED = "2023-11-14T22:13:20Z"  # MOMENT


@dataclass(frozen=True, slots=True)
class Settings:
    """How a container of an image starts."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    ports: tuple[str, ...] = ()
    stop: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """As an image's configuration has it."""
        config: dict[str, Any] = {"Env": [PATH, *self.environment], "Labels": self.labels, "WorkingDir": "/"}
        if self.entrypoint:
            config["Entrypoint"] = list(self.entrypoint)
        if self.command:
            config["Cmd"] = list(self.command)
        if self.user:
            config["User"] = self.user
        if self.ports:
            config["ExposedPorts"] = {port: {} for port in self.ports}
        if self.stop:
            config["StopSignal"] = self.stop
        return config


def write(goal: Path, references: Sequence[str], layers: Sequence[Path], settings: Settings) -> None:
    """Write an image of these layers, the lowest first, under its names."""
    digests = [digest_of_file(layer) for layer in layers]
    config = json.dumps(
        {
            "architecture": system()[1],
            "os": "linux",
            "created": CREATED,
            "config": settings.config(),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [{"created": CREATED, "created_by": "seatrial node-image build"} for _ in digests],
        }
    ).encode()
    manifest = [
        {"Config": "config.json", "RepoTags": list(references), "Layers": [f"{digest}.tar" for digest in digests]}
    ]
    with tarfile.open(goal, "w") as tar:
        _add(tar, "config.json", config)
        for digest, layer in zip(digests, layers, strict=True):
            if f"{digest}.tar" in tar.getnames():
                continue
            member = tarfile.TarInfo(f"{digest}.tar")
            member.size, member.mtime = layer.stat().st_size, MOMENT
            with layer.open("rb") as file:
                tar.addfile(member, file)
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), MOMENT
    tar.addfile(member, io.BytesIO(content))
