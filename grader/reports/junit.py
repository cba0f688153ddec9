"""JUnit XML: a test suite for each task, a test case for each check.

Times are left out, so that a regrade gives the same bytes."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from grader.model import CheckResult, Outcome, Report, TaskResult
from grader.reports.shown import checks, number, plain, sentences

_ELEMENT = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}


def render(report: Report, *, reveal: bool) -> str:
    """One document. Characters that XML does not have are replaced."""
    everything = [check for task in report.tasks for check in task.checks]
    score = "none" if report.score is None else number(report.score)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{_text('name', report.lab)}{_counts(everything)}>"]
    lines += ["  <properties>"]
    for name, value in (
        ("score", score),
        ("points", number(report.points)),
        ("skipped_points", number(report.skipped_points)),
        ("summary", " ".join(sentences(report))),
    ):
        lines.append(f"    <property{_text('name', name)}{_text('value', value)}/>")
    lines += ["  </properties>"]
    for task in report.tasks:
        lines += _suite(report.lab, task, reveal=reveal)
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _suite(lab: str, task: TaskResult, *, reveal: bool) -> list[str]:
    lines = [f"  <testsuite{_text('name', task.title)}{_text('id', task.id)}{_counts(list(task.checks))}>"]
    for index, check in enumerate(checks(list(task.checks), reveal=reveal)):
        name = f"{index + 1} {check.kind}"
        case = f"    <testcase{_text('classname', f'{lab}.{task.id}')}{_text('name', name)}"
        element = _ELEMENT.get(check.outcome)
        if element is None:
            lines.append(f"{case}/>")
            continue
        message = _text("message", check.message)
        body = escape(plain(check.why or ""))
        inner = f"<{element}{message}>{body}</{element}>" if body else f"<{element}{message}/>"
        lines += [f"{case}>", f"      {inner}", "    </testcase>"]
    return [*lines, "  </testsuite>"]


def _counts(results: list[CheckResult]) -> str:
    of = {outcome: sum(1 for one in results if one.outcome is outcome) for outcome in Outcome}
    return (
        f' tests="{len(results)}" failures="{of[Outcome.FAILED]}" errors="{of[Outcome.ERROR]}"'
        f' skipped="{of[Outcome.SKIPPED]}"'
    )


def _text(name: str, value: str) -> str:
    return f" {name}={quoteattr(plain(value))}"
