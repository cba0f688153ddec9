"""One check against one Evidence: passed, failed, error or skipped, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from grader.checks.expressions import CannotEvaluate
from grader.checks.looking import Seen, inside, see
from grader.checks.nearness import named, none_found
from grader.checks.observing import audit, observed
from grader.checks.plans import Plan, plan
from grader.checks.probing import probe, replies
from grader.checks.verdicts import Finding, combine_all, combine_any
from grader.checks.wording import clean, numbered, sentence, title
from grader.labfile.loading import LoadedLab
from grader.labfile.schema import Absent, AllOf, AnyOf, Audit, Cel, Check, Count, CountOf, Match, Probe, kind_of
from grader.model import CheckResult, Evidence, Outcome, Snapshot

# What a kind of check cannot do without, beside what the check itself says that it needs.
_IMPLIED = {Probe: "pods", Audit: "audit"}
CAPABILITIES = {
    "pods": "Pods whose containers really run",
    "metrics": "metrics of Pods and nodes",
    "network-policy": "NetworkPolicies that are enforced",
    "load-balancer": "load balancers",
    "audit": "an audit log",
    "ingress": "an Ingress controller",
}


def judge(check: Check, check_id: str, lab: LoadedLab, evidence: Evidence) -> CheckResult:
    """What became of a check, without the explanation of a failure.

    Raises PatternError, which is a LabError, where the check cannot be compiled; `prepare` finds these beforehand.
    """
    looks = [*evidence.earlier, evidence.now]
    return _Judge(lab, evidence, looks).result(check, check_id, len(looks) - 1)


def span(check: Check, check_id: str, look: Snapshot) -> tuple[float, float]:
    """When a look saw the first and the last of what a check asks about, in its `seconds`: a probe counts as of when it
    was answered, so one answer that several looks hold was seen once."""
    if within := inside(check):
        spans = [span(c, f"{check_id}/{i}", look) for i, c in enumerate(within)]
        return min(first for first, _ in spans), max(last for _, last in spans)
    found = replies(check, check_id, look) if isinstance(check, Probe) else None
    at = look.seconds if found is None or found.seconds is None else found.seconds
    return at, at


@dataclass(frozen=True, slots=True)
class _Judge:
    lab: LoadedLab
    evidence: Evidence
    looks: Sequence[Snapshot]  # oldest first; the last is `evidence.now`

    def result(self, check: Check, check_id: str, look: int) -> CheckResult:
        """The check as it stands at a look, with those inside it."""
        finding = self._missing(check) or self._held(check, check_id, look)
        message = finding.message
        if finding.outcome is Outcome.FAILED and check.message is not None:
            message = check.message + (f" ({finding.flicker})" if finding.flicker else "")
        elif finding.flicker:
            message = f"{message}, but {finding.flicker}"
        return CheckResult(
            check_id, kind_of(check), finding.outcome, sentence(message), hidden=check.hidden, checks=finding.checks
        )

    def _missing(self, check: Check) -> Finding | None:
        needs: dict[str, None] = dict.fromkeys([*self.lab.spec.needs, *check.needs])
        if implied := _IMPLIED.get(type(check)):
            needs[implied] = None
        missing = [n for n in needs if n not in self.evidence.capabilities]
        if not missing:
            return None
        words = " and ".join(CAPABILITIES.get(n, n) for n in missing)
        return Finding(
            Outcome.SKIPPED, f"Skipped: this needs {words} (capability {', '.join(missing)}), and this cluster has none"
        )

    def _held(self, check: Check, check_id: str, look: int) -> Finding:
        """The finding at a look; where the check has `hold`, only if the looks before it found the same."""
        finding = self._look(check, check_id, look)
        hold = plan(check, self.lab.spec.namespace).hold
        if hold is None or finding.outcome is not Outcome.PASSED:
            return finding
        since = now = span(check, check_id, self.looks[look])[0]
        for before in range(look - 1, -1, -1):
            if now - since >= hold:
                break
            earlier = self._look(check, check_id, before)
            if earlier.outcome is Outcome.ERROR and earlier.collected:
                return earlier
            if earlier.outcome is not Outcome.PASSED:
                break
            since = min(since, span(check, check_id, self.looks[before])[1])
        if now - since >= hold:
            return finding
        flicker = f"seen true for {now - since:.3g} s of {hold:g} s"
        return replace(finding, outcome=Outcome.FAILED, flicker=flicker)

    def _look(self, check: Check, check_id: str, look: int) -> Finding:
        match check:
            case Match() | Absent() | Count():
                return self._objects(check, look)
            case Cel():
                return self._expression(check, look)
            case AnyOf() | AllOf():
                combine = combine_any if isinstance(check, AnyOf) else combine_all
                return combine(self._inside(check, check_id, look))
            case Probe():
                return probe(check, check_id, self.looks[look])
            case Audit() if check_id not in self.evidence.observations:
                return audit(check, self.evidence)
            case _:
                return observed(check, check_id, self.evidence)

    def _inside(self, check: Check, check_id: str, look: int) -> tuple[CheckResult, ...]:
        return tuple(self.result(c, f"{check_id}/{i}", look) for i, c in enumerate(inside(check)))

    def _objects(self, check: Match | Absent | Count, look: int) -> Finding:
        compiled = plan(check, self.lab.spec.namespace)
        matcher, wanted = compiled.lists[""]
        seen = see(self.looks[look], wanted)
        if seen.fault is not None:
            return Finding(Outcome.ERROR, seen.fault, collected=seen.collected)
        match check:
            case Match():
                return _match(compiled, seen)
            case Absent():
                found = next((o for o in seen.items if matcher(o)), None)
                if found is None:
                    none = f"No {clean(wanted.kind)}{named(check.absent)}{seen.where}"
                    return Finding(Outcome.PASSED, f"{none}{compiled.asked}, as asked")
                return Finding(Outcome.FAILED, f"{title(found)} is there{compiled.asked}, and must not be")
            case Count():
                return _count(check.count, compiled, seen)

    def _expression(self, check: Cel, look: int) -> Finding:
        compiled = plan(check, self.lab.spec.namespace)
        lists = {}
        for name, (matcher, wanted) in compiled.lists.items():
            seen = see(self.looks[look], wanted)
            if seen.fault is not None:
                return Finding(Outcome.ERROR, seen.fault, collected=seen.collected)
            lists[name] = [o for o in seen.items if matcher(o)]
        if compiled.expression is None:
            raise TypeError("a cel check was compiled without its expression")
        try:
            verdict = compiled.expression.evaluate(lists, self.lab.params, self.looks[look].at)
        except CannotEvaluate as error:
            return Finding(Outcome.ERROR, f"The lab's check cannot be run: {error}")
        source = clean(check.cel, 200)
        if verdict.holds:
            return Finding(Outcome.PASSED, f"It is true that {source}")
        because = f"; {verdict.missing}" if verdict.missing else _brought(lists)
        return Finding(Outcome.FAILED, f"It is not true that {source}{because}")


def _brought(lists: Mapping[str, Sequence[object]]) -> str:
    empty = [name for name, items in lists.items() if not items]
    return f"; there is no object for {' and '.join(empty)}" if empty else ""


def _match(compiled: Plan, seen: Seen) -> Finding:
    matcher, _ = compiled.lists[""]
    found = next((o for o in seen.items if matcher(o)), None)
    if found is not None:
        return Finding(Outcome.PASSED, f"{title(found)} is as asked")
    return Finding(Outcome.FAILED, none_found(matcher, seen))


def _count(bounds: CountOf, compiled: Plan, seen: Seen) -> Finding:
    matcher, wanted = compiled.lists[""]
    count = sum(map(matcher, seen.items))
    least, most = bounds.at_least or 0, bounds.at_most
    if bounds.equals is not None:
        least, most, words = bounds.equals, bounds.equals, f"{bounds.equals}"
    else:
        words = f"at least {least}" if most is None else f"at most {most}" if not least else f"{least} to {most}"
    text = f"{numbered(count, wanted.kind)}{named(matcher.partial)}{seen.where}{compiled.asked}"
    if least <= count and (most is None or count <= most):
        return Finding(Outcome.PASSED, f"There {'is' if count == 1 else 'are'} {text}")
    message = f"There {'is' if count == 1 else 'are'} {text}, expected {words}"
    if count < least and not seen.served:
        message = f"{none_found(matcher, seen)}; expected {words}"
    return Finding(Outcome.FAILED, message)
