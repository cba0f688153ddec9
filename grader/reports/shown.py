"""What of a report is shown, as plain text: hidden checks masked, and nothing in it that a terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from grader.model import CheckResult, Outcome, Report

MASKED = "A hidden check."
# Control characters, what reverses the direction of text, separators of lines, lone surrogates, non-characters.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
_BREAKS = re.compile("[\t\n\r\x0b\x0c\x85\u2028\u2029]+")


def plain(text: str) -> str:
    """One line of text that is nothing but text; what is unfit becomes "�"."""
    return _UNFIT.sub("�", _BREAKS.sub(" ", text))


def checks(results: tuple[CheckResult, ...] | list[CheckResult], *, reveal: bool) -> list[CheckResult]:
    """A task's checks as they are shown. A check around a hidden one would tell of it, so it is masked as well."""
    return [one if reveal or not _secret(one) else _masked(one) for one in results]


def _secret(check: CheckResult) -> bool:
    return check.hidden or any(_secret(one) for one in check.checks)


def _masked(check: CheckResult) -> CheckResult:
    return replace(check, kind="hidden", message=MASKED, why=None, checks=())


def sentences(report: Report) -> Iterator[str]:
    """The score in words: what was earned, what could not be shown, and that an outage is not a 0."""
    if report.score is None:
        yield "No score: some checks could not be run. That costs no points; grade again."
    else:
        yield f"Score: {number(report.score)} of {number(report.points)} points."
    if report.skipped_points:
        verb = "was" if report.skipped_points == 1 else "were"
        points = f"{number(report.skipped_points)} of {number(report.points)} points"
        yield f"{points} {verb} skipped: this cluster cannot show what is asked for them."


def number(points: float) -> str:
    """2 rather than 2.0, and at most two decimals."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.SKIPPED: "–", Outcome.ERROR: "!"}
