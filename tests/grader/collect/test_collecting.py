from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.collect import Access, again, collect, collecting
from grader.collect import access as access_module
from grader.evaluate import evaluate
from grader.model import ClusterUnreachable, Outcome, Probed, Snapshot, Want
from tests.fakes.apiserver import Answer, FakeApiServer, status
from tests.grader import small
from tests.grader.collect.test_audit import event, write

AUDIT = """\
tasks:
- id: gone
  title: Delete the Pod
  points: 1
  checks: [{audit: {verb: delete, resource: pods}}]
- id: web
  title: A Pod named web
  points: 2
  checks: [{match: {apiVersion: v1, kind: Pod, metadata: {name: web}}}]
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "PAUSES", (0.001,))


def _access(server: FakeApiServer, tmp_path: Path, **extension: object) -> Access:
    return Access.from_kubeconfig(server.kubeconfig(tmp_path, extension=extension or None))


def test_an_evidence(server: FakeApiServer, tmp_path: Path) -> None:
    server.add("v1", "Pod", "web", "shop")
    lab = small.lab(tmp_path)
    seen = collect(lab, _access(server, tmp_path, capabilities=["metrics"], student="ada"))
    assert (seen.lab, seen.namespace, seen.student) == ("small", "shop", "ada")
    assert (seen.kubernetes, seen.capabilities, seen.lab_digest) == ("v1.36.3", {"metrics"}, lab.digest)
    assert [p["metadata"]["name"] for p in seen.now.objects("v1", "Pod", "shop")] == ["web"]
    assert seen.calls is None
    assert seen.now.at.endswith("Z")


def test_the_record_says_whose_work_it_is(server: FakeApiServer, tmp_path: Path) -> None:
    server.add("v1", "ConfigMap", "lab-small", "seatrial-system", data={"student": "bob", "params": "{}"})
    access = _access(server, tmp_path, student="ada")
    assert collect(small.lab(tmp_path), access, student="eve").student == "bob"
    server.objects.clear()
    assert collect(small.lab(tmp_path), access, student="eve").student == "eve"


@pytest.mark.parametrize("data", [None, {}, {"params": "{"}, {"params": "[]"}, "text"])
def test_a_record_that_makes_no_sense(server: FakeApiServer, tmp_path: Path, data: object) -> None:
    server.add("v1", "ConfigMap", "lab-small", "seatrial-system", data=data)
    assert collect(small.lab(tmp_path), _access(server, tmp_path)).student == "student"


def test_what_a_foreign_cluster_can_do_is_found_out(server: FakeApiServer, tmp_path: Path) -> None:
    lab, access = small.lab(tmp_path), _access(server, tmp_path)
    simulated = {"annotations": {"kwok.x-k8s.io/node": "fake"}}
    server.add("v1", "Node", "n1", metadata=simulated)
    assert collect(lab, access).capabilities == set()
    server.add("v1", "Node", "n2")
    assert collect(lab, access).capabilities == {"pods"}
    server.fault("/apis/metrics.k8s.io/v1beta1", Answer(200, b"{}"), lasting=True)
    assert collect(lab, access).capabilities == {"pods", "metrics"}


def test_who_may_not_see_nodes_is_on_a_real_cluster(server: FakeApiServer, tmp_path: Path) -> None:
    server.fault("/nodes", status(403, "forbidden"), lasting=True)
    assert collect(small.lab(tmp_path), _access(server, tmp_path)).capabilities == {"pods"}


def test_audit_is_a_capability_of_who_can_read_the_log(server: FakeApiServer, tmp_path: Path) -> None:
    lab = small.lab(tmp_path, AUDIT)
    student = collect(lab, _access(server, tmp_path, capabilities=["audit"], student="ada"))
    assert (student.calls, student.capabilities) == (None, set())
    assert evaluate(lab, student).tasks[0].outcome is Outcome.SKIPPED
    log = write(tmp_path / "audit.log", event("delete", "pods", "x"))
    admin = collect(lab, _access(server, tmp_path, capabilities=["audit"], student="ada", auditLog=str(log)))
    assert admin.calls is not None
    assert evaluate(lab, admin).tasks[0].outcome is Outcome.PASSED


def test_a_log_that_cannot_be_read_is_our_fault(server: FakeApiServer, tmp_path: Path) -> None:
    lab = small.lab(tmp_path, AUDIT)
    access = _access(server, tmp_path, capabilities=["audit"], student="ada", auditLog=str(tmp_path / "absent.log"))
    report = evaluate(lab, collect(lab, access))
    assert (report.score, [t.outcome for t in report.tasks]) == (None, [Outcome.ERROR, Outcome.FAILED])
    assert "absent.log cannot be read" in report.tasks[0].checks[0].message


def test_managed_fields_for_a_lab_that_speaks_of_them(server: FakeApiServer, tmp_path: Path) -> None:
    server.add("v1", "Pod", "web", "shop", metadata={"managedFields": [{"manager": "ci"}]})
    plain = collect(small.lab(tmp_path), _access(server, tmp_path))
    assert "managedFields" not in plain.now.objects("v1", "Pod", "shop")[0]["metadata"]
    body = small.ONE_TASK.replace("{name: web}", "{name: web, managedFields: [{manager: ci}]}")
    lab = small.lab(tmp_path, body)
    assert evaluate(lab, collect(lab, _access(server, tmp_path))).full_marks


@pytest.mark.parametrize("served", [b"<html>", b"[]", b"{}"])
def test_something_else_answers(server: FakeApiServer, tmp_path: Path, served: bytes) -> None:
    server.fault("/version", Answer(200, served), lasting=True)
    with pytest.raises(ClusterUnreachable, match="is no Kubernetes API server"):
        collect(small.lab(tmp_path), _access(server, tmp_path))


def test_nothing_answers(server: FakeApiServer, tmp_path: Path) -> None:
    server.die()
    with pytest.raises(ClusterUnreachable, match=r"No cluster to grade: .*does not answer \(Connection refused\)"):
        collect(small.lab(tmp_path), _access(server, tmp_path))


def test_looking_again_keeps_what_checks_with_hold_need(server: FakeApiServer, tmp_path: Path) -> None:
    body = small.ONE_TASK + "    hold: 5s\n  - match: {apiVersion: v1, kind: Service, metadata: {name: web}}\n"
    lab, access = small.lab(tmp_path, body), _access(server, tmp_path)
    first = collect(lab, access)
    second = again(lab, access, first)
    assert [(one.kind, one.namespace) for one in second.earlier[0].lists] == [("Pod", "shop")]
    assert second.now.find(Want("v1", "Service", "shop")) is not None
    assert second.now.seconds >= second.earlier[0].seconds
    server.requests.clear()
    third = again(lab, access, second, only=frozenset({Want("v1", "Pod", "shop")}))
    assert len(third.earlier) == 2
    assert [p.partition("?")[0] for p in server.requests] == ["/api/v1/namespaces/shop/pods"]


def test_a_look_reaches_back_to_the_last_that_was_answered_in_it() -> None:
    """A probe may be answered long after the lists were: until then only the look before proves anything."""
    slow = Snapshot("", 0.5, (), {"do/0": Probed("", (), 5.5)})
    looks = [Snapshot("", 0.0, ()), slow, Snapshot("", 9.0, ())]
    assert collecting.within(looks, 8.0) == looks
    assert collecting.within([*looks, Snapshot("", 13.5, ())], 8.0) == [*looks[1:], Snapshot("", 13.5, ())]


def test_without_hold_no_look_is_kept(server: FakeApiServer, tmp_path: Path) -> None:
    lab, access = small.lab(tmp_path), _access(server, tmp_path)
    assert again(lab, access, collect(lab, access)).earlier == ()


def test_a_big_object_and_odd_names(server: FakeApiServer, tmp_path: Path) -> None:
    server.add("v1", "Pod", "web", "shop", metadata={"annotations": {"big": "x" * 1_000_000}})
    server.add("v1", "Pod", "0.a-b." + "c" * 240, "shop")
    lab = small.lab(tmp_path)
    seen = collect(lab, _access(server, tmp_path))
    assert evaluate(lab, seen).full_marks
    assert len(json.dumps(seen.now.objects("v1", "Pod", "shop")[0])) > 1_000_000
