"""Grading a state that must not change any more: looking until the cluster has come to rest.

A mistake that is to lose points loses them at once, and perhaps not for good: what looks wrong may only be late. And a
check that is still true may only be so because a controller has not acted yet. So nothing is believed before the
objects that the checks look at have stood still for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from grader import checks
from grader.collect import Access
from grader.grading import grade
from grader.labfile import LoadedLab
from grader.labfile.schema import seconds
from grader.model import Evidence, Report
from proving.demand import every

# How long objects must have stood still, in seconds, and how long where a controller acts on a clock of its own.
REST = 1.5
CLOCKS = {"HorizontalPodAutoscaler": 12.0, "CronJob": 61.0}
# The least time to wait for the expected grade, in seconds; longer where a check has a longer `within`.
PATIENCE = 8.0
# Between two looks, in seconds.
PAUSE = 0.2


def settled(lab: LoadedLab, access: Access, expected: Callable[[Report], bool]) -> Report:
    """Look until the objects have stood still and the report is as expected, or until the time is up.

    Gives the last report. The time is the longest `within` of the lab's checks. Raises ClusterUnreachable.
    """
    rest = max([REST, *(CLOCKS.get(w.kind, 0.0) for w in checks.wants(lab))])
    begun = changed = time.monotonic()
    deadline = begun + rest + max([PATIENCE, *(seconds(c.within) for c in every(lab) if c.within)])
    before: frozenset[tuple[str, str]] | None = None
    while True:
        looked = time.monotonic()
        evidence, report = grade(lab, access, wait=False)
        now = _versions(lab, evidence)
        if now != before:
            before, changed = now, looked
        if time.monotonic() >= deadline or (looked - changed >= rest and expected(report)):
            return report
        time.sleep(PAUSE)


def _versions(lab: LoadedLab, evidence: Evidence) -> frozenset[tuple[str, str]]:
    """Identity and version of every object that a check looks at. Nodes report again and again without changing."""
    kinds = {w.kind for w in checks.wants(lab)} - {"Node", "Lease", "Event"}
    return frozenset(
        (str(o["metadata"].get("uid")), str(o["metadata"].get("resourceVersion")))
        for one in evidence.now.lists
        if one.kind in kinds
        for o in one.items
    )
