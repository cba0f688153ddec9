"""Proving a lab on a real control plane: untouched it scores 0, its solution full marks time after time, each known
mistake what it names, and whatever the solution sets is asked for by some check.

A proof is made of trials. Each begins in an empty namespace, so they can be made in any cluster and in any order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from grader import labfile
from grader.collect import Access
from grader.grading import grade
from grader.labfile import LoadedLab, Manifest, Wrong
from grader.labfile.schema import seconds
from grader.model import CheckResult, Evidence, LabError, Outcome, Report
from proving.mutation import mutate
from proving.settle import every, settled
from proving.stand import Stand
from proving.start import restart
from proving.verdict import ROUNDING, Mistake, Step, Verdict, same
from proving.work import WorkRefused, err, solve

# One trial in a cluster.
Trial = Callable[[Stand], None]


class Proof:
    """The trials of one lab and what they have shown so far. Trials of different clusters may run at the same time."""

    def __init__(self, folder: Path, *, times: int = 10) -> None:
        """Read all of the lab's files. Raises LabError where they cannot be used."""
        lab = labfile.read(folder)
        labfile.setup(lab)
        labfile.solution(lab)
        self.folder, self.times = folder, times
        self.lab = lab
        self.verdict = Verdict(lab.slug, points=sum(task.points for task in lab.spec.tasks), attempts=times)
        self._mistakes = len(labfile.wrongs(lab))
        self._lock = threading.Lock()
        self._unsolvable = False
        self._tried = 0
        self._solved: tuple[LoadedLab, Evidence, tuple[Manifest, ...]] | None = None

    @property
    def patience(self) -> float:
        """The longest time that a check of the lab may take to become true, in seconds."""
        return max((seconds(check.within) for check in every(self.lab) if check.within), default=0.0)

    def trials(self) -> list[tuple[str, Trial]]:
        """Every trial with what it is called. The mutants are made after the last of the solution's."""
        return [
            ("untouched", self._timed(self._untouched)),
            *((f"solution {n + 1}", self._timed(partial(self._attempt, n))) for n in range(self.times)),
            *((f"mistake {n + 1}", self._timed(partial(self._mistake, n))) for n in range(self._mistakes)),
        ]

    def _timed(self, trial: Trial) -> Trial:
        def timed(stand: Stand) -> None:
            begun = time.perf_counter()
            try:
                trial(stand)
            except LabError as fault:
                self._fault("start", str(fault), self.lab.file)
            with self._lock:
                self.verdict.seconds += time.perf_counter() - begun

        return timed

    def _begin(self, stand: Stand, draw: int) -> tuple[LoadedLab, Access]:
        """The lab anew, with the parameters of another draw."""
        lab = labfile.read(self.folder, student=stand.student_name, secret=f"trial-{draw}")
        restart(lab, stand.admin, stand.student, stand.student_name)
        return lab, Access.from_kubeconfig(stand.admin)

    def _untouched(self, stand: Stand) -> None:
        """A task that has points before anybody has worked is a fault."""
        lab, access = self._begin(stand, 0)
        report = settled(lab, access, lambda r: all(task.score <= ROUNDING for task in r.tasks))
        for t, task in enumerate(report.tasks):
            if task.score > ROUNDING:
                holding = ", ".join(c.id for c in task.checks if c.outcome is Outcome.PASSED)
                text = f'task "{task.id}" has {task.score:g} points before any work is done: {holding} holds already'
                self._fault("untouched", text, lab.file, lab.line("tasks", t))
        self._errors("untouched", report, lab)

    def _attempt(self, number: int, stand: Stand) -> None:
        """The solution, applied as the student, earns all that can be earned here."""
        if not self._unsolvable:
            lab, access = self._begin(stand, number)
            solution = labfile.solution(lab)
            try:
                solve(solution, stand.student)
            except WorkRefused as refused:
                self._unsolvable = True
                self._fault("solution", f"attempt {number + 1}: {refused}", lab.folder / "solution")
            else:
                self._graded(number, lab, access, solution.manifests)
        with self._lock:
            self._tried += 1
            last = self._tried == self.times
        if last and self._solved is not None:
            self._mutants(*self._solved)

    def _graded(self, number: int, lab: LoadedLab, access: Access, manifests: tuple[Manifest, ...]) -> None:
        evidence, report = grade(lab, access, wait=True)
        begun = time.perf_counter()
        _, again = grade(lab, access)
        took = time.perf_counter() - begun
        for one in (report, again):
            if not one.full_marks:
                self._not_full(number, one, lab)
                return
        skipped = [c for task in again.tasks for c in _flat(task.checks) if c.outcome is Outcome.SKIPPED]
        with self._lock:
            verdict = self.verdict
            verdict.solved += 1
            verdict.grading = max(verdict.grading, took)
            verdict.skipped_points = again.skipped_points
            verdict.skipped = [f"{c.id} ({c.kind}): {c.message}" for c in skipped]
            self._solved = (lab, evidence, manifests)

    def _not_full(self, number: int, report: Report, lab: LoadedLab) -> None:
        self._errors("solution", report, lab)
        for t, task in enumerate(report.tasks):
            for c, check in enumerate(task.checks):
                if check.outcome is Outcome.FAILED:
                    said = " ".join(filter(None, (check.message, check.why)))
                    text = f'attempt {number + 1} of the solution loses points in task "{task.id}": {said}'
                    self._fault("solution", text, lab.file, lab.line("tasks", t, "checks", c))

    def _mutants(self, lab: LoadedLab, evidence: Evidence, manifests: tuple[Manifest, ...]) -> None:
        mutation = self.verdict.mutation = mutate(lab, evidence, manifests)
        for one in mutation.survivors:
            where = f'task "{one.task}" loses nothing' if one.task else "no task loses anything"
            asked = "it is asked for and not checked" if one.task else "set by the solution, asked by nobody"
            self._fault("mutants", f"{one.description}: {where} ({asked})", one.file, one.line)
        for one, message in mutation.broken:
            text = f"{one.description}: a check cannot be run on it, and so it costs nothing: {message}"
            self._fault("mutants", text, one.file, one.line)

    def _mistake(self, number: int, stand: Stand) -> None:
        """One known mistake: after the solution, unless it is made instead of it."""
        if self._unsolvable:
            return
        lab, access = self._begin(stand, number)
        wrong = labfile.wrongs(lab)[number]
        try:
            if wrong.on_top:
                solve(labfile.solution(lab), stand.student)
                grade(lab, access, wait=True)  # The student had solved it before the mistake was made.
            err(wrong, stand.student)
        except WorkRefused as refused:
            self._fault("wrong", f"{wrong.title}: {refused}", wrong.path, wrong.line)
            return
        loses = {task.id: float(wrong.loses.get(task.id, 0)) for task in lab.spec.tasks}
        report = settled(lab, access, lambda r: same(lost(r), loses))
        mistake = Mistake(wrong.path, wrong.title, loses, lost(report))
        with self._lock:
            self.verdict.mistakes.append(mistake)
        self._errors("wrong", report, lab)
        if not mistake.as_named:
            text = f"{wrong.title}: {_difference(report, wrong, mistake.lost)}"
            self._fault("wrong", text, wrong.path, wrong.line)

    def _errors(self, step: Step, report: Report, lab: LoadedLab) -> None:
        for t, task in enumerate(report.tasks):
            for c, check in enumerate(task.checks):
                if check.outcome is Outcome.ERROR:
                    line = lab.line("tasks", t, "checks", c)
                    self._fault(step, f"check {check.id} cannot be run: {check.message}", lab.file, line)

    def _fault(self, step: Step, message: str, file: Path, line: int = 0) -> None:
        with self._lock:
            self.verdict.fault(step, message, file, line)


def prove(folder: Path, stand: Stand, *, times: int = 10) -> Verdict:
    """Prove a lab in one cluster, one trial after another. Faults of the lab are in the verdict.

    Raises LabError where the lab's files cannot be used, ClusterError and ClusterUnreachable where the cluster fails.
    """
    proof = Proof(folder, times=times)
    for _, trial in proof.trials():
        trial(stand)
    return proof.verdict


def lost(report: Report) -> dict[str, float]:
    """The points that each task lost; what the cluster cannot show is not lost."""
    return {task.id: round(task.points - task.skipped_points - task.score, 2) for task in report.tasks}


def _difference(report: Report, wrong: Wrong, found: Mapping[str, float]) -> str:
    told = []
    for task in report.tasks:
        named = wrong.loses.get(task.id, 0)
        if abs(named - found[task.id]) > ROUNDING:
            failed = next((c.message for c in task.checks if c.outcome is Outcome.FAILED), "")
            because = f" ({failed})" if failed else ""
            told.append(f'task "{task.id}" loses {found[task.id]:g} instead of {named:g}{because}')
    return "; ".join(told)


def _flat(results: Sequence[CheckResult]) -> list[CheckResult]:
    return [found for one in results for found in (one, *_flat(one.checks))]
