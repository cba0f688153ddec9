"""The settings: what the environment says, what it may not say, and that each is documented."""

from __future__ import annotations

import dataclasses
import re
import threading
from pathlib import Path

import pytest

from webapp.errors import PortalError
from webapp.settings import AUTHENTICATOR, Settings, from_environment

DOCS = Path(__file__).parents[2] / "docs" / "portal.md"


def test_every_setting_is_documented_and_read() -> None:
    documented = set(re.findall(r"^\| `SEATRIAL_(\w+)` \|", DOCS.read_text(), re.MULTILINE))
    assert documented == {field.name.upper() for field in dataclasses.fields(Settings)}
    source = (Path(__file__).parents[2] / "webapp" / "settings.py").read_text()
    assert documented <= set(re.findall(r'"SEATRIAL_(\w+)"', source))


def test_nothing_set_gives_a_portal_of_this_machine_alone() -> None:
    settings = from_environment({})
    assert (settings.host, settings.port, settings.authenticator) == ("127.0.0.1", 8000, AUTHENTICATOR)
    assert settings.database_url == f"sqlite:///{settings.data / 'portal.db'}"
    assert settings.clusters >= 1
    assert not settings.sign_in_elsewhere


@pytest.mark.parametrize("name", ["SEATRIAL_PORT", "SEATRIAL_POOL", "SEATRIAL_CLUSTERS", "SEATRIAL_IDLE_MINUTES"])
@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", "９", "10000000", "0x10"])
def test_a_bad_number_is_named(name: str, value: str) -> None:
    with pytest.raises(PortalError, match=f"{name} is .*; it must be a whole number from"):
        from_environment({name: value})


@pytest.mark.parametrize("value", ["", " ", " 3 "])
def test_an_empty_value_is_none_and_space_does_not_matter(value: str) -> None:
    assert from_environment({"SEATRIAL_POOL": value}).pool == (int(value) if value.strip() else 2)


def test_a_relative_folder_is_the_same_after_a_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_environment({"SEATRIAL_DATA": "here"}).data == tmp_path / "here"


def test_a_secret_is_drawn_once_whoever_asks_first(tmp_path: Path) -> None:
    settings = from_environment({"SEATRIAL_DATA": str(tmp_path)})
    found: list[str] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(settings.key("portal"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and re.fullmatch("[0-9a-f]{64}", found[0])
    assert (settings.secrets / "portal").stat().st_mode & 0o777 == 0o600
    assert settings.secrets.stat().st_mode & 0o777 == 0o700
    assert settings.key("proxy") != found[0]


def test_a_password_in_the_database_url_is_in_no_log() -> None:
    assert "hunter2" not in repr(from_environment({"SEATRIAL_DATABASE_URL": "postgresql://portal:hunter2@db/x"}))
