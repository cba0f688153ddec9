"""The opposite of what a probe, a script or a notebook cell gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from grader.checks.probing import ANSWERED, UNANSWERED
from grader.labfile.schema import Probe
from grader.model import Evidence, Outcome, Reply, Snapshot


def otherwise(check: object, check_id: str) -> Callable[[Evidence], Evidence]:
    """A function that turns what was observed for a check into its opposite, at every look."""
    if isinstance(check, Probe):
        wanted_absent = check.probe.dns is not None and not check.probe.dns.resolves
        reply = Reply(ANSWERED, addresses=("192.0.2.1",)) if wanted_absent else Reply(UNANSWERED, "silent")
        return lambda evidence: replace(
            evidence,
            now=_replied(evidence.now, check_id, reply),
            earlier=[_replied(look, check_id, reply) for look in evidence.earlier],
        )

    def differ(evidence: Evidence) -> Evidence:
        seen = evidence.observations.get(check_id)
        if seen is None:
            return evidence
        other = replace(seen, outcome=Outcome.FAILED)
        return replace(evidence, observations={**evidence.observations, check_id: other})

    return differ


def _replied(look: Snapshot, check_id: str, reply: Reply) -> Snapshot:
    seen = (look.probes or {}).get(check_id)
    if seen is None:
        return look
    return replace(look, probes={**(look.probes or {}), check_id: replace(seen, replies=(reply,))})
