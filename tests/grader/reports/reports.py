"""Reports to render: an ordinary one, and one in which everything that a student may write is hostile."""

from __future__ import annotations

from grader.model import CheckResult, Outcome, Report, TaskResult

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07 \x9b31m\r\n::error::forged\n::set-output name=x::y\n<script>alert(1)</script> "
    "![x](http://evil) [a](javascript:b) | **bold** `code` \u202ertl\u2028 ]]> "
    "& \"quoted\" 'it' %0A::warning:: \x00 \ufffe \ud800"
)


def check(
    outcome: Outcome = Outcome.PASSED,
    message: str = "Fine.",
    why: str | None = None,
    *,
    kind: str = "match",
    hidden: bool = False,
    checks: tuple[CheckResult, ...] = (),
) -> CheckResult:
    return CheckResult("web/0", kind, outcome, message, why, hidden, checks)


def task(title: str, outcome: Outcome, score: float, points: float, *checks: CheckResult) -> TaskResult:
    return TaskResult("web", title, score, points, points if outcome is Outcome.SKIPPED else 0.0, outcome, checks)


MIXED = Report(
    "services",
    4.5,
    10.0,
    2.0,
    (
        task("Put a Service in front of the Deployment", Outcome.PASSED, 3, 3, check()),
        task(
            "Mend the selector",
            Outcome.FAILED,
            1.5,
            5,
            check(),
            check(Outcome.FAILED, "The Service web must reach 3 Pods.", "It asks for app=wbe, your Pods have app=web."),
            check(Outcome.FAILED, "The secret is 42.", "42 is the secret.", hidden=True),
        ),
        task("Ask it for a page", Outcome.SKIPPED, 0, 2, check(Outcome.SKIPPED, "Skipped: needs Pods.", kind="probe")),
    ),
)
OUTAGE = Report(
    "services",
    None,
    3.0,
    0.0,
    (task("A Pod", Outcome.ERROR, 0, 3, check(Outcome.ERROR, "The API server does not answer.")),),
)
FULL = Report("services", 3.0, 3.0, 0.0, (task("A Pod", Outcome.PASSED, 3, 3, check()),))
EVIL = Report(
    "services",
    0.0,
    3.0,
    0.0,
    (task(HOSTILE, Outcome.FAILED, 0, 3, check(Outcome.FAILED, HOSTILE, HOSTILE), check(Outcome.ERROR, HOSTILE)),),
)
