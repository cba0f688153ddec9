"""Grade a cluster: look and judge, and look again where a check must hold for a while or may still come true."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from grader.checks import held, judge, prepare
from grader.checks.judging import span
from grader.collect import Access, again, collect, record
from grader.collect.collecting import walk
from grader.evaluate import evaluate
from grader.labfile import LoadedLab, read
from grader.labfile.schema import seconds
from grader.model import CheckResult, Evidence, Outcome, Report

# How long `wait` goes on for a failing check that does not say `within`, in seconds.
PATIENCE = 30.0
# The longest pause between two looks, and between two looks at what must hold, in seconds.
PAUSE, HOLD_PAUSE = 1.0, 0.5
# Told after each judged look: the report so far, and for how many seconds more a wait may go on.
OnLook = Callable[[Report, float], None]


def lab_for(folder: Path, access: Access, *, student: str | None = None, secret: str = "") -> LoadedLab:
    """Read a lab as the student has it: with the parameters of the record of its start, else drawn for `student`.

    Raises LabFaults before it asks the cluster anything, and ClusterUnreachable.
    """
    stated = access.kubeconfig.extension.get("student")
    lab = read(folder, student=student or (stated if isinstance(stated, str) else "") or "student", secret=secret)
    prepare(lab)
    found = record(access, lab.slug)
    if found is None or dict(found.params) == dict(lab.params):
        return lab
    return read(folder, student=found.student, secret=secret, params=found.params)


def grade(
    lab: LoadedLab,
    access: Access,
    *,
    wait: bool = False,
    student: str | None = None,
    on_look: OnLook | None = None,
) -> tuple[Evidence, Report]:
    """Grade a cluster now. Checks with `hold` that are true now are watched until they have held or turned false.

    With `wait`, looks again while a check that fails, or could not be run, has some of its `within` left.
    Raises LabFaults for a lab that cannot be graded, and ClusterUnreachable.
    """
    prepare(lab)
    holding, pauses = Holding(lab), _pauses()
    evidence = collect(lab, access, student=student)
    begun = evidence.now.seconds
    while True:
        evidence = _watch(lab, access, evidence, holding)
        report = evaluate(lab, evidence, explain=False)
        left = _left(lab, report) - (evidence.now.seconds - begun) if wait else 0.0
        if on_look is not None:
            on_look(report, max(left, 0.0))
        if left <= 0:
            return evidence, evaluate(lab, evidence)
        time.sleep(min(next(pauses), left))
        evidence = again(lab, access, evidence)


class Holding:
    """Since when each check with `hold` has been true without a break."""

    def __init__(self, lab: LoadedLab) -> None:
        """Nothing has been seen yet."""
        self._lab = lab
        # Copies without `hold`, made once because checks are compiled once for as long as they live.
        self._checks = [
            (check_id, check.model_copy(update={"hold": None}), seconds(check.hold))
            for check_id, check in walk(lab)
            if check.hold is not None
        ]
        self._since: dict[str, float] = {}

    def missing(self, evidence: Evidence) -> float:
        """Take note of a look. For how many seconds more a check that is true now must be watched."""
        return max(self.pending(evidence).values(), default=0.0)

    def pending(self, evidence: Evidence) -> dict[str, float]:
        """Take note of a look. The seconds that each check that is true now has still to hold, by the check's id."""
        alone, pending = replace(evidence, earlier=()), dict[str, float]()
        for check_id, check, hold in self._checks:
            if judge(check, check_id, self._lab, alone).outcome is Outcome.PASSED:
                now, last = span(check, check_id, evidence.now)
                left = hold - (now - self._since.setdefault(check_id, last))
                if left > 0:
                    pending[check_id] = left
            else:
                self._since.pop(check_id, None)
        return pending


def _watch(lab: LoadedLab, access: Access, evidence: Evidence, holding: Holding) -> Evidence:
    """Look at what must hold until it has held, or turned false. The last look is a whole one."""
    whole = True
    while (missing := holding.missing(evidence)) > 0:
        whole = missing <= HOLD_PAUSE
        time.sleep(min(missing, HOLD_PAUSE))
        evidence = again(lab, access, evidence, only=None if whole else held(lab))
    if not whole:
        evidence = again(lab, access, evidence)
        holding.missing(evidence)
    return evidence


def _left(lab: LoadedLab, report: Report) -> float:
    """Until how many seconds after the first look it is worth looking: when each check that fails has had its time."""
    within = {check_id: seconds(check.within) if check.within else PATIENCE for check_id, check in walk(lab)}
    return max((within[check.id] for task in report.tasks for check in task.checks if _may_change(check)), default=0.0)


def _may_change(check: CheckResult) -> bool:
    return check.outcome in (Outcome.FAILED, Outcome.ERROR)


def _pauses() -> Iterator[float]:
    pause = 0.1
    while True:
        yield pause
        pause = min(pause * 1.5, PAUSE)
