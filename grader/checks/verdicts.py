"""A check's finding, and how the findings of checks inside another add up.

any_of and all_of are the `or` and `and` of a logic with unknowns: what could not be run, or not be shown, might have
been either. So they give passed or failed only where no unknown could change that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.model import CheckResult, Outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """An outcome and its sentence. `flicker` says for how long a check with `hold` was seen true. `collected` is False
    where the evidence does not go back far enough to have looked."""

    outcome: Outcome
    message: str
    checks: tuple[CheckResult, ...] = ()
    flicker: str = ""
    collected: bool = True


def combine_any(checks: Sequence[CheckResult]) -> Finding:
    """Passed where one passed; else error, else skipped where there is such a one; else failed."""
    kept = tuple(checks)
    for outcome in (Outcome.PASSED, Outcome.ERROR, Outcome.SKIPPED):
        found = [c for c in kept if c.outcome is outcome]
        if found:
            return Finding(outcome, found[0].message, kept)
    return Finding(Outcome.FAILED, f"None of {len(kept)} ways is taken: {_told(kept)}", kept)


def combine_all(checks: Sequence[CheckResult]) -> Finding:
    """Failed where one failed; else error, else skipped where there is such a one; else passed."""
    kept = tuple(checks)
    for outcome in (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED):
        found = [c for c in kept if c.outcome is outcome]
        if found:
            return Finding(outcome, _told(found), kept)
    return Finding(Outcome.PASSED, _told(kept), kept)


def _told(checks: Sequence[CheckResult]) -> str:
    # A hidden check inside another keeps its secret also in the sentence of the one around it.
    open_ = [c.message for c in checks if not c.hidden]
    return "; ".join(open_) or "a hidden check"
