"""What a lab is worth now: its checks, judged again and again on lists that keep themselves up to date."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from grader import reports
from grader.checks import held
from grader.collect.collecting import everything, lasting, longest_hold, walk, within
from grader.evaluate import evaluate
from grader.grading import Holding
from grader.labfile import LoadedLab
from grader.labfile.schema import Audit, Cel, Probe, Script
from grader.model import Evidence, ObjectList, Report, Snapshot, Want

# How often a lab is judged again whose expressions ask for the time, in seconds.
CLOCK = 5.0


class Judge:
    """One lab in one cluster. For one thread."""

    def __init__(self, lab: LoadedLab, evidence: Evidence) -> None:
        """`evidence` is one in which nothing has been looked at yet (`grader.collect.collecting.begin`)."""
        self.lab = lab
        self.evidence = evidence
        self.wants = everything(lab)
        self._held = held(lab)
        self._lasting = lasting(lab)
        self._hold = longest_hold(lab)
        self._holding = Holding(lab)
        self._looks: Sequence[Snapshot] = ()
        self._again = CLOCK if any(isinstance(c, Cel) and "now" in c.cel for _, c in walk(lab)) else None

    @property
    def asks_beside(self) -> bool:
        """Whether there are checks of what no list shows."""
        return any(isinstance(check, Audit | Script | Probe) for _, check in walk(self.lab))

    @property
    def asks_pods(self) -> bool:
        """Whether there are checks of what real Pods answer, which may change without any news."""
        real = "pods" in self.evidence.capabilities
        return real and any(isinstance(check, Probe) for _, check in walk(self.lab))

    @property
    def asks_calls(self) -> bool:
        """Whether there are checks of the student's calls."""
        return any(isinstance(check, Audit) for _, check in walk(self.lab))

    def observed(self, evidence: Evidence) -> None:
        """Take over what no list shows."""
        self.evidence = replace(
            self.evidence,
            calls=evidence.calls,
            observations=evidence.observations,
            down=evidence.down,
            now=replace(self.evidence.now, probes=evidence.now.probes),
        )

    def forget(self) -> None:
        """What was seen before a gap proves nothing about how long something held. What was answered before it stands,
        and counts as of its end."""
        now, at = self.evidence.now, time.monotonic()
        probes = now.probes and {i: replace(one, seconds=at) for i, one in now.probes.items()}
        self.evidence = replace(self.evidence, now=replace(now, probes=probes))
        self._looks = ()
        self._holding = Holding(self.lab)

    def judge(self, lists: Sequence[ObjectList]) -> tuple[dict[str, Any], float | None]:
        """The report as a student sees it, and in how many seconds it may be another without any news (None: never).

        A check that is true and has still to hold is failed, and its task says `holding`.
        """
        now = replace(_snapshot(exactly(lists, self.wants)), probes=self.evidence.now.probes)
        seen = replace(self.evidence, now=now, earlier=self._looks)
        pending = self._holding.pending(seen)
        report = evaluate(self.lab, seen)
        self._remember(now)
        due = min([*pending.values(), *([self._again] if self._again else [])], default=None)
        return shown(report, pending), due

    def _remember(self, now: Snapshot) -> None:
        """Keep the looks that a check with `hold` can still ask about, and one before them."""
        if self._hold is None:
            return
        probes = {i: one for i, one in (now.probes or {}).items() if i in self._lasting} or None
        kept = replace(now, lists=exactly(now.lists, self._held), probes=probes)
        self._looks = within((*self._looks, kept), self._hold)


def exactly(lists: Sequence[ObjectList], wants: Iterable[Want]) -> tuple[ObjectList, ...]:
    """Out of lists that may reach further, those that a grading would have taken."""
    chosen = set(wants)
    wide = {(want.api_version, want.kind) for want in chosen if want.namespace == "*"}
    source = Snapshot("", 0.0, lists)
    found: dict[tuple[str, str, str], ObjectList] = {}
    for want in sorted(chosen, key=lambda want: (want.api_version, want.kind, want.namespace)):
        if want.namespace != "*" and (want.api_version, want.kind) in wide:
            continue
        one = source.find(want)
        if one is not None:
            found.setdefault((one.api_version, one.kind, one.namespace), one)
    return tuple(found.values())


def shown(report: Report, pending: Iterable[str] = ()) -> dict[str, Any]:
    """The report as plain data with the hidden checks masked. `pending` are the checks that have still to hold."""
    document: dict[str, Any] = json.loads(reports.render(report, "json"))
    holding = {check_id.partition("/")[0] for check_id in pending}
    for task in document["tasks"]:
        task["holding"] = task["outcome"] == "failed" and task["id"] in holding
    return document


def _snapshot(lists: Sequence[ObjectList]) -> Snapshot:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Snapshot(at, time.monotonic(), lists)
