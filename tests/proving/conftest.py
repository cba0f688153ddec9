"""A small lab in a namespace of its own, and a copy of the student's kubeconfig that a test may change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.kubectl import kubectl
from grader import labfile
from grader.labfile import LoadedLab

LAMP = Path(__file__).parents[1] / "fakes" / "labs" / "90-lamp"


@pytest.fixture
def lamp(tmp_path: Path) -> LoadedLab:
    """The lamp lab as it stands."""
    return labfile.read(LAMP)


@pytest.fixture
def folder(tmp_path: Path, namespace: str) -> Path:
    """The lamp lab, called and placed as no other test's, to be changed by a test."""
    copy = tmp_path / namespace.replace("t-", "lamp-")
    shutil.copytree(LAMP, copy)
    spec = copy / "lab.yaml"
    spec.write_text(spec.read_text().replace("namespace: lamp", f"namespace: {namespace}-lab"))
    return copy


@pytest.fixture
def lab(folder: Path, cluster: Any) -> Iterator[LoadedLab]:
    """The lamp lab of one test; its namespace is deleted afterwards."""
    found = labfile.read(folder)
    yield found
    kubectl(cluster.admin, "delete", "namespace", found.spec.namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def student(tmp_path: Path, cluster: Any) -> Path:
    """The student's kubeconfig, to oneself."""
    copy = tmp_path / "student.yaml"
    shutil.copy(cluster.student, copy)
    return copy
