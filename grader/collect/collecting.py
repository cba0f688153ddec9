"""From a lab and a cluster to an Evidence."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.checks import held, wants
from grader.checks.looking import asked_about
from grader.collect.access import Access, ApiFault
from grader.collect.components import down
from grader.collect.lists import lists
from grader.collect.record import record
from grader.explain.lists import related
from grader.labfile import LoadedLab
from grader.labfile.schema import AllOf, AnyOf, Audit, Check, Probe, Script, seconds
from grader.model import Call, ClusterUnreachable, Evidence, Observation, Outcome, Probed, Snapshot, Want

# Set on nodes that KWOK plays: nothing runs on them.
_SIMULATED = "kwok.x-k8s.io/node"


def collect(lab: LoadedLab, access: Access, *, student: str | None = None) -> Evidence:
    """Look at a cluster once. `student` stands in where no record says for whom the lab was started.

    A list that the server does not give carries its error. Raises ClusterUnreachable where nothing answers, where the
    identity is refused, or where it may read none of it.
    """
    return _observe(lab, access, begin(lab, access, student=student), everything(lab))


def begin(lab: LoadedLab, access: Access, *, student: str | None = None) -> Evidence:
    """An Evidence in which nothing has been looked at yet: whose cluster it is, and what it can show.

    Raises ClusterUnreachable.
    """
    access.afresh()
    version = _version(access)
    found = record(access, lab.slug)
    name = (found.student if found else "") or student or str(access.kubeconfig.extension.get("student") or "student")
    return Evidence(
        lab=lab.slug,
        namespace=lab.spec.namespace,
        student=name,
        params=lab.params,
        kubernetes=version,
        capabilities=_capabilities(access),
        now=Snapshot("", 0.0, ()),
        lab_digest=lab.digest,
    )


def observe(lab: LoadedLab, access: Access, evidence: Evidence) -> Evidence:
    """What no list shows, anew: the student's calls, the lab's probes and scripts, processes that have ended. Of `now`
    the lists stay."""
    found = _observe(lab, access, evidence, frozenset())
    return replace(found, now=replace(evidence.now, probes=found.now.probes))


def again(lab: LoadedLab, access: Access, evidence: Evidence, *, only: frozenset[Want] | None = None) -> Evidence:
    """Look once more. What was `now` becomes the last of `earlier`, with the lists only that checks with `hold` need.

    With `only`, no more than those lists are taken, no audit log is read and no script run, and only probes that must
    hold are made: a look between two others.
    """
    access.afresh()
    probed = lasting(lab)
    earlier = within((*evidence.earlier, _kept(evidence.now, held(lab), probed)), longest_hold(lab))
    if only is not None:
        now = _look(lab, access, only)
        return replace(evidence, earlier=earlier, now=replace(now, probes=_probes(lab, access, evidence, probed)))
    return _observe(lab, access, replace(evidence, earlier=earlier), everything(lab))


def everything(lab: LoadedLab) -> frozenset[Want]:
    """The lists that checks need, and those that the explanations read."""
    needed = wants(lab) | asked_about(lab)
    return needed | related(needed)


def longest_hold(lab: LoadedLab) -> float | None:
    """The longest `hold` of a lab's checks in seconds; None where no check has one."""
    return max((seconds(check.hold) for _, check in walk(lab) if check.hold is not None), default=None)


def lasting(lab: LoadedLab) -> frozenset[str]:
    """The ids of the probes that must hold, or stand inside a check that must."""
    holding = [i for i, c in walk(lab) if c.hold is not None]
    return frozenset(
        i for i, c in walk(lab) if isinstance(c, Probe) and any(i == h or i.startswith(f"{h}/") for h in holding)
    )


def walk(lab: LoadedLab) -> Iterator[tuple[str, Check]]:
    """Every check with its id: "TASK/0", and "TASK/0/1" for one inside another."""

    def below(path: str, checks: Sequence[Check]) -> Iterator[tuple[str, Check]]:
        for number, check in enumerate(checks):
            here = f"{path}/{number}"
            yield here, check
            if isinstance(check, AnyOf):
                yield from below(here, check.any_of)
            elif isinstance(check, AllOf):
                yield from below(here, check.all_of)

    for task in lab.spec.tasks:
        yield from below(task.id, task.checks)


def _observe(lab: LoadedLab, access: Access, evidence: Evidence, chosen: frozenset[Want]) -> Evidence:
    calls, unread = _calls(lab, access, evidence)
    now = _look(lab, access, chosen)
    return replace(
        evidence,
        now=replace(now, probes=_probes(lab, access, evidence, {i for i, c in walk(lab) if isinstance(c, Probe)})),
        calls=calls,
        observations={**unread, **_scripts(lab, access, evidence)},
        down=down(access.kubeconfig.extension, metrics="metrics" in _needs(lab)),
    )


def _needs(lab: LoadedLab) -> frozenset[str]:
    return frozenset(lab.spec.needs).union(*(check.needs for _, check in walk(lab)))


