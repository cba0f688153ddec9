"""`seatrial demo`: the main job from end to end in a cluster that is gone afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from grader import labfile
from grader.collect import Access
from grader.grading import grade
from grader.labfile import LoadedLab, Wrong
from grader.model import Outcome, Report, TaskResult
from grader.reports import render
from proving.settle import settled
from proving.stand import Stand, fresh
from proving.start import restart, start
from proving.work import err, solve

# Wider than this no line is comfortable to read.
WIDEST = 100


def run(slug: str) -> bool:
    """Show it on standard output. True for full marks. Raises GraderError and ClusterError."""
    begun = time.monotonic()
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    lab = labfile.read(labfile.find(slug))
    console.print(f"\n[bold]{lab.spec.title}[/bold]: {lab.spec.summary}\n")
    with contextlib.ExitStack() as stack:
        with _step(console, "A cluster: a real control plane, its nodes played by KWOK"):
            stand = stack.enter_context(fresh("demo"))
        full = _in_cluster(console, lab, stand)
        with _step(console, "The cluster is removed"):
            stack.close()
    marks = "Full marks" if full else "Not full marks"
    console.print(f"\n{marks}, after {time.monotonic() - begun:.0f} s in all. Your turn:\n")
    console.print(f"  seatrial cluster up harbour\n  seatrial lab start {lab.slug} --cluster harbour\n", markup=False)
    return full


def _in_cluster(console: Console, lab: LoadedLab, stand: Stand) -> bool:
    with _step(console, f"The lab is started, in the namespace {lab.spec.namespace}"):
        start(lab, stand.admin, stand.student, stand.student_name)
    access = Access.from_kubeconfig(stand.admin)
    with _step(console, "It is graded before any work is done"):
        _, untouched = grade(lab, access)
    _tell(console, untouched, untouched.tasks)
    mistake = _instructive(lab)
    if mistake is not None:
        with _step(console, "A student makes a mistake, and it is graded"):
            err(mistake, stand.student)
            graded = settled(lab, access, lambda _: True)
        console.print(Padding(Text(mistake.title, style="italic"), (0, 0, 0, 4)))
        _tell(console, graded, [task for task in graded.tasks if mistake.loses.get(task.id)])
    with _step(console, "The student begins anew, and applies the lab's solution"):
        restart(lab, stand.admin, stand.student, stand.student_name)
        solve(labfile.solution(lab), stand.student)
    with _step(console, "It is graded again, with --wait"):
        _, report = grade(lab, access, wait=True)
    shown = render(report, "table", width=console.width - 2, colour=console.is_terminal)
    console.print()
    console.print(Padding(Text.from_ansi(shown), (0, 0, 0, 2)))
    return report.full_marks


@contextlib.contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """Say what is done while it is, and how long it took."""
    begun = time.monotonic()
    if console.is_terminal:
        with console.status(f"{what} …"):
            yield
    else:
        console.print(f"{what} … ", end="")
        yield
    done = f"[dim]{time.monotonic() - begun:.1f} s[/dim]"
    console.print(f"[green]✓[/green] {what}, {done}" if console.is_terminal else done)


def _instructive(lab: LoadedLab) -> Wrong | None:
    """A known mistake that can be made without the solution (manifests alone): the one that is felt in most tasks."""
    fitting = [wrong for wrong in labfile.wrongs(lab) if wrong.manifests and not wrong.delete]
    return max(fitting, key=lambda wrong: len(wrong.loses), default=None)


def _tell(console: Console, report: Report, tasks: Sequence[TaskResult]) -> None:
    """Tasks with what is wrong with them, and why."""
    score = "no score" if report.score is None else f"{report.score:g} of {report.points:g} points"
    console.print(f"    [bold]{score}[/bold]")
    for task in tasks:
        console.print(f"    [yellow]{task.score:g}/{task.points:g}[/yellow] {task.title}")
        failed = next((c for c in task.checks if c.outcome is Outcome.FAILED and not c.hidden), None)
        if failed is not None:
            console.print(Padding(Text(failed.why or failed.message, style="dim"), (0, 0, 0, 8)))
    console.print()
