"""Whether a lab's checks notice what is broken: every mutant of its solved state is graded."""

from __future__ import annotations

import time
from collections.abc import Sequence

from grader.evaluate import evaluate
from grader.labfile import LoadedLab, Manifest
from grader.model import Evidence, Report
from grader.mutants import Mutant, explained, mutants
from proving.verdict import Gap, Mutation


def mutate(lab: LoadedLab, evidence: Evidence, solution: Sequence[Manifest]) -> Mutation:
    """Grade every mutant of a solved lab's evidence; `solution` are the manifests that solved it. Pure.

    The parts of a group stand for each other: it is noticed where one of them is.
    """
    begun = time.perf_counter()
    solved = evaluate(lab, evidence, explain=False)
    groups: dict[str, list[Mutant]] = {}
    for one in mutants(lab, evidence, solved, solution):
        groups.setdefault(one.group, []).append(one)
    noticed = 0
    survivors: list[Mutant] = []
    free: list[Gap] = []
    broken: list[Gap] = []
    for group in groups.values():
        outcomes = [_outcome(lab, evidence, solved, one) for one in group]
        one = group[0]
        error = next((o for o in outcomes if isinstance(o, str)), None)
        reason = explained(one, lab.spec.free)
        if error is not None:
            broken.append(Gap.of(one, error))
        elif True in outcomes:
            noticed += 1
        elif reason is not None:
            free.append(Gap.of(one, reason.why))
        else:
            survivors.append(one)
    whole = {(m.kind, m.name, m.file) for m in survivors if m.path == "*" and m.task is None}
    # Nobody asks for the object at all: that is said once, not again for each of its fields.
    kept = [m for m in survivors if m.path == "*" or m.task or (m.kind, m.name, m.file) not in whole]
    gaps = [Gap.of(mutant) for mutant in kept]
    return Mutation(len(groups), noticed, gaps, free, broken, time.perf_counter() - begun)


def _outcome(lab: LoadedLab, evidence: Evidence, solved: Report, mutant: Mutant) -> bool | str:
    """True where the mutant costs points where it must; the message of a check that could not be run on it."""
    report = evaluate(lab, mutant.mutate(evidence), explain=False)
    error = next(iter(report.errors), None)
    if error is not None:
        return f"{error.id}: {error.message}"
    lost = [t.id for t, before in zip(report.tasks, solved.tasks, strict=True) if t.score < before.score - 1e-6]
    return bool(lost) if mutant.task is None else mutant.task in lost
