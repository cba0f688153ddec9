"""What stands in the labs, read without a cluster: lint is silent, and the commands in the text can be typed."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from grader import labfile
from grader.labfile.parameters import replace
from grader.lint import lint

LABS = labfile.catalogue()
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(params=LABS, ids=[folder.name for folder in LABS])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def variants(folder: Path) -> list[dict[str, object]]:
    """Every combination of the values that students may draw."""
    drawn = labfile.read(folder).spec.parameters
    return [dict(zip(drawn, values, strict=True)) for values in itertools.product(*(p.choose for p in drawn.values()))]


def test_the_first_six_are_there() -> None:
    names = {folder.name for folder in LABS}
    assert names >= {"01-first-pod", "06-reconciliation", "07-deployments", "09-services", "19-pv-pvc", "21-hpa"}


def test_lint_is_silent(folder: Path) -> None:
    assert [str(fault) for fault in lint(folder)] == []


def test_at_least_three_known_mistakes(folder: Path) -> None:
    assert len(labfile.wrongs(labfile.read(folder))) >= 3


def test_every_task_is_spoilt_by_some_known_mistake(folder: Path) -> None:
    lab = labfile.read(folder)
    spoilt = {task for wrong in labfile.wrongs(lab) for task, points in wrong.loses.items() if points}
    assert {t.id for t in lab.spec.tasks} == spoilt


def test_every_variant_can_be_read_solved_and_spoilt(folder: Path) -> None:
    for params in variants(folder):
        lab = labfile.read(folder, params=params)
        labfile.setup(lab)
        labfile.solution(lab)
        labfile.wrongs(lab)
        for name in params:
            assert "${" + name + "}" not in replace((folder / "README.md").read_text(), lab.params)


def test_commands_can_be_typed(folder: Path) -> None:
    for block in FENCE.findall((folder / "README.md").read_text()):
        commands = re.sub(r" <<'YAML'\n.*?^YAML$", "", block, flags=re.MULTILINE | re.DOTALL).strip().splitlines()
        assert commands
        for line in commands:
            assert re.match(r"(kubectl|curl|seatrial) ", line), f"{folder.name}: {line}"


def test_drawings_close(folder: Path) -> None:
    """A box drawn around a parameter is as wide as its frame for every value."""
    for params in variants(folder) or [{}]:
        text = replace((folder / "README.md").read_text(), labfile.read(folder, params=params).params)
        lines = text.splitlines()
        for number, line in enumerate(lines):
            for corner in re.finditer("┌[─▼▲┴┬]+┐", line):
                if lines[number + 1][corner.start() : corner.start() + 1] not in "│├▶◀":
                    continue  # An arrow that turns corners, not a box.
                for below in itertools.takewhile(lambda one: one.strip(), lines[number + 1 :]):
                    left, right = below[corner.start() : corner.start() + 1], below[corner.end() - 1 : corner.end()]
                    assert left in "│└├┤▶◀" and right in "│┘├┤▶◀┼", f"{folder.name}: {below}"
                    if left == "└":
                        break


def test_says_that_pods_are_simulated(folder: Path) -> None:
    assert "**Simulated Pods" in (folder / "README.md").read_text()
