"""Steps: done once for the same inputs, done again for others, and nothing half made is ever taken for a result."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from nodeimage.errors import ImageBuildError
from nodeimage.workshop import Workshop, digest, opened
from tests.fakes.watch import Recorder


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, Recorder())


def test_a_step_is_done_once_for_the_same_inputs(workshop: Workshop) -> None:
    made: list[Path] = []

    def make(goal: Path) -> None:
        made.append(goal)
        goal.write_text("done")

    first = workshop.made("step", "Doing it", ["a", "b"], make)
    assert workshop.made("step", "Doing it", ["a", "b"], make) == first
    assert first.read_text() == "done"
    assert len(made) == 1
    other = workshop.made("step", "Doing it", ["ab"], make)
    assert other != first
    assert not first.exists()
    assert len(made) == 2


def test_another_step_of_a_longer_name_is_left_alone(workshop: Workshop) -> None:
    longer = workshop.made("step-two", "x", ["a"], lambda goal: goal.touch())
    workshop.made("step", "x", ["a"], lambda goal: goal.touch())
    workshop.made("step", "x", ["b"], lambda goal: goal.touch())
    assert longer.exists()


def test_a_step_that_fails_leaves_nothing_and_is_done_again(workshop: Workshop) -> None:
    def broken(goal: Path) -> None:
        goal.write_text("half")
        raise ImageBuildError("no such package")

    with pytest.raises(ImageBuildError):
        workshop.made("step", "x", ["a"], broken)
    assert list(workshop.root.iterdir()) == []
    assert workshop.made("step", "x", ["a"], lambda goal: goal.touch()).exists()


def test_the_rest_of_a_killed_step_is_not_taken_for_its_result(workshop: Workshop) -> None:
    goal = workshop.made("step", "x", ["a"], lambda goal: goal.write_text("whole") and None)
    goal.rename(goal.with_name(f"{goal.name}.part"))
    again = workshop.made("step", "x", ["a"], lambda goal: goal.write_text("anew") and None)
    assert again.read_text() == "anew"


def test_a_full_disk_is_a_sentence(workshop: Workshop) -> None:
    def full(_goal: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ImageBuildError, match="is full: a node image takes 3 GB"):
        workshop.made("step", "x", ["a"], full)


def test_inputs_do_not_agree_by_their_seams() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_two_builds_wait_for_each_other(tmp_path: Path) -> None:
    order: list[str] = []
    inside, told = threading.Event(), threading.Event()

    class Waits(Recorder):
        def say(self, text: str) -> None:
            assert text.startswith("Waiting for another build")
            told.set()

    def second() -> None:
        inside.wait(30)
        with opened(Waits(), tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with opened(Recorder(), tmp_path):
        inside.set()
        assert told.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
