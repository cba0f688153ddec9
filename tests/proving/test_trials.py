"""Proving small labs in a real control plane: a good one, and one with a fault of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clusters.kubectl import kubectl
from proving.stand import Stand
from proving.trials import prove
from proving.verdict import Verdict

pytestmark = pytest.mark.cluster


@pytest.fixture
def stand(cluster: Any, student: Path, lab: Any) -> Stand:
    return Stand(cluster.name, cluster.admin, student, "student")


def without_mistakes(folder: Path, but: str = "") -> None:
    """What a test does not look at takes no time."""
    for file in (folder / "wrong").iterdir():
        if file.name != but:
            file.unlink()


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(verdict: Verdict) -> list[tuple[str, str, int, str]]:
    return [(f.step, f.file.name, f.line, f.message) for f in verdict.faults]


def test_a_good_lab_is_proved(folder: Path, stand: Stand) -> None:
    verdict = prove(folder, stand, times=3)
    assert told(verdict) == []
    assert (verdict.proved, verdict.attempts, verdict.solved, verdict.points) == (True, 3, 3, 6)
    assert [m.lost for m in verdict.mistakes] == [
        {"note": 1, "lamp": 0, "dark": 0},
        {"note": 0, "lamp": 4, "dark": 0},
        {"note": 0, "lamp": 4, "dark": 1},
    ]
    assert verdict.mutation.made == verdict.mutation.noticed + len(verdict.mutation.free) > 20
    assert all(gap.note for gap in verdict.mutation.free)
    assert verdict.grading > 0


def test_points_before_any_work_are_named(folder: Path, stand: Stand) -> None:
    without_mistakes(folder)
    replaced(folder / "lab.yaml", "  score: all\n", "")
    replaced(folder / "lab.yaml", "metadata: {name: old-lamp}}", "metadata: {name: never-there}}")
    verdict = prove(folder, stand, times=1)
    untouched = [fault for fault in verdict.faults if fault.step == "untouched"]
    assert [(f.file.name, f.message) for f in untouched] == [
        ("lab.yaml", 'task "dark" has 0.5 points before any work is done: dark/1 holds already')
    ]
    assert (folder / "lab.yaml").read_text().splitlines()[untouched[0].line - 1] == "- id: dark"


def test_a_solution_that_does_not_solve_is_told_with_what_is_missing(folder: Path, stand: Stand) -> None:
    without_mistakes(folder)
    replaced(folder / "solution" / "lamp.yaml", 'colour: "${colour}"', "colour: blue")
    verdict = prove(folder, stand, times=2)
    assert (verdict.attempts, verdict.solved, verdict.mistakes) == (1, 0, [])
    assert [fault.step for fault in verdict.faults] == ["solution"]
    assert 'attempt 1 of the solution loses points in task "note"' in verdict.faults[0].message


def test_a_solution_that_the_student_may_not_apply_is_told(folder: Path, stand: Stand) -> None:
    without_mistakes(folder)
    (folder / "solution" / "run.sh").write_text("kubectl --namespace seatrial-system create configmap mine\n")
    verdict = prove(folder, stand, times=2)
    assert [fault.step for fault in verdict.faults] == ["solution"]
    assert "run.sh ended with exit code 1" in verdict.faults[0].message
    assert "seatrial-system" in verdict.faults[0].message


def test_a_mistake_that_loses_other_points_is_told_task_by_task(folder: Path, stand: Stand) -> None:
    without_mistakes(folder, but="01-colour.yaml")
    replaced(folder / "wrong" / "01-colour.yaml", "loses: {note: 1}", "loses: {lamp: 2}")
    verdict = prove(folder, stand, times=1)
    (fault,) = verdict.faults
    assert (fault.step, fault.file.name, fault.line) == ("wrong", "01-colour.yaml", 3)
    assert 'task "note" loses 1 instead of 0' in fault.message
    assert 'task "lamp" loses 0 instead of 2' in fault.message


def test_what_nobody_asks_for_is_told_with_the_solutions_line(folder: Path, stand: Stand) -> None:
    without_mistakes(folder)
    replaced(folder / "lab.yaml", ", resources: {requests: {cpu: 50m}}", "")
    verdict = prove(folder, stand, times=1)
    assert {(f.step, f.file.name, f.line) for f in verdict.faults} == {("mutants", "lamp.yaml", 18)}
    assert 'requests.cpu is "100m" instead of "50m": no task loses anything' in verdict.faults[0].message


def test_a_solution_that_leaves_something_behind_does_not_help_the_next_attempt(folder: Path, stand: Stand) -> None:
    without_mistakes(folder)
    # The second attempt would fail on what the first one made, were it still there.
    with (folder / "solution" / "run.sh").open("a") as script:
        script.write("kubectl create configmap left-behind\nkubectl create secret generic left-behind\n")
    verdict = prove(folder, stand, times=2)
    assert (verdict.attempts, verdict.solved) == (2, 2)
    names = kubectl(stand.admin, "get", "namespaces", "--output=name").stdout
    assert "seatrial-system" in names
