"""Proving a lab on a real control plane: untouched it scores 0, its solution full marks time after time, each known
mistake what it names, and whatever the solution sets is asked for by some check.

A proof is made of trials. Each begins in an empty namespace, so they can be made in any cluster and in any order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from grader import checks, labfile
from grader.collect import Access
from grader.grading import grade
from grader.labfile import LoadedLab, Manifest, Wrong
from grader.labfile.schema import seconds
from grader.model import CheckResult, Evidence, LabError, Outcome, Report
from proving.demand import every
from proving.mutation import mutate
from proving.settle import settled
from proving.stand import Stand
from proving.start import restart
from proving.verdict import ROUNDING, Mistake, Step, Verdict, as_named
from proving.work import WorkRefused, err, solve

# One trial: what it shows is added to a verdict.
Trial = Callable[[Stand, Verdict], None]


class Proof:
    """The trials of one lab. `names` says what each is; the solution's come before those of the mistakes."""

    def __init__(self, folder: Path, *, times: int = 10) -> None:
        """Read all of the lab's files. Raises LabError where they cannot be used."""
        self.folder = folder
        self.lab = labfile.read(folder)
        checks.prepare(self.lab)
        labfile.setup(self.lab)
        labfile.solution(self.lab)
        mistakes = labfile.wrongs(self.lab)
        trials: dict[str, Trial] = {"untouched": self._untouched}
        trials |= {f"solution {n + 1}": partial(self._attempt, n) for n in range(times)}
        trials |= {f"mistake {n + 1}": partial(self._mistake, n) for n in range(len(mistakes))}
        self.names, self._trials = list(trials), list(trials.values())

    @property
    def patience(self) -> float:
        """The longest time that a check of the lab may take to become true, in seconds."""
        return max((seconds(check.within) for check in every(self.lab) if check.within), default=0.0)

    def nothing(self) -> Verdict:
        """The verdict before the first trial."""
        return Verdict(self.lab.slug, sum(task.points for task in self.lab.spec.tasks))

    def run(self, number: int, stand: Stand) -> Verdict:
        """Make one trial in a cluster and give what it showed. Raises ClusterError and ClusterUnreachable."""
        begun, verdict = time.perf_counter(), self.nothing()
        try:
            self._trials[number](stand, verdict)
        except LabError as fault:
            verdict.fault("start", str(fault), self.lab.file)
        verdict.seconds = time.perf_counter() - begun
        return verdict

    def _begin(self, stand: Stand, draw: int) -> tuple[LoadedLab, Access]:
        """The lab anew, with the parameters of another draw."""
        lab = labfile.read(self.folder, student=stand.student_name, secret=f"trial-{draw}")
        restart(lab, stand.admin, stand.student, stand.student_name)
        return lab, Access.from_kubeconfig(stand.admin)

    def _untouched(self, stand: Stand, verdict: Verdict) -> None:
        """A task that has points before anybody has worked is a fault."""
        lab, access = self._begin(stand, 0)
        report = settled(lab, access, lambda r: all(task.score <= ROUNDING for task in r.tasks))
        for t, task in enumerate(report.tasks):
            if task.score > ROUNDING:
                holding = ", ".join(c.id for c in task.checks if c.outcome is Outcome.PASSED)
                text = f'task "{task.id}" has {task.score:g} points before any work is done: {holding} holds already'
                verdict.fault("untouched", text, lab.file, lab.line("tasks", t))
        _errors(verdict, "untouched", report, lab)

    def _attempt(self, number: int, stand: Stand, verdict: Verdict) -> None:
        """The solution, applied as the student, earns all that can be earned here. The first one is then mutated."""
        verdict.attempts = 1
        lab, access = self._begin(stand, number)
        solution = labfile.solution(lab)
        try:
            solve(solution, stand.student)
        except WorkRefused as refused:
            verdict.fault("solution", f"attempt {number + 1}: {refused}", lab.folder / "solution")
            return
        evidence, report = grade(lab, access, wait=True)
        begun = time.perf_counter()
        _, again = grade(lab, access)
        verdict.grading = time.perf_counter() - begun
        for one in (report, again):
            if not one.full_marks:
                _not_full(verdict, number, one, lab)
                return
        verdict.solved = 1
        verdict.skipped_points = again.skipped_points
        skipped = [c for task in again.tasks for c in _flat(task.checks) if c.outcome is Outcome.SKIPPED]
        verdict.skipped = [f"{c.id} ({c.kind}): {c.message}" for c in skipped]
        if number == 0:
            _mutants(verdict, lab, evidence, solution.manifests)

    def _mistake(self, number: int, stand: Stand, verdict: Verdict) -> None:
        """One known mistake: after the solution, unless it is made instead of it."""
        lab, access = self._begin(stand, number)
        wrong = labfile.wrongs(lab)[number]
        try:
            if wrong.on_top:
                solve(labfile.solution(lab), stand.student)
                grade(lab, access, wait=True)  # The student had solved it before the mistake was made.
            err(wrong, stand.student)
        except WorkRefused as refused:
            verdict.fault("wrong", f"{wrong.title}: {refused}", wrong.path, wrong.line)
            return
        loses = {task.id: float(wrong.loses.get(task.id, 0)) for task in lab.spec.tasks}
        report = settled(lab, access, lambda r: as_named(loses, lost(r), skipped(r)))
        mistake = Mistake(wrong.path, wrong.title, loses, lost(report), skipped(report))
        verdict.mistakes.append(mistake)
        _errors(verdict, "wrong", report, lab)
        if not mistake.as_named:
            text = f"{wrong.title}: {_difference(report, wrong, mistake.lost)}"
            verdict.fault("wrong", text, wrong.path, wrong.line)


