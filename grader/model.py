"""What was seen (Evidence) and what it is worth (Report): the two documents that everything else passes on.

Both are plain JSON on disk. An Evidence is all that a grade depends on beside the lab itself, so a submission can be
graded again years later without a cluster.

    GraderError             the base: one sentence that says what happened, where, and what to do
    ├── LabError            the lab's fault: exit code 2 (labfile raises it with all faults and their lines)
    ├── EvidenceError       an evidence file that cannot be read
    └── ClusterUnreachable  no cluster to look at: exit code 3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# A Kubernetes object as the API server gave it, with apiVersion and kind set.
Object = dict[str, Any]

# The version of the Evidence document. A reader refuses a newer one, and reads every older one; raise it when a field
# changes meaning, or when an older reader would grade wrongly without it. 2: looks hold what probes were answered.
EVIDENCE_FORMAT = 2


class GraderError(Exception):
    """Something that the user is told in one sentence. Catch it at the command line or at a page's edge."""


class LabError(GraderError):
    """The lab cannot be used as it is written."""


class EvidenceError(GraderError):
    """An evidence file that is truncated, of a newer version, or of another lab."""


class ClusterUnreachable(GraderError):
    """No API server answers, or it refuses the identity that it was asked with."""


class Outcome(StrEnum):
    """What became of a check, and of a task as the sum of its checks."""

    PASSED = "passed"
    FAILED = "failed"  # the student's: costs points
    ERROR = "error"  # ours: never costs a point, is tried again
    SKIPPED = "skipped"  # this cluster cannot show it


@dataclass(frozen=True, slots=True)
class Want:
    """One list that a check needs: a kind in a namespace.

    `namespace` is a name, or "*" for every namespace. For a cluster-scoped kind it is ignored; which kinds those are
    only the cluster knows, so a Want cannot.
    """

    api_version: str
    kind: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ObjectList:
    """All objects of one kind in one namespace, as one LIST returned them.

    `namespace` is "" for a cluster-scoped kind and "*" for a list over every namespace. `served` is False where the
    cluster has no such kind. `error` is set, and `items` empty, where the API server did not answer.
    """

    api_version: str
    kind: str
    namespace: str
    items: Sequence[Object]
    resource_version: str = ""
    served: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One API call of the student's, out of the audit log, in the order in which it was made."""

    at: str  # RFC 3339, the API server's clock
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user_agent: str
    code: int  # HTTP status of the answer


@dataclass(frozen=True, slots=True)
class Observation:
    """What one script or notebook cell gave. Keyed by the check's id in `Evidence.observations`."""

    outcome: Outcome
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one Pod, or the cluster in its place, gave a probe: facts only, the judgement is `grader.checks`'s.

    `state` is "answered"; "unanswered" where nobody answered, for which `reason` is one word out of
    `grader.checks.probing.REASONS`; or "error" where the platform could not ask. All texts may be a student's.
    """

    state: str
    reason: str = ""
    said: str = ""  # what the cluster said of it, or led to
    pod: str = ""  # the Pod that was asked
    port: int = 0  # the port of the Pod
    code: int | None = None  # an HTTP status, or a command's exit code
    text: str = ""  # the body, the output, the log, as far as it was read
    cut: str = ""  # "size" or "time" where `text` is not all of it
    addresses: Sequence[str] = ()  # what a name stands for


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe asked (`grader.checks.probing.question`), and who replied: of a Service, each Pod behind it that was
    asked, up to the first that did not answer. `seconds` is when the last had replied, on the clock of a Snapshot; None
    in evidence that was taken before this was noted."""

    question: str
    replies: Sequence[Reply]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Lists taken at one look. `at` is RFC 3339 in UTC; `seconds` a monotonic clock, so a jump of the wall clock
    cannot make something seem held for longer than it was. `probes` are those made at this look, by the check's id;
    None where none were made."""

    at: str
    seconds: float
    lists: Sequence[ObjectList]
    probes: Mapping[str, Probed] | None = None

    @property
    def span(self) -> tuple[float, float]:
        """When the first and the last of it was seen, in `seconds`: a probe's replies come later than the lists, or are
        older."""
        answered = (one.seconds for one in (self.probes or {}).values() if one.seconds is not None)
        moments = [self.seconds, *answered]
        return min(moments), max(moments)

    def find(self, want: Want) -> ObjectList | None:
        """The list that holds what `want` names, or None where it was not collected."""
        wide: ObjectList | None = None
        for one in self.lists:
            if one.kind == want.kind and one.api_version == want.api_version:
                if one.namespace in (want.namespace, ""):
                    return one
                if one.namespace == "*":
                    wide = one
        if wide is None:
            return None
        items = [o for o in wide.items if o.get("metadata", {}).get("namespace") == want.namespace]
        return ObjectList(
            wide.api_version, wide.kind, want.namespace, items, wide.resource_version, wide.served, wide.error
        )

    def objects(self, api_version: str, kind: str, namespace: str) -> Sequence[Object]:
        """The objects of a kind; empty where none were collected."""
        found = self.find(Want(api_version, kind, namespace))
        return found.items if found else ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a grade depends on beside the lab.

    `now` is the last look. `earlier` are looks before it, oldest first, holding only the lists that checks with `hold`
    need. `calls` is None where the cluster keeps no audit log.
    """

    lab: str  # the lab's slug
    namespace: str
    student: str
    params: Mapping[str, Any]
    kubernetes: str  # the API server's version, "v1.36.3"
    capabilities: frozenset[str]
    now: Snapshot
    earlier: Sequence[Snapshot] = ()
    calls: Sequence[Call] | None = None
    observations: Mapping[str, Observation] = field(default_factory=dict)
    lab_digest: str = ""  # SHA-256 of the lab's files, so that a regrade can say that the lab has changed since
    down: Sequence[str] = ()  # processes of the cluster that had ended: what fails then may be nobody's mistake


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome. `message` is the one sentence for the student, `why` the explanation from the cluster's own
    relations, None where there is nothing to add. `points` is what the check is worth, `score` what it earned."""

    id: str  # "TASK/0", nested "TASK/0/1"
    kind: str
    outcome: Outcome
    message: str
    why: str | None = None
    hidden: bool = False
    checks: Sequence[CheckResult] = ()  # of any_of and all_of


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task's outcome. Points are rounded to two decimals here, from exact fractions."""

    id: str
    title: str
    score: float
    points: float
    skipped_points: float
    outcome: Outcome
    checks: Sequence[CheckResult]


@dataclass(frozen=True, slots=True)
class Report:
    """A graded lab. `score` is None where a check could not be run: an outage is never a 0."""

    lab: str
    score: float | None
    points: float
    skipped_points: float
    tasks: Sequence[TaskResult]

    @property
    def errors(self) -> Iterable[CheckResult]:
        """Every check that could not be run."""
        return (c for t in self.tasks for c in t.checks if c.outcome is Outcome.ERROR)

    @property
    def full_marks(self) -> bool:
        """True where nothing was lost: what the cluster could not show is not lost."""
        return self.score is not None and all(t.outcome in (Outcome.PASSED, Outcome.SKIPPED) for t in self.tasks)
