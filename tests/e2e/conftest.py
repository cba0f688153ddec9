"""A cluster that the tests of this folder may harm, and the lab that they start in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import demand_programs
from tests.e2e.command import seatrial

LAMP = Path(__file__).parents[1] / "fakes" / "labs" / "90-lamp"


@dataclass(frozen=True)
class Mortal:
    """A cluster of our own, made by the command: its name, where it is kept, and its two kubeconfig files."""

    name: str
    data: Path
    admin: Path
    student: Path


def made(data: Path, name: str = "mortal") -> Mortal:
    """Make one by the command."""
    up = seatrial("cluster", "up", name, "--provider", "kwok", data=data)
    assert up.returncode == 0, up.stderr
    folder = data / "seatrial" / "clusters" / name
    return Mortal(name, data, folder / "admin.yaml", folder / "student.yaml")


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """One for the tests of a module."""
    demand_programs()
    data = tmp_path_factory.mktemp("data")
    try:
        yield made(data)
    finally:
        seatrial("cluster", "down", "mortal", data=data)
