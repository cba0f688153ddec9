"""A grade's report as it is kept and as it is shown.

Kept is grader.reports' JSON document with hidden checks revealed, each check with `hidden` beside it, and
`lab_changed`: whether the lab was changed on disk since this student began it.
"""

from __future__ import annotations

import json
from typing import Any

from grader.model import Report
from grader.reports import render
from grader.reports.shown import MASKED


def document(report: Report, *, lab_changed: bool) -> dict[str, Any]:
    """What is kept of a report."""
    whole: dict[str, Any] = json.loads(render(report, "json", reveal=True))
    shown = json.loads(render(report, "json", reveal=False))
    for task, masked in zip(whole["tasks"], shown["tasks"], strict=True):
        for check, cut in zip(task["checks"], masked["checks"], strict=True):
            check["hidden"] = cut["kind"] == "hidden"
    return {**whole, "lab_changed": lab_changed}


def shown(kept: dict[str, Any], *, reveal: bool) -> dict[str, Any]:
    """A kept report as it may be seen: of a hidden check, only what became of it, unless `reveal`."""
    tasks = [{**t, "checks": [c if reveal else _cut(c) for c in t.get("checks", [])]} for t in kept.get("tasks", [])]
    return {**kept, "tasks": tasks}


def hidden(kept: dict[str, Any]) -> set[str]:
    """The ids of the hidden checks of a kept report: "TASK/0"."""
    return {f"{t['id']}/{n}" for t in kept["tasks"] for n, c in enumerate(t["checks"]) if c.get("hidden", True)}


def _cut(check: dict[str, Any]) -> dict[str, Any]:
    # What does not say that it may be seen may not.
    if not check.get("hidden", True):
        return check
    return {"kind": "hidden", "outcome": check["outcome"], "message": MASKED, "why": None, "hidden": True}
