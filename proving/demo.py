"""`seatrial demo`: the main job from end to end in a cluster that is gone afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from grader.grading import grade
from rich.console import Console
from rich.padding import Padding

from grader import labfile
from grader.collect import Access
from grader.labfile import LoadedLab, Wrong
from grader.model import Outcome, Report, TaskResult
from grader.reports import render
from proving.settle import settled
from proving.stand import Stand, fresh
from proving.start import restart, start
from proving.work import err, solve


def run(slug: str) -> bool:
    """Show it on standard output. True for full marks. Raises GraderError, ClusterError and WorkRefused."""
    begun = time.monotonic()
    console = Console(highlight=False)
    lab = labfile.read(labfile.find(slug))
    console.print(
        f"\n[bold]seatrial[/bold] grades what a cluster has become. This shows it with the lab [bold]{lab.spec.title}"
        f"[/bold]: {lab.spec.summary}\n"
    )
    with contextlib.ExitStack() as stack:
        with _step(console, "A cluster: real etcd, API server, controllers and scheduler; KWOK plays the nodes"):
            stand = stack.enter_context(fresh("demo"))
        full = _in_cluster(console, lab, stand)
        with _step(console, "Everything is removed"):
            stack.close()
    console.print(
        f"\nThat took {time.monotonic() - begun:.0f} s in all. {'Full marks.' if full else 'Not full marks.'}"
    )
    console.print(
        f"Your own turn:\n\n  seatrial cluster up harbour\n  seatrial lab start {lab.slug} --cluster harbour\n",
        markup=False,
    )
    return full


def _in_cluster(console: Console, lab: LoadedLab, stand: Stand) -> bool:
    with _step(console, f"The lab is started in namespace {lab.spec.namespace}, for the student {stand.student_name}"):
        start(lab, stand.admin, stand.student, stand.student_name)
    access = Access.from_kubeconfig(stand.admin)
    with _step(console, "Graded before any work is done"):
        _, untouched = grade(lab, access, wait=False)
    _tell(console, untouched, untouched.tasks)
    mistake = _instructive(lab)
    if mistake is not None:
        with _step(console, f"The student makes a mistake: {mistake.title}"):
            err(mistake, stand.student)
            graded = settled(lab, access, lambda _: True)
        _tell(console, graded, [t for t in graded.tasks if mistake.loses.get(t.id)])
    with _step(console, "The student begins anew and solves it: the lab's own solution, with the student's rights"):
        restart(lab, stand.admin, stand.student, stand.student_name)
        solve(labfile.solution(lab), stand.student)
    with _step(console, "Graded again, waiting for what the cluster is still busy with"):
        _, report = grade(lab, access, wait=True)
    console.print()
    console.print(Padding(render(report, "table"), (0, 2)), markup=False)
    return report.full_marks


@contextlib.contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """Say what is done while it is, and how long it took."""
    begun = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"[green]✓[/green] {what} [dim]({time.monotonic() - begun:.1f} s)[/dim]")


def _instructive(lab: LoadedLab) -> Wrong | None:
    """A known mistake that can be made without the solution (manifests alone): the one that is felt in most tasks."""
    fitting = [w for w in labfile.wrongs(lab) if w.manifests and not w.delete and w.script is None]
    return max(fitting, key=lambda w: len(w.loses), default=None)


def _tell(console: Console, report: Report, tasks: Sequence[TaskResult]) -> None:
    """Tasks with what is wrong with them, and why."""
    console.print(f"    {report.score:g} of {report.points:g} points" if report.score is not None else "    no score")
    for task in tasks:
        console.print(f"    [yellow]{task.score:g}/{task.points:g}[/yellow] {task.title}")
        failed = next((c for c in task.checks if c.outcome is Outcome.FAILED and not c.hidden), None)
        if failed is not None:
            console.print(Padding(failed.why or failed.message, (0, 0, 0, 10)), markup=False, style="dim")
    console.print()
