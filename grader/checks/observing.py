"""Checks of what was observed beside the lists: the audit log, notebook cells, scripts."""

from __future__ import annotations

from grader.checks.verdicts import Finding
from grader.checks.wording import NAME_LIMIT, VALUE_LIMIT, clean
from grader.labfile.schema import Audit, CallPattern, CheckBase, Notebook, Script
from grader.model import Call, Evidence, Outcome

# The upgrade to a stream, which is how `kubectl exec` and `port-forward` succeed.
_SWITCHING_PROTOCOLS = 101


def audit(check: Audit, evidence: Evidence) -> Finding:
    """Whether the student made such a call."""
    asked = check.audit
    if evidence.calls is None:
        return Finding(Outcome.ERROR, "The evidence holds no audit log, though the cluster keeps one; grade it again")
    tried: Call | None = None
    for call in evidence.calls:
        if call.user != evidence.student or not _same(asked, call):
            continue
        if asked.succeeded is None or asked.succeeded == _succeeded(call):
            return Finding(Outcome.PASSED, f"Seen: {_words(asked)}, at {clean(call.at)}")
        tried = call
    message = f"No such call of yours since the lab began: {_words(asked)}"
    if tried is not None:
        message += f"; there is one, and it was answered with {tried.code}"
    return Finding(Outcome.FAILED, message)


def _succeeded(call: Call) -> bool:
    return 200 <= call.code < 300 or call.code == _SWITCHING_PROTOCOLS


def _same(asked: CallPattern, call: Call) -> bool:
    # As in RBAC, "pods" are not "pods/exec": without a subresource the resource itself is meant.
    subresource = asked.subresource if asked.subresource is not None or asked.resource is None else ""
    return (
        _among(asked.verb, call.verb)
        and _among(asked.resource, call.resource)
        and _among(asked.group, call.group)
        and _among(subresource, call.subresource)
        and _among(asked.namespace, call.namespace)
        and _among(asked.name, call.name)
        and (asked.user_agent is None or call.user_agent.startswith(asked.user_agent))
    )


def _among(asked: str | tuple[str, ...] | None, found: str) -> bool:
    if asked is None:
        return True
    return found == asked if isinstance(asked, str) else found in asked


def _words(asked: CallPattern) -> str:
    verb = _either(asked.verb) or "any verb"
    what = _either(asked.resource) or "any resource"
    parts = [verb, f"{what}/{asked.subresource}" if asked.subresource else what]
    if asked.name:
        parts.append(clean(asked.name, NAME_LIMIT))
    if asked.namespace:
        parts.append(f"in namespace {asked.namespace}")
    if asked.user_agent:
        parts.append(f"with {clean(asked.user_agent)}")
    if asked.succeeded is False:
        parts.append("(refused)")
    return " ".join(parts)


def _either(asked: str | tuple[str, ...] | None) -> str:
    return asked if isinstance(asked, str) else " or ".join(asked or ())


def observed(check: CheckBase, check_id: str, evidence: Evidence) -> Finding:
    """What a notebook cell or a script gave; without an observation, why there is none."""
    seen = evidence.observations.get(check_id)
    if seen is not None:
        return Finding(seen.outcome, clean(seen.message, VALUE_LIMIT * 5))
    match check:
        case Notebook():
            return Finding(Outcome.SKIPPED, f"Skipped: the notebook cell {clean(check.notebook)} was not graded here")
        case Script():
            return Finding(Outcome.ERROR, f"The script {clean(check.script)} was not run; grade the cluster again")
        case _:
            raise TypeError(f"{type(check).__name__} is a kind of check that nothing judges")
