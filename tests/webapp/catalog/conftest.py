"""A folder of labs to write into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from webapp.catalog import services

LAB = """\
title: {title}
summary: A summary of {slug}.
minutes: 30
level: {level}
after: {after}
namespace: shop
{more}
tasks:
- id: one
  title: Do it
  points: 2
  hint: Look at ${{port}} here.
  checks:
  - match: {{apiVersion: v1, kind: Pod, metadata: {{name: web}}}}
    message: Make it on ${{port}}.
- id: two
  title: Do more
  points: 3
  checks:
  - match: {{apiVersion: v1, kind: Pod, metadata: {{name: db}}}}
"""
PORTS = "parameters:\n  port: {choose: [8080, 9090, 7070, 6060]}"


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a lab, and let the catalogue be the labs that were written: labs("09-services", level="beginner")."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(services, "_SHELF", services._Shelf())

    def write(name: str, *, title: str = "", level: str = "beginner", after: str = "[]", more: str = PORTS) -> Path:
        folder = tmp_path / "labs" / name
        folder.mkdir(parents=True, exist_ok=True)
        slug = name.partition("-")[2]
        text = LAB.format(title=title or slug.capitalize(), slug=slug, level=level, after=after, more=more)
        (folder / "lab.yaml").write_text(text, encoding="utf-8")
        (folder / "README.md").write_text("# T\n\nThe port is ${port}.\n\n## Do it\n\n## Do more\n", encoding="utf-8")
        return folder

    return write
