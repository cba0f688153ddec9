"""Where labs are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.labfile import catalogue, find
from grader.model import LabError
from tests.grader.labfile.labs import write


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "labs", name="09-services")
    write(tmp_path / "labs", name="07-deployments")
    (tmp_path / "labs" / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "labs"


def test_the_labs_of_the_current_directory_win(labs: Path) -> None:
    assert [p.name for p in catalogue()] == ["07-deployments", "09-services"]
    assert all(p.parent == labs for p in catalogue())


@pytest.mark.parametrize("name", ["services", "09-services", "labs/09-services", "./labs/09-services/lab.yaml"])
def test_by_slug_folder_or_path(labs: Path, name: str) -> None:
    assert find(name) == labs / "09-services"


def test_inside_a_lab(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(labs / "09-services")
    assert find(".") == labs / "09-services"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("servics", 'there is no lab "servics"; did you mean "services"?'),
        ("zzz", "`seatrial lab list` shows all"),
        ("labs/notes", "labs/notes holds no lab.yaml"),
    ],
)
def test_no_such_lab(labs: Path, name: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        find(name)


def test_elsewhere_the_checkout_or_the_installed_labs_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert all(p.is_absolute() and (p / "lab.yaml").is_file() for p in catalogue())
