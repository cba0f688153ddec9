"""A restore that is ended in any moment leaves one whole state."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clusters.kwok import state
from clusters.kwok.layout import Layout


@pytest.fixture
def layout(data: Path) -> Layout:
    """A cluster whose snapshot was unpacked: the old state is in use."""
    its = Layout.of("one")
    for folder, text in ((its.etcd, "old"), (its.home / "etcd.new", "new")):
        folder.mkdir(parents=True)
        for name in ("wal", "snap"):
            (folder / name).write_text(text)
    return its


def settled(layout: Layout) -> str:
    """What is in use after it was settled, and nothing else is there."""
    state.settle(layout)
    assert [p.name for p in layout.home.iterdir()] == ["etcd"]
    return "".join(sorted({p.read_text() for p in layout.etcd.iterdir()}))


def ended(_: Path) -> None:
    raise KeyboardInterrupt


def test_before_the_exchange_the_old_state_stays(layout: Layout) -> None:
    assert settled(layout) == "old"


def test_after_the_exchange_the_new_one_stays(layout: Layout) -> None:
    state.exchange(layout)
    assert settled(layout) == "new"


@pytest.mark.parametrize(("renames", "left"), [(1, "old"), (2, "new")])
def test_an_exchange_that_is_ended(layout: Layout, monkeypatch: pytest.MonkeyPatch, renames: int, left: str) -> None:
    end_after(renames, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        state.exchange(layout)
        ended(layout.home)
    monkeypatch.undo()
    assert settled(layout) == left


@pytest.mark.parametrize("renames", [1, 2, 3])
def test_an_undo_that_is_ended_goes_back_all_the_same(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    state.exchange(layout)
    end_after(renames, monkeypatch)
    monkeypatch.setattr(shutil, "rmtree", half_removed)
    with pytest.raises(KeyboardInterrupt):
        state.undo(layout)
    monkeypatch.undo()
    assert settled(layout) == "old"


def end_after(renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many renames be done, and no more."""
    real, left = Path.rename, [renames]

    def rename(path: Path, goal: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return real(path, goal)

    monkeypatch.setattr(Path, "rename", rename)


def half_removed(folder: Path) -> None:
    next(iter(sorted(folder.iterdir()))).unlink()
    raise KeyboardInterrupt