def prove(folder: Path, stand: Stand, *, times: int = 10) -> Verdict:
    """Prove a lab in one cluster, one trial after another. Faults of the lab are in the verdict.

    Raises LabError where the lab's files cannot be used, ClusterError and ClusterUnreachable where the cluster fails.
    """
    proof = Proof(folder, times=times)
    verdict = proof.nothing()
    for number in range(len(proof.names)):
        if not verdict.unsolvable:
            verdict.add(proof.run(number, stand))
    return verdict


def lost(report: Report) -> dict[str, float]:
    """The points that each task lost; what the cluster cannot show is not lost."""
    return {task.id: round(task.points - task.skipped_points - task.score, 2) for task in report.tasks}


def skipped(report: Report) -> dict[str, float]:
    """The points of each task that the cluster could not show."""
    return {task.id: task.skipped_points for task in report.tasks}


def _not_full(verdict: Verdict, number: int, report: Report, lab: LoadedLab) -> None:
    _errors(verdict, "solution", report, lab)
    for t, task in enumerate(report.tasks):
        for c, check in enumerate(task.checks):
            if check.outcome is Outcome.FAILED:
                said = " ".join(filter(None, (check.message, check.why)))
                text = f'attempt {number + 1} of the solution loses points in task "{task.id}": {said}'
                verdict.fault("solution", text, lab.file, lab.line("tasks", t, "checks", c))


def _mutants(verdict: Verdict, lab: LoadedLab, evidence: Evidence, manifests: tuple[Manifest, ...]) -> None:
    verdict.mutation = mutate(lab, evidence, manifests)
    for gap in verdict.mutation.survivors:
        where = f'task "{gap.task}" loses nothing' if gap.task else "no task loses anything"
        asked = "it is asked for and not checked" if gap.task else "set by the solution, asked by nobody"
        verdict.fault("mutants", f"{gap.what}: {where} ({asked})", gap.file, gap.line)
    for gap in verdict.mutation.broken:
        text = f"{gap.what}: a check cannot be run on it, and so it costs nothing: {gap.note}"
        verdict.fault("mutants", text, gap.file, gap.line)


def _errors(verdict: Verdict, step: Step, report: Report, lab: LoadedLab) -> None:
    for t, task in enumerate(report.tasks):
        for c, check in enumerate(task.checks):
            if check.outcome is Outcome.ERROR:
                line = lab.line("tasks", t, "checks", c)
                verdict.fault(step, f"check {check.id} cannot be run: {check.message}", lab.file, line)


def _difference(report: Report, wrong: Wrong, found: Mapping[str, float]) -> str:
    told = []
    for task in report.tasks:
        named = wrong.loses.get(task.id, 0)
        if not named - task.skipped_points - ROUNDING <= found[task.id] <= named + ROUNDING:
            failed = next((c.message for c in task.checks if c.outcome is Outcome.FAILED), "")
            because = f" ({failed})" if failed else ""
            told.append(f'task "{task.id}" loses {found[task.id]:g} instead of {named:g}{because}')
    return "; ".join(told)


def _flat(results: Sequence[CheckResult]) -> list[CheckResult]:
    return [found for one in results for found in (one, *_flat(one.checks))]
