"""A fake API server, access to it, and labs made of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.collect import Access
from grader.labfile import LoadedLab, read
from tests.fakes.apiserver import FakeApiServer, serving

HEAD = """\
title: A lab
summary: For a test.
minutes: 5
level: beginner
namespace: shop
"""
ONE_TASK = """\
tasks:
- id: web
  title: A Pod named web
  points: 2
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: web}}
"""

MakeLab = Callable[..., LoadedLab]


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as one:
        yield one


@pytest.fixture
def access(server: FakeApiServer, tmp_path: Path) -> Access:
    return Access.from_kubeconfig(server.kubeconfig(tmp_path))


@pytest.fixture
def make_lab(tmp_path: Path) -> MakeLab:
    """make_lab(yaml below the head) -> the lab, in a folder named "small"."""

    def make(body: str = ONE_TASK, **options: str) -> LoadedLab:
        folder = tmp_path / "labs" / "01-small"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lab.yaml").write_text(HEAD + body)
        (folder / "README.md").write_text("# A lab\n")
        return read(folder, **options)

    return make