def _scripts(lab: LoadedLab, access: Access, evidence: Evidence) -> dict[str, Observation]:
    due = {i: c for i, c in walk(lab) if isinstance(c, Script) and evidence.capabilities.issuperset(c.needs)}
    if not due:
        return {}
    from grader.collect import script  # it brings a web server and more, which few labs need

    return {
        check_id: script.run(
            script.Script(lab.folder, check.script, lab.spec.namespace, evidence.student, lab.params), access
        )
        for check_id, check in due.items()
    }


def _probes(lab: LoadedLab, access: Access, evidence: Evidence, chosen: Collection[str]) -> Mapping[str, Probed] | None:
    """What the chosen probes are answered. None where the lab has none, or the cluster no Pods that could answer."""
    due = {
        i: c
        for i, c in walk(lab)
        if i in chosen and isinstance(c, Probe) and evidence.capabilities.issuperset(("pods", *c.needs))
    }
    if not due:
        return None
    from grader.collect import probes  # threads and a resolver, which few labs need

    return probes.ask(access, lab.spec.namespace, due)


def _look(lab: LoadedLab, access: Access, chosen: Iterable[Want]) -> Snapshot:
    # Only a lab that speaks of managedFields (who set what by server-side apply) needs a third more of every object.
    found = lists(access, chosen, managed_fields="managedFields" in repr(lab.spec))
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Snapshot(at, time.monotonic(), tuple(found))


def within(looks: Sequence[Snapshot], hold: float | None) -> Sequence[Snapshot]:
    """The looks that a check with `hold` can still ask about: the last `hold` seconds, and one look before them."""
    if hold is None:
        return ()
    old = sum(1 for one in looks if one.span[1] <= looks[-1].span[0] - hold)
    return looks[max(0, old - 1) :]


def _kept(snapshot: Snapshot, needed: Iterable[Want], probed: Collection[str]) -> Snapshot:
    found = {id(one): one for want in needed if (one := _source(snapshot, want)) is not None}
    probes = {i: one for i, one in (snapshot.probes or {}).items() if i in probed} or None
    return replace(snapshot, lists=tuple(one for one in snapshot.lists if id(one) in found), probes=probes)


def _source(snapshot: Snapshot, want: Want) -> object:
    """The list that `Snapshot.find` would take a want from, whole."""
    same = [one for one in snapshot.lists if (one.api_version, one.kind) == (want.api_version, want.kind)]
    exact = [one for one in same if one.namespace in (want.namespace, "")]
    return next(iter(exact or [one for one in same if one.namespace == "*"]), None)


def _version(access: Access) -> str:
    """The API server's version; the first thing asked, so also whether there is a server at all."""
    try:
        version = access.get("/version").get("gitVersion")
    except ApiFault as fault:
        raise access.unreachable(fault) from None
    if not isinstance(version, str):
        raise ClusterUnreachable(access.stranger)
    return version


def _capabilities(access: Access) -> frozenset[str]:
    """What the provider states in the kubeconfig; found out where it states nothing."""
    stated = access.kubeconfig.extension.get("capabilities")
    if not isinstance(stated, list):
        return _found_out(access)
    words = frozenset(word for word in stated if isinstance(word, str))
    return words if _audit_log(access) else words - {"audit"}


def _found_out(access: Access) -> frozenset[str]:
    """Of a foreign cluster: whether its nodes are real, and whether it has metrics."""
    found = set()
    nodes = lists(access, [Want("v1", "Node", "")], forbidden_is_fatal=False)[0]
    # Who may not see the nodes is on somebody's cluster, and those are real.
    if nodes.error is not None or any(_SIMULATED not in (n["metadata"].get("annotations") or {}) for n in nodes.items):
        found.add("pods")
    try:
        access.get("/apis/metrics.k8s.io/v1beta1")
        found.add("metrics")
    except ApiFault as fault:
        if fault.status not in (403, 404, 503):
            raise access.unreachable(fault) from None
    return frozenset(found)


def _audit_log(access: Access) -> Path | None:
    path = access.kubeconfig.extension.get("auditLog")
    return Path(path) if isinstance(path, str) and path else None


def _calls(lab: LoadedLab, access: Access, evidence: Evidence) -> tuple[Sequence[Call] | None, dict[str, Observation]]:
    """The student's calls; where the log cannot be read, None, and an error for every check that asks for it."""
    checks = {check_id: check for check_id, check in walk(lab) if isinstance(check, Audit)}
    log = _audit_log(access)
    if log is None:
        return None, {}
    if not checks:
        return (), {}
    from grader.collect import audit

    patterns = [check.audit for check in checks.values()]
    try:
        return tuple(audit.calls(log, student=evidence.student, slug=lab.slug, patterns=patterns)), {}
    except audit.AuditUnreadable as fault:
        return None, {check_id: Observation(Outcome.ERROR, str(fault)) for check_id in checks}
