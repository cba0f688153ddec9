"""Containers of which nobody has a record, as a Hub leaves them that is killed while it starts one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.engine import Engine
from tests.fakes.engine import FakeEngine
from tests.fakes.watch import Recorder
from tests.webapp.workspaces.conftest import House
from webapp.platform import operations
from webapp.settings import Settings, from_environment
from webapp.workspaces import places
from webapp.workspaces.containers import container, known


class Left:
    """Starts containers that are known by their name and label alone."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine, self._image = engine, image
        self.names: list[str] = []

    def behind(self, settings: Settings, number: int) -> str:
        place = places.of(settings.workspaces, number)
        name = known.name(settings, place)
        labels = container.create_options(settings, place)["labels"]
        self.names.append(name)
        marks = [f"--label={key}={value}" for key, value in labels.items()]
        words = ("run", "--detach", "--network=none", f"--name={name}", *marks, self._image, "sleep", "600")
        self._engine.run(*words, timeout=60)
        return name

    def there(self) -> set[str]:
        told = self._engine.run("ps", "--all", "--format", "{{.Names}}", timeout=60).stdout.split()
        return set(told) & set(self.names)


@pytest.fixture
def left(engine: Engine, workspace_image: str) -> Iterator[Left]:
    made = Left(engine, workspace_image)
    yield made
    for name in made.there():
        engine.run("rm", "--force", name, timeout=60)


@pytest.mark.kind
@pytest.mark.portal
def test_where_a_sandbox_starts_its_students_container_ends(house: House, left: Left) -> None:
    left.behind(house.settings, 41)
    others = left.behind(house.settings, 4)
    house.open(41)
    assert left.there() == {others}


@pytest.mark.kind
def test_down_ends_the_containers_of_its_data_folder(tmp_path: Path, left: Left) -> None:
    mine, another = (from_environment({"SEATRIAL_DATA": str(tmp_path / name)}) for name in ("mine", "another"))
    mine.data.mkdir()
    left.behind(mine, 1)
    left.behind(mine, 2)
    stays = left.behind(another, 1)
    operations.down(mine, Recorder())
    assert left.there() == {stays}


def test_an_engine_that_does_not_answer_has_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = from_environment({"SEATRIAL_DATA": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    known.remove(settings)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for make in (FakeEngine.gone, FakeEngine.denied):
        make(FakeEngine(tmp_path))
        known.remove(settings)
