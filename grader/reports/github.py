"""GitHub Actions: workflow commands that annotate the run, and a summary in Markdown for $GITHUB_STEP_SUMMARY.

A workflow command is a line that begins with "::", so text is kept on one line and its "%" escaped. In the summary
every character is escaped by which Markdown or HTML mean something.
"""

from __future__ import annotations

import re
import string

from grader.model import Outcome, Report
from grader.reports.shown import MARKS, checks, number, plain, sentences

_COMMAND = {Outcome.FAILED: "error", Outcome.ERROR: "warning", Outcome.SKIPPED: "notice"}
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(f"[{re.escape(string.punctuation)}]")


def render(report: Report, *, reveal: bool) -> str:
    """An annotation for each check that did not pass, and one for the score."""
    lines = []
    for task in report.tasks:
        for check in checks(list(task.checks), reveal=reveal):
            command = _COMMAND.get(check.outcome)
            if command is not None:
                text = f"{check.message} {check.why}" if check.why else check.message
                lines.append(f"::{command} title={_property(task.title)}::{_data(text)}")
    command = "notice" if report.full_marks else "error"
    lines.append(f"::{command} title={_property(report.lab)}::{_data(' '.join(sentences(report)))}")
    return "\n".join(lines) + "\n"


def summary(report: Report, *, reveal: bool = False) -> str:
    """The report in Markdown: a table of tasks, and below it what did not pass."""
    lines = [f"### {_markdown(report.lab)}", "", _markdown(" ".join(sentences(report))), ""]
    lines += ["| | Task | Points |", "| --- | --- | --- |"]
    told = []
    for task in report.tasks:
        points = f"{number(task.score)} / {number(task.points)}"
        lines.append(f"| {MARKS[task.outcome]} | {_markdown(task.title)} | {points} |")
        for check in checks(list(task.checks), reveal=reveal):
            if check.outcome is not Outcome.PASSED:
                text = f"{check.message} {check.why}" if check.why else check.message
                told.append(f"- {MARKS[check.outcome]} **{_markdown(task.title)}**: {_markdown(text)}")
    return "\n".join([*lines, "", *told, ""]) + "\n"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _markdown(text: str) -> str:
    return _SPECIAL.sub(lambda found: _HTML.get(found[0], f"\\{found[0]}"), plain(text))
