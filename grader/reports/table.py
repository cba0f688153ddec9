"""The report for people at a terminal: a line for each task, and under it what did not pass, and why."""

from __future__ import annotations

import io

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.model import CheckResult, Outcome, Report, TaskResult
from grader.reports.shown import MARKS, checks, number, plain, sentences

# Narrower than this nothing is readable, and wider than this no sentence is.
NARROWEST, WIDEST = 40, 120
_STYLE = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "yellow", Outcome.ERROR: "magenta"}


def render(report: Report, *, reveal: bool, width: int, colour: bool) -> str:
    """The whole report, at most `width` columns wide."""
    paper = io.StringIO()
    console = Console(
        file=paper,
        width=min(max(width, NARROWEST), WIDEST),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(Text(plain(report.lab), style="bold"))
    for task in report.tasks:
        console.print(_line(task))
        for check in checks(list(task.checks), reveal=reveal):
            if check.outcome is not Outcome.PASSED:
                console.print(Padding(_why(check), (0, 0, 0, 2)))
    console.print()
    for sentence in sentences(report):
        console.print(Text(sentence, style="bold"))
    return "\n".join(line.rstrip() for line in paper.getvalue().split("\n"))


def _line(task: TaskResult) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=1)
    row.add_column(ratio=1, overflow="fold")
    row.add_column(justify="right", no_wrap=True)
    score = "–" if task.outcome in (Outcome.SKIPPED, Outcome.ERROR) else number(task.score)
    row.add_row(
        Text(MARKS[task.outcome], style=_STYLE[task.outcome]),
        Text(plain(task.title)),
        Text(f"{score} / {number(task.points)}"),
    )
    return row


def _why(check: CheckResult) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=1)
    row.add_column(ratio=1, overflow="fold")
    row.add_row(Text(MARKS[check.outcome], style=_STYLE[check.outcome]), Text(plain(check.message)))
    if check.why:
        row.add_row("", Text(plain(check.why), style="dim"))
    return row
