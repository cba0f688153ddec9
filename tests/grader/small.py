"""A small lab in a folder, for tests that grade."""

from __future__ import annotations

from pathlib import Path

from grader.labfile import LoadedLab, read

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


def folder(parent: Path, body: str = ONE_TASK) -> Path:
    """Write the lab "small", lab.yaml being a head and `body`; gives its folder."""
    made = parent / "labs" / "01-small"
    made.mkdir(parents=True, exist_ok=True)
    (made / "lab.yaml").write_text(HEAD + body)
    (made / "README.md").write_text("# A lab\n")
    return made


def lab(parent: Path, body: str = ONE_TASK) -> LoadedLab:
    """Write it and read it."""
    return read(folder(parent, body))
