"""JSON, for programs.

    lab, score, points, skipped_points,
    tasks[{id, title, score, points, outcome, checks[{kind, outcome, message, why}]}]

`score` is null where a check could not be run. Text stands in it as it is; characters that a terminal would obey are
written as \\uXXXX, which is the same to whoever parses it.
"""

from __future__ import annotations

import json
import re

from grader.model import Report
from grader.reports.shown import checks

_UNFIT = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def render(report: Report, *, reveal: bool) -> str:
    """One document, indented."""
    document = {
        "lab": report.lab,
        "score": report.score,
        "points": report.points,
        "skipped_points": report.skipped_points,
        "tasks": [
            {
                "id": task.id,
                "title": task.title,
                "score": task.score,
                "points": task.points,
                "outcome": task.outcome.value,
                "checks": [
                    {"kind": check.kind, "outcome": check.outcome.value, "message": check.message, "why": check.why}
                    for check in checks(list(task.checks), reveal=reveal)
                ],
            }
            for task in report.tasks
        ],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
