"""What other people wrote is what was pinned, and comes with its licence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from webapp.web import vendor


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The vendored files, to be changed."""
    return Path(shutil.copytree(vendor.VENDOR, tmp_path / "vendor"))


def test_the_files_are_those_that_were_pinned() -> None:
    assert vendor.faults() == []
    assert vendor.main(["--check"]) == 0


def test_each_package_brings_its_licence() -> None:
    for package in vendor.PACKAGES:
        (licence,) = [name for _, name in package.files if name.endswith(".LICENSE")]
        assert len((vendor.VENDOR / licence).read_text(encoding="utf-8")) > 400


def test_nothing_points_to_a_map_that_is_not_served() -> None:
    for path in vendor.VENDOR.iterdir():
        assert b"sourceMappingURL" not in path.read_bytes()


def test_a_changed_file_is_told(copy: Path) -> None:
    with (copy / "xterm.js").open("ab") as file:
        file.write(b"\n")
    assert vendor.faults(vendor=copy) == ["xterm.js is not what SHA256SUMS says"]


def test_a_missing_and_a_foreign_file_are_told(copy: Path) -> None:
    (copy / "htmx.js").unlink()
    (copy / "evil.js").write_text("", encoding="utf-8")
    assert vendor.faults(vendor=copy) == ["htmx.js is missing", "evil.js belongs to no pinned package"]


def test_a_folder_without_sums_is_told(tmp_path: Path) -> None:
    (fault,) = vendor.faults(vendor=tmp_path)
    assert "SHA256SUMS cannot be read" in fault


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert vendor.main(["--help-me"]) == 2
    assert "usage" in capsys.readouterr().err
