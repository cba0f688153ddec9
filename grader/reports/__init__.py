"""A Report as text: a table for people, JSON for programs, JUnit and GitHub workflow commands for CI.

Whatever a student can write into a cluster may stand in a report, so every format says how it keeps that from being
anything but text. A hidden check is counted and not shown, unless `reveal`.
"""

from __future__ import annotations

from typing import Literal, get_args

from grader.model import Report

Format = Literal["table", "json", "junit", "github"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(report: Report, format: Format, *, reveal: bool = False, width: int = 80, colour: bool = False) -> str:
    """The report in one of the formats, ending in a newline. `width` (columns) and `colour` are for the table."""
    # Each format is imported when it is asked for: rich and xml cost more than grading does.
    if format == "json":
        from grader.reports import document

        return document.render(report, reveal=reveal)
    if format == "junit":
        from grader.reports import junit

        return junit.render(report, reveal=reveal)
    if format == "github":
        from grader.reports import github

        return github.render(report, reveal=reveal)
    from grader.reports import table

    return table.render(report, reveal=reveal, width=width, colour=colour)
