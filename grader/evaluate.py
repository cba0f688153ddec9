"""A lab and an Evidence give a Report. A pure function: the same two give the same report, to the byte, for ever."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from grader import checks
from grader import explain as explanations
from grader.checks.looking import inside
from grader.checks.wording import listing, sentence
from grader.labfile.loading import LoadedLab
from grader.labfile.schema import Check, Task
from grader.model import CheckResult, Evidence, EvidenceError, Outcome, Report, TaskResult


def evaluate(lab: LoadedLab, evidence: Evidence, *, explain: bool = True) -> Report:
    """Grade. With `explain`, each failed check is explained from the cluster's own relations.

    Raises LabFaults where a check of the lab cannot be compiled, and EvidenceError where the evidence is another lab's.
    """
    if evidence.lab != lab.slug:
        raise EvidenceError(f'the evidence is of lab "{evidence.lab}", not of "{lab.slug}"; name its lab with --lab')
    checks.prepare(lab)
    graded = [_task(task, lab, evidence, explain=explain) for task in lab.spec.tasks]
    score = sum((earned for _, earned, _ in graded), Fraction(0))
    skipped = sum((skipped for _, _, skipped in graded), Fraction(0))
    unsure = any(result.outcome is Outcome.ERROR for result, _, _ in graded)
    return Report(
        lab.slug,
        None if unsure else _rounded(score),
        _rounded(sum((_exact(task.points) for task in lab.spec.tasks), Fraction(0))),
        _rounded(skipped),
        tuple(result for result, _, _ in graded),
    )


def _task(task: Task, lab: LoadedLab, evidence: Evidence, *, explain: bool) -> tuple[TaskResult, Fraction, Fraction]:
    results = []
    for index, check in enumerate(task.checks):
        result = _excused(checks.judge(check, f"{task.id}/{index}", lab, evidence), evidence)
        results.append(_explained(check, result, lab, evidence) if explain else result)
    earned, skipped = _points(task, results)
    outcome = _outcome(results)
    done = TaskResult(
        task.id, task.title, _rounded(earned), _rounded(_exact(task.points)), _rounded(skipped), outcome, tuple(results)
    )
    return done, earned, skipped


def _excused(result: CheckResult, evidence: Evidence) -> CheckResult:
    """What fails in a cluster of which a part has ended may be nobody's mistake, so it costs nothing."""
    if result.outcome is not Outcome.FAILED or not evidence.down:
        return result
    ended = f"{listing(evidence.down)} of this cluster {'has' if len(evidence.down) == 1 else 'have'} ended"
    told = f"{ended}: run `seatrial cluster start NAME` and grade again, as this may be no mistake: {result.message}"
    return replace(result, outcome=Outcome.ERROR, message=sentence(told))


def _explained(check: Check, result: CheckResult, lab: LoadedLab, evidence: Evidence) -> CheckResult:
    # A check that was skipped as a whole has no results of those inside it.
    pairs = zip(inside(check), result.checks, strict=True) if result.checks else ()
    inner = tuple(_explained(c, r, lab, evidence) for c, r in pairs)
    why = explanations.why(check, lab, evidence) if result.outcome is Outcome.FAILED else None
    return replace(result, why=why, checks=inner)


def _points(task: Task, results: list[CheckResult]) -> tuple[Fraction, Fraction]:
    """What the task earned, and what could not be shown. A check that could not be run costs nothing and earns nothing:
    the report then has no score."""
    if task.score == "all" and any(r.outcome is Outcome.FAILED for r in results):
        return Fraction(0), Fraction(0)
    earned = skipped = Fraction(0)
    for share, result in zip(shares(task), results, strict=True):
        if result.outcome is Outcome.PASSED:
            earned += share
        elif result.outcome is Outcome.SKIPPED:
            skipped += share
    return earned, skipped


def shares(task: Task) -> tuple[Fraction, ...]:
    """What each check of a task is worth: what it says, else an equal part of what the others leave. Exact."""
    return _shares(task.points, tuple(c.points for c in task.checks))


@lru_cache(maxsize=1024)
def _shares(points: float, stated: tuple[float | None, ...]) -> tuple[Fraction, ...]:
    left = _exact(points) - sum((_exact(s) for s in stated if s is not None), Fraction(0))
    each = max(left, Fraction(0)) / max(stated.count(None), 1)
    return tuple(each if s is None else _exact(s) for s in stated)


def _outcome(results: list[CheckResult]) -> Outcome:
    outcomes = {r.outcome for r in results}
    if Outcome.ERROR in outcomes:
        return Outcome.ERROR
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    return Outcome.SKIPPED if outcomes == {Outcome.SKIPPED} else Outcome.PASSED


@lru_cache(maxsize=1024)
def _exact(points: float) -> Fraction:
    # repr gives the number that the author wrote: 0.1 points are a tenth.
    return Fraction(repr(points))


@lru_cache(maxsize=1024)
def _rounded(points: Fraction) -> float:
    return float(round(points, 2))
