"""Each kind of check: its four outcomes and its sentences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grader import checks
from grader.labfile import LabFaults
from grader.model import Call, CheckResult, Evidence, Object, ObjectList, Observation, Outcome, Snapshot, Want
from tests.grader.checks.scenes import NOW, evidence, judged, make_lab, make_tasks, snapshot, thing

PASSED, FAILED, ERROR, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED
WEB = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "web"}}}


def service(name: str = "web", **spec: Any) -> Object:
    return thing("Service", name, spec=spec)


def pods(count: int, **labels: str) -> list[Object]:
    return [thing("Pod", f"web-{i}", labels=labels or {"app": "web"}) for i in range(count)]


def result(folder: Path, check: Mapping[str, Any], *objects: Object, **more: Any) -> CheckResult:
    lab = make_lab(folder, check)
    return judged(lab, evidence(lab, objects, **more))


# match, absent, count -----------------------------------------------------------------------------------------------

MATCH = {"match": {**WEB, "spec": {"selector": {"app": "web"}}}}
MESSAGES = [
    (MATCH, [service(selector={"app": "web"})], PASSED, "Service shop/web is as asked"),
    (
        MATCH,
        [service(selector={"app": "wbe"})],
        FAILED,
        'Service shop/web: spec.selector.app is "wbe", expected "web"',
    ),
    (MATCH, [], FAILED, "No Service named web in namespace shop"),
    (MATCH, [service("wbe")], FAILED, "No Service named web in namespace shop; there is one named wbe"),
    (MATCH, [service("database")], FAILED, "No Service named web in namespace shop"),
    ({"match": POD}, [], FAILED, "No Pod in namespace shop"),
    (
        {"match": POD},
        [thing("Pod", "a"), thing("Pod", "b", labels={"app": "wbe"})],
        FAILED,
        'No Pod in namespace shop is as asked; nearest is Pod shop/a: metadata.labels.app is not set, expected "web"',
    ),
    ({"absent": WEB}, [], PASSED, "No Service named web in namespace shop, as asked"),
    ({"absent": WEB}, [service()], FAILED, "Service shop/web is there, and must not be"),
    (
        {"absent": {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort"}}},
        [service("db"), service(type="NodePort")],
        FAILED,
        'Service shop/web is there with spec.type "NodePort", and must not be',
    ),
    (
        {"count": {"of": POD, "equals": 2}},
        pods(2),
        PASSED,
        'There are 2 Pods in namespace shop with metadata.labels.app "web"',
    ),
    (
        {"count": {"of": POD, "equals": 2}},
        pods(1),
        FAILED,
        'There is 1 Pod in namespace shop with metadata.labels.app "web", expected 2',
    ),
    (
        {"count": {"of": POD, "at_least": 1, "at_most": 2}},
        pods(3),
        FAILED,
        'There are 3 Pods in namespace shop with metadata.labels.app "web", expected 1 to 2',
    ),
    ({"count": {"of": POD, "at_least": 2}}, pods(2), PASSED, None),
    ({"count": {"of": POD, "at_least": 2}}, [*pods(1), *pods(4, app="db")], FAILED, None),
    ({"count": {"of": POD, "at_most": 0}}, [], PASSED, None),
]


@pytest.mark.parametrize(("check", "objects", "expected", "message"), MESSAGES)
def test_objects(
    tmp_path: Path, check: dict[str, Any], objects: list[Object], expected: Outcome, message: str | None
) -> None:
    found = result(tmp_path, check, *objects)
    assert found.outcome is expected
    assert message is None or found.message == message


def test_the_nearest_object_is_told(tmp_path: Path) -> None:
    check = {"match": {"apiVersion": "v1", "kind": "Pod", "spec": {"a": 1, "b": 2, "c": 3}}}
    found = result(tmp_path, check, thing("Pod", "x", spec={"a": 1}), thing("Pod", "y", spec={"a": 1, "b": 2, "c": 4}))
    assert found.message == "No Pod in namespace shop is as asked; nearest is Pod shop/y: spec.c is 4, expected 3"


def test_many_differences_are_counted(tmp_path: Path) -> None:
    check = {"match": {**WEB, "spec": dict.fromkeys("abcdef", 1)}}
    found = result(tmp_path, check, service())
    assert found.message.endswith("spec.c is not set, expected 1; and 3 more differences")


def test_the_authors_message(tmp_path: Path) -> None:
    check = {**MATCH, "message": "Mend the selector."}
    assert result(tmp_path, check, service()).message == "Mend the selector."
    assert result(tmp_path, check, service(selector={"app": "web"})).message == "Service shop/web is as asked"


def test_objects_of_other_namespaces_do_not_count(tmp_path: Path) -> None:
    elsewhere = thing("Service", "web", "other", spec={"selector": {"app": "web"}})
    assert result(tmp_path, MATCH, elsewhere).outcome is FAILED
    there = {"match": {**WEB, "metadata": {"name": "web", "namespace": "other"}}}
    assert result(tmp_path, there, elsewhere).outcome is PASSED
    for anywhere in (None, {"$regex": "^oth"}):
        check = {"match": {**WEB, "metadata": {"name": "web", "namespace": anywhere}}}
        assert result(tmp_path, check, elsewhere).outcome is PASSED


def test_kinds_without_a_namespace(tmp_path: Path) -> None:
    check = {"match": {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}}}
    assert result(tmp_path, check, thing("PersistentVolume", "data", "")).outcome is PASSED
    found = result(tmp_path, check, thing("PersistentVolume", "date", ""))
    assert found.message == "No PersistentVolume named data; there is one named date"


def listing(lab: Any, **fields: Any) -> Evidence:
    want = next(iter(checks.wants(lab)))
    one = ObjectList(want.api_version, want.kind, want.namespace, [], **fields)
    return evidence(lab, now=Snapshot(NOW, 0.0, [one]))


def test_a_kind_that_is_not_served(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, MATCH)
    found = judged(lab, listing(lab, served=False))
    assert (found.outcome, found.message) == (FAILED, "This cluster knows no kind Service in v1")
    for holding in ({"absent": WEB}, {"count": {"of": WEB, "equals": 0}}):
        lab = make_lab(tmp_path, holding)
        assert judged(lab, listing(lab, served=False)).outcome is PASSED
    lab = make_lab(tmp_path, {"count": {"of": WEB, "at_least": 1}})
    found = judged(lab, listing(lab, served=False))
    assert found.message == "This cluster knows no kind Service in v1; expected at least 1"


CEL = {"cel": "size(services) == 0", "with": {"services": WEB}}


@pytest.mark.parametrize("check", [MATCH, {"absent": WEB}, {"count": {"of": WEB, "at_most": 1}}, CEL])
def test_a_list_that_the_server_did_not_give(tmp_path: Path, check: dict[str, Any]) -> None:
    lab = make_lab(tmp_path, {**check, "message": "The author's words."})
    found = judged(lab, listing(lab, error="connection refused"))
    assert found.outcome is ERROR
    assert found.message == "The API server did not give the list of Services: connection refused"
    missing = judged(lab, evidence(lab, now=Snapshot(NOW, 0.0, [])))
    assert missing.outcome is ERROR
    assert missing.message == "The evidence holds no list of Services (v1); grade the cluster again to collect it"


# cel ----------------------------------------------------------------------------------------------------------------


def test_cel(tmp_path: Path) -> None:
    check = {"cel": "size(pods) == params.count", "with": {"pods": POD}}
    lab = make_tasks(tmp_path, {"id": "do", "title": "Do it", "checks": [check]}, parameters={"count": {"choose": [2]}})
    good = judged(lab, evidence(lab, [*pods(2), thing("Pod", "other")]))
    assert (good.outcome, good.message) == (PASSED, "It is true that size(pods) == params.count")
    bad = judged(lab, evidence(lab, pods(1)))
    assert (bad.outcome, bad.message) == (FAILED, "It is not true that size(pods) == params.count")
    none = judged(lab, evidence(lab))
    assert none.message == "It is not true that size(pods) == params.count; there is no object for pods"


def test_a_field_that_a_student_left_out_is_a_lost_point_and_no_error(tmp_path: Path) -> None:
    check = {"cel": "pods.all(p, p.spec.hostNetwork == false)", "with": {"pods": POD}}
    found = result(tmp_path, check, *pods(1))
    assert found.outcome is FAILED
    assert found.message.endswith('; "spec" is not set')


def test_an_expression_that_runs_away_is_the_labs_fault(tmp_path: Path) -> None:
    check = {"cel": "pods.all(a, pods.all(b, pods.all(c, true)))", "with": {"pods": POD}}
    found = result(tmp_path, check, *pods(500))
    assert found.outcome is ERROR
    assert found.message.startswith("The lab's check cannot be run: the expression takes more than 10,000 steps")


def test_faults_of_a_lab_come_all_at_once_with_their_lines(tmp_path: Path) -> None:
    lab = make_lab(
        tmp_path,
        {"match": {**WEB, "spec": {"replicas": {"$atleast": 2}}}},
        {"any_of": [{"cel": "size(x) == 1", "with": {"y": WEB}}, {"absent": {**WEB, "spec": {"a": {"$regex": "("}}}}]},
        {"count": {"of": {**WEB, "spec": {"a": {"$in": []}}}, "equals": 1}},
    )
    with pytest.raises(LabFaults) as caught:
        checks.prepare(lab)
    told = [f.message for f in caught.value.faults]
    assert any(m.startswith('match.spec.replicas: unknown operator "$atleast"') for m in told)
    assert any(m.startswith("cel: line 1, column 6: undeclared reference to 'x'") for m in told)
    assert any(m.startswith("absent.spec.a.$regex: invalid regular expression") for m in told)
    assert any(m.startswith("count.of.spec.a.$in: takes a list") for m in told)
    assert len(told) == 4
    assert all(f.line >= 1 for f in caught.value.faults)


# audit --------------------------------------------------------------------------------------------------------------


def call(**fields: Any) -> Call:
    given = {
        "at": NOW,
        "user": "ada",
        "verb": "create",
        "group": "",
        "resource": "pods",
        "subresource": "",
        "namespace": "shop",
        "name": "web",
        "user_agent": "kubectl/v1.36.3 (linux/amd64)",
        "code": 201,
    }
    return Call(**{**given, **fields})


AUDITS = [
    ({"verb": "create"}, call(), PASSED),
    ({"verb": ["patch", "create"], "resource": "pods"}, call(), PASSED),
    ({"verb": "create", "resource": "pods", "name": "web", "namespace": "shop", "group": ""}, call(), PASSED),
    ({"verb": "create", "user_agent": "kubectl"}, call(), PASSED),
    ({"verb": "create", "resource": "pods", "subresource": "exec"}, call(subresource="exec", code=101), PASSED),
    ({"verb": "create", "resource": "pods"}, call(subresource="exec"), FAILED),
    ({"verb": "create"}, call(subresource="exec"), PASSED),
    ({"verb": "delete"}, call(), FAILED),
    ({"verb": "create", "name": "db"}, call(), FAILED),
    ({"verb": "create", "group": "apps"}, call(), FAILED),
    ({"verb": "create", "namespace": "other"}, call(), FAILED),
    ({"verb": "create", "user_agent": "curl"}, call(), FAILED),
    ({"verb": "create"}, call(user="kubernetes-admin"), FAILED),
    ({"verb": "create"}, call(code=403), FAILED),
    ({"verb": "create", "succeeded": False}, call(code=403), PASSED),
    ({"verb": "create", "succeeded": False}, call(), FAILED),
    ({"verb": "create", "succeeded": None}, call(code=403), PASSED),
]


@pytest.mark.parametrize(("pattern", "made", "expected"), AUDITS)
def test_audit(tmp_path: Path, pattern: dict[str, Any], made: Call, expected: Outcome) -> None:
    assert result(tmp_path, {"audit": pattern}, calls=[made]).outcome is expected


def test_what_audit_says(tmp_path: Path) -> None:
    check = {"audit": {"verb": "create", "resource": "pods", "subresource": "exec", "name": "web"}}
    assert result(tmp_path, check).message == "No such call of yours since the lab began: create pods/exec web"
    refused = result(tmp_path, check, calls=[call(subresource="exec", code=403)])
    assert refused.message.endswith("; there is one, and it was answered with 403")
    assert result(tmp_path, check, capabilities=[]).outcome is SKIPPED
    assert result(tmp_path, check, calls=None).outcome is ERROR


# probe, notebook, script --------------------------------------------------------------------------------------------

PROBE = {"probe": {"tcp": {"service": "web", "port": 80}}}


def test_probe(tmp_path: Path) -> None:
    simulated = result(tmp_path, PROBE)
    assert simulated.outcome is SKIPPED
    assert "Pods whose containers really run" in simulated.message
    unasked = result(tmp_path, PROBE, capabilities=["pods"])
    assert (unasked.outcome, "taken without probes" in unasked.message) == (SKIPPED, True)


@pytest.mark.parametrize(("check", "missing"), [({"notebook": "cell-1"}, SKIPPED), ({"script": "check.sh"}, ERROR)])
@pytest.mark.parametrize("observed", list(Outcome))
def test_observations(tmp_path: Path, check: dict[str, str], missing: Outcome, observed: Outcome) -> None:
    assert result(tmp_path, check).outcome is missing
    found = result(tmp_path, check, observations={"do/0": Observation(observed, "as \x1b[1mseen")})
    assert (found.outcome, found.message) == (observed, "as [1mseen")


@pytest.mark.parametrize("needs", [["load-balancer"], ["metrics", "ingress", "load-balancer"]])
def test_needs(tmp_path: Path, needs: list[str]) -> None:
    found = result(tmp_path, {**MATCH, "needs": needs})
    assert found.outcome is SKIPPED
    assert "load-balancer" in found.message
    assert "metrics" not in found.message


def test_needs_of_the_lab(tmp_path: Path) -> None:
    lab = make_tasks(tmp_path, {"id": "do", "title": "Do it", "checks": [MATCH]}, needs=["ingress"])
    assert judged(lab, evidence(lab)).outcome is SKIPPED
    assert judged(lab, evidence(lab, capabilities=["ingress"])).outcome is FAILED


# any_of, all_of -----------------------------------------------------------------------------------------------------


def cell(name: Outcome) -> dict[str, str]:
    return {"notebook": str(name)}


CELLS = {f"do/0/{i}": i for i in range(3)}
ANY = [
    ((FAILED, PASSED), PASSED),
    ((ERROR, PASSED), PASSED),
    ((SKIPPED, PASSED), PASSED),
    ((FAILED, FAILED), FAILED),
    ((FAILED, SKIPPED), SKIPPED),
    ((FAILED, ERROR), ERROR),
    ((SKIPPED, ERROR, FAILED), ERROR),
]
ALL = [
    ((PASSED, PASSED), PASSED),
    ((PASSED, FAILED), FAILED),
    ((FAILED, ERROR), FAILED),
    ((FAILED, SKIPPED), FAILED),
    ((PASSED, SKIPPED), SKIPPED),
    ((PASSED, ERROR), ERROR),
    ((SKIPPED, ERROR, PASSED), ERROR),
]


@pytest.mark.parametrize(
    ("word", "inner", "expected"), [*(("any_of", *c) for c in ANY), *(("all_of", *c) for c in ALL)]
)
def test_combinations(tmp_path: Path, word: str, inner: tuple[Outcome, ...], expected: Outcome) -> None:
    seen = {f"do/0/{i}": Observation(o, f"{i} {o}") for i, o in enumerate(inner)}
    found = result(tmp_path, {word: [cell(o) for o in inner]}, observations=seen)
    assert found.outcome is expected
    assert [(c.id, c.outcome) for c in found.checks] == [(f"do/0/{i}", o) for i, o in enumerate(inner)]


def test_what_combinations_say(tmp_path: Path) -> None:
    ways = {"any_of": [MATCH, {"match": POD}]}
    assert result(tmp_path, ways).message == (
        "None of 2 ways is taken: No Service named web in namespace shop; No Pod in namespace shop"
    )
    hidden = {"all_of": [{**MATCH, "hidden": True}, {"match": POD}]}
    assert result(tmp_path, hidden).message == "No Pod in namespace shop"
    assert result(tmp_path, hidden, *pods(1)).message == "a hidden check"


# hold ---------------------------------------------------------------------------------------------------------------

HELD = {**MATCH, "hold": "3s"}
GOOD, BAD = service(selector={"app": "web"}), service(selector={"app": "wbe"})


def held(folder: Path, check: Mapping[str, Any], *looks: tuple[float, Object | None]) -> CheckResult:
    lab = make_lab(folder, check)
    seen = [snapshot(lab, [o] if o else [], seconds=s) for s, o in looks]
    return judged(lab, evidence(lab, now=seen[-1], earlier=seen[:-1]))


def test_hold_covered(tmp_path: Path) -> None:
    assert held(tmp_path, HELD, (10, GOOD), (11.5, GOOD), (13, GOOD)).outcome is PASSED
    assert held(tmp_path, HELD, (1, BAD), (10, GOOD), (13.5, GOOD)).outcome is PASSED


def test_hold_not_covered(tmp_path: Path) -> None:
    found = held(tmp_path, HELD, (10, BAD), (11.8, GOOD), (13, GOOD))
    assert found.outcome is FAILED
    assert found.message == "Service shop/web is as asked, but seen true for 1.2 s of 3 s"
    assert held(tmp_path, HELD, (13, GOOD)).message.endswith("seen true for 0 s of 3 s")
    assert held(tmp_path, HELD, (9, GOOD), (11, BAD), (13, GOOD)).outcome is FAILED
    words = held(tmp_path, {**HELD, "message": "Mend it."}, (12, GOOD), (13, GOOD))
    assert words.message == "Mend it. (seen true for 1 s of 3 s)"


def test_hold_of_what_does_not_hold_now(tmp_path: Path) -> None:
    found = held(tmp_path, HELD, (10, GOOD), (14, BAD))
    assert found.message == 'Service shop/web: spec.selector.app is "wbe", expected "web"'


def test_a_look_that_failed_is_ours(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, HELD)
    broken = Snapshot(NOW, 11, [ObjectList("v1", "Service", "shop", [], error="timed out")])
    looks = [snapshot(lab, [GOOD], 10), broken, snapshot(lab, [GOOD], 12), snapshot(lab, [GOOD], 13)]
    assert judged(lab, evidence(lab, now=looks[-1], earlier=looks[:-1])).outcome is ERROR
    assert judged(lab, evidence(lab, now=snapshot(lab, [GOOD], 15), earlier=looks)).outcome is PASSED


def test_looks_that_do_not_reach_back_far_enough(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, HELD)
    found = judged(lab, evidence(lab, now=snapshot(lab, [GOOD], 13), earlier=[Snapshot(NOW, 5, [])]))
    assert (found.outcome, found.message[-24:]) == (FAILED, "seen true for 0 s of 3 s")


def test_a_jump_of_the_wall_clock_changes_nothing(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, HELD)
    earlier = [snapshot(lab, [GOOD], 10, "2026-01-01T05:00:00Z"), snapshot(lab, [GOOD], 11, "2026-01-01T01:00:00Z")]
    assert judged(lab, evidence(lab, now=snapshot(lab, [GOOD], 12), earlier=earlier)).outcome is FAILED
    assert judged(lab, evidence(lab, now=snapshot(lab, [GOOD], 13), earlier=earlier)).outcome is PASSED


def test_hold_around_and_inside_others(tmp_path: Path) -> None:
    around = {"any_of": [MATCH, {"match": {**WEB, "spec": {"selector": {"app": "wbe"}}}}], "hold": "3s"}
    assert held(tmp_path, around, (10, GOOD), (11, BAD), (13, GOOD)).outcome is PASSED
    inside = {"all_of": [HELD, {"match": WEB}]}
    assert held(tmp_path, inside, (10, GOOD), (11, BAD), (13, GOOD)).outcome is FAILED
    assert held(tmp_path, inside, (10, GOOD), (13, GOOD)).outcome is PASSED


# wants, held --------------------------------------------------------------------------------------------------------


def test_wants(tmp_path: Path) -> None:
    lab = make_lab(
        tmp_path,
        HELD,
        {"any_of": [{"absent": {**POD, "metadata": {"namespace": None}}}, {"count": {"of": POD, "equals": 1}}]},
        {
            "cel": "size(nodes) > 0",
            "with": {"nodes": {"apiVersion": "v1", "kind": "Node", "metadata": {"namespace": "x"}}},
        },
        {"audit": {"verb": "create"}},
        {"all_of": [CEL, {**CEL, "hold": "1s"}]},
    )
    services, everywhere = Want("v1", "Service", "shop"), Want("v1", "Pod", "*")
    assert checks.wants(lab) == {services, everywhere, Want("v1", "Pod", "shop"), Want("v1", "Node", "x")}
    assert checks.held(lab) == {services}


# Hostile evidence ---------------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    "not an object",
    None,
    {"metadata": None},
    {"metadata": {"name": ["web"], "namespace": 3}},
    {"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "\x1b[2J\u202e" + "x" * 1_000_000}}},
    {"kind": "\x1b]0;x\x07", "metadata": {"name": "web\u2066", "labels": "none"}, "spec": "none"},
]


@pytest.mark.parametrize(
    "check",
    [MATCH, {"absent": POD}, {"match": POD}, {"count": {"of": POD, "equals": 1}}, {**CEL, "cel": "size(services) > 9"}],
)
def test_hostile_evidence_gives_a_short_clean_sentence(tmp_path: Path, check: dict[str, Any]) -> None:
    lab = make_lab(tmp_path, check)
    want = next(iter(checks.wants(lab)))
    for items in ([], HOSTILE, *([h] for h in HOSTILE)):
        one = ObjectList(want.api_version, want.kind, want.namespace, items)
        found = judged(lab, evidence(lab, now=Snapshot(NOW, 0.0, [one])))
        assert found.outcome in (PASSED, FAILED)
        assert len(found.message) <= 800
        assert found.message.isprintable(), found.message
