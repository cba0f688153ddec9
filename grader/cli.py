"""`seatrial grade` and `seatrial regrade`. Exit code: 0 full marks, 1 points lost, 2 bad lab or usage, 3 no cluster."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from grader.model import ClusterUnreachable, GraderError, Outcome, Report
from grader.reports import FORMATS, Format, render

FULL_MARKS, POINTS_LOST, BAD_INPUT, NO_CLUSTER, INTERRUPTED = 0, 1, 2, 3, 130
# So many seconds pass before it is told what is waited for, and before it is told again.
TELL = 2.0

_FILE = click.Path(path_type=Path, dir_okay=False)
Command = TypeVar("Command", bound=Callable[..., Any])


def _output(command: Command) -> Command:
    for option in (
        click.option(
            "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
        ),
        click.option("--reveal-hidden", is_flag=True, help="Show hidden checks too; for instructors."),
        click.option(
            "--summary",
            type=_FILE,
            envvar="GITHUB_STEP_SUMMARY",
            help="With -o github: a file that a summary in Markdown is added to. [env: GITHUB_STEP_SUMMARY]",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("lab")
@click.option("--kubeconfig", envvar="KUBECONFIG", help="The cluster. [env: KUBECONFIG; default: ~/.kube/config]")
@click.option("--evidence", type=_FILE, help="Write what was seen to this file, for `regrade`.")
@click.option("--wait", is_flag=True, help="Look again while a check may still come true (`within`, else 30 s).")
@click.option("--student", help="Whose work it is, where the cluster has no record of the lab's start.")
@click.option("--course-secret-file", type=_FILE, help="The course's secret, with which parameters are drawn.")
@_output
def grade(
    *,
    lab: str,
    kubeconfig: str | None,
    evidence: Path | None,
    wait: bool,
    student: str | None,
    course_secret_file: Path | None,
    output: Format,
    reveal_hidden: bool,
    summary: Path | None,
) -> None:
    """Grade LAB (its name or folder) on a cluster.

    Exit code: 0 full marks, 1 points lost, 2 bad lab or usage, 3 no cluster.
    """
    with _told():
        from grader import labfile
        from grader.checks import prepare
        from grader.collect import Access
        from grader.evidence import save
        from grader.grading import grade as grade_now
        from grader.grading import lab_for

        folder, secret = labfile.find(lab), _secret(course_secret_file)
        try:
            access = Access.from_kubeconfig(kubeconfig)
        except ClusterUnreachable:
            prepare(labfile.read(folder))  # a lab that cannot be graded is told first
            raise
        loaded = lab_for(folder, access, student=student, secret=secret)
        with _Progress() as progress:
            seen, report = grade_now(loaded, access, wait=wait, student=student, on_look=progress.looked)
        try:
            _show(report, output, reveal_hidden, summary)
        finally:  # neither a full disk under the one nor under the other costs both
            if evidence is not None:
                save(evidence, seen)
        sys.exit(_exit_code(report))


@click.command()
@click.argument("file", type=_FILE)
@click.option("--lab", required=True, help="The lab's name or folder.")
@_output
def regrade(*, file: Path, lab: str, output: Format, reveal_hidden: bool, summary: Path | None) -> None:
    """Grade what `grade --evidence FILE` wrote, once more. Needs no cluster.

    Exit code: 0 full marks, 1 points lost, 2 bad lab, evidence or usage, 3 the evidence is of an outage.
    """
    with _told():
        from grader import labfile
        from grader.evaluate import evaluate
        from grader.evidence import open_file

        seen = open_file(file)
        loaded = labfile.read(labfile.find(lab), student=seen.student, params=seen.params)
        report = evaluate(loaded, seen)
        if seen.lab_digest != loaded.digest:
            changed = f"Lab {loaded.slug} has changed since {file} was taken; this grades by what it says now."
            click.echo(changed, err=True)
        _show(report, output, reveal_hidden, summary)
        sys.exit(_exit_code(report))


@contextmanager
def _told() -> Iterator[None]:
    """Whatever goes wrong is told in one sentence on standard error, and in the exit code.

    What takes long to import is imported inside, where importing is as quick as can be: for one short command,
    collecting garbage takes a fifth of the time and finds none, and so does looking for plug-ins of pydantic.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    except ClusterUnreachable as fault:
        _fail(str(fault), NO_CLUSTER)
    except GraderError as fault:
        _fail(str(fault), BAD_INPUT)
    except KeyboardInterrupt:
        _fail("Stopped.", INTERRUPTED)
    finally:
        if collected:
            gc.enable()


def _fail(sentence: str, code: int) -> NoReturn:
    from grader.reports.shown import plain

    for line in sentence.splitlines():
        click.echo(plain(line), err=True)
    sys.exit(code)


def _show(report: Report, output: Format, reveal: bool, summary: Path | None) -> None:
    columns, colour = 80, False
    if output == "table":
        import shutil

        columns, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
    click.echo(render(report, output, reveal=reveal, width=columns, colour=colour), nl=False)
    if output == "github" and summary is not None:
        _append(summary, report, reveal)


def _append(path: Path, report: Report, reveal: bool) -> None:
    from grader.reports import github

    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(github.summary(report, reveal=reveal))
    except OSError as fault:
        raise GraderError(f"The summary could not be written to {path}: {fault.strerror}; make room.") from None


def _exit_code(report: Report) -> int:
    if report.score is None:
        first = next((check.message for check in report.errors), "a check could not be run")
        click.echo(f"No score, because not every check could be run: {first}", err=True)
        return NO_CLUSTER
    return FULL_MARKS if report.full_marks else POINTS_LOST


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise GraderError(f"The course's secret {file} cannot be read: {fault}.") from None


class _Progress:
    """Says on standard error what is being waited for, where it takes longer than two seconds."""

    def __init__(self) -> None:
        self._doing, self._begun, self._over = "Looking at the cluster", time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def looked(self, report: Report, left: float) -> None:
        """A look was judged, and waiting may go on for `left` seconds."""
        done = sum(1 for task in report.tasks if task.outcome is Outcome.PASSED)
        self._doing = f"Waiting: {done} of {len(report.tasks)} tasks pass, at most {left:.0f} s more"

    def _tell(self) -> None:
        while not self._over.wait(TELL):
            click.echo(f"{self._doing} … {time.monotonic() - self._begun:.0f} s", err=True)

    def __enter__(self) -> _Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
