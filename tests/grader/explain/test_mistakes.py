"""Each mistake, made on a real control plane, gives the sentence that the documentation promises."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.exec import CommandError
from clusters.kubectl import kubectl
from grader.checks import judge, wants
from grader.checks.looking import asked_about
from grader.checks.probing import question
from grader.collect.access import Access
from grader.collect.audit import calls
from grader.collect.lists import lists
from grader.explain import related, why
from grader.labfile import LoadedLab
from grader.labfile.schema import Audit, CallPattern, Check, Probe
from grader.model import Evidence, Outcome, Probed, Reply, Snapshot, Want
from tests.conftest import RealCluster
from tests.grader.explain.evidences import lab as lab_of
from tests.grader.explain.scenarios import Scenario, placed, scenarios

_CLUSTER_SCOPED = ("PersistentVolume", "Node", "StorageClass", "IngressClass", "ClusterRole", "PriorityClass")
ALL = scenarios()


class Stage:
    """A namespace of a real cluster, and the way to look at it."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.access = Access.from_kubeconfig(cluster.student)
        self.audit_log = Path(Access.from_kubeconfig(cluster.admin).kubeconfig.extension["auditLog"])

    def run(self, who: str, *args: str, fails: bool = False, stdin: str | None = None) -> None:
        identity = self.cluster.admin if who == "admin" else self.cluster.student
        # "--namespace" among the arguments comes last and so wins.
        argv = ["--namespace", self.namespace, *args]
        if not fails:
            kubectl(identity, *argv, stdin=stdin)
            return
        with pytest.raises(CommandError):
            kubectl(identity, *argv, stdin=stdin)

    def step(self, step: dict[str, Any]) -> None:
        """One kubectl command; with `each`, one for each object of a kind in the namespace, whose name is ${each}."""
        if "each" not in step:
            self.run(step["as"], *step["run"], fails=step.get("fails", False))
            return
        for each in kubectl(self.cluster.admin, "-n", self.namespace, "get", step["each"], "-o", "name").stdout.split():
            self.run(step["as"], *(each if word == "${each}" else word for word in step["run"]))

    def begin(self) -> None:
        """The platform's record of a lab's start, from which the student's calls count."""
        self.run("admin", "create", "configmap", f"lab-{self.namespace}", "--namespace=seatrial-system")

    def end(self) -> None:
        """Take the record away."""
        self.run("admin", "delete", "configmap", f"lab-{self.namespace}", "--namespace=seatrial-system")

    def apply(self, who: str, manifests: list[dict[str, Any]]) -> None:
        if manifests:
            items = [m if m["kind"] in _CLUSTER_SCOPED else self._here(m) for m in manifests]
            self.run(who, "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def _here(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return {**manifest, "metadata": {"namespace": self.namespace, **manifest["metadata"]}}

    def evidence(self, scenario: Scenario, lab: LoadedLab) -> Evidence:
        check = lab.spec.tasks[0].checks[0]
        probes = None
        if isinstance(check, Probe):  # no kubelet runs here, so nobody could be asked
            replies = [Reply(**reply) for reply in placed(scenario.replies, self.namespace)]
            probes = {"task/0": Probed(question(check.probe), replies)}
        wanted = (
            wants(lab) | asked_about(lab) | {Want(o["apiVersion"], o["kind"], self.namespace) for o in scenario.also}
        )
        patterns = [CallPattern.model_validate(c) for c in scenario.calls]
        patterns += [c.audit for c in lab.spec.tasks[0].checks if isinstance(c, Audit)]
        made = calls(self.audit_log, student="student", slug=self.namespace, patterns=patterns)
        taken = lists(self.access, wanted | related(wanted))
        assert [one for one in taken if one.error] == []
        return Evidence(
            lab=lab.slug,
            namespace=self.namespace,
            student="student",
            params={},
            kubernetes="v1.36.3",
            capabilities=frozenset({"metrics", "audit", *(["pods"] if probes else [])}),
            now=Snapshot("2026-01-01T00:00:00Z", 0.0, taken, probes),
            calls=made,
        )

    def event(self, about: str, **fields: str) -> None:
        kind, _, name = about.partition("/")
        read = kubectl(self.cluster.admin, "-n", self.namespace, "get", kind, name, "-o", "json").stdout
        obj = json.loads(read)
        involved = {"kind": obj["kind"], "name": name, "namespace": self.namespace, "uid": obj["metadata"]["uid"]}
        self.apply("admin", [{
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{name}.1"}, "involvedObject": involved,
            "lastTimestamp": "2026-01-01T00:00:00Z", "source": {"component": "kubelet"}, **fields,
        }])  # fmt: skip


@pytest.fixture
def stage(cluster: RealCluster, namespace: str) -> Iterator[Stage]:
    made = Stage(cluster, namespace)
    yield made
    made.access.close()


@pytest.mark.cluster
@pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.mistake)
def test_the_mistake_is_explained(scenario: Scenario, stage: Stage) -> None:
    here = placed(scenario.__dict__, stage.namespace)
    lab = lab_of(placed(scenario.check, stage.namespace), namespace=stage.namespace)
    check: Check = lab.spec.tasks[0].checks[0]
    expected = scenario.expected(stage.namespace)
    stage.begin()
    try:
        for step in here["first"]:
            stage.step(step)
        stage.apply("admin", here["admin"])
        stage.apply("student", here["student"])
        for step in here["then"]:
            stage.step(step)
        for event in here["events"]:
            stage.event(event.pop("about"), **event)
        said = _wait_for(expected, scenario, stage, lab, check)
        assert expected.fullmatch(said), f"{scenario.mistake}: {said}"
    finally:
        stage.end()
        for step in here["afterwards"]:
            stage.step(step)
        for made in here["admin"]:
            if made["kind"] in _CLUSTER_SCOPED:
                stage.run(
                    "admin", "delete", made["kind"], made["metadata"]["name"], "--wait=false", "--ignore-not-found"
                )


def _wait_for(expected: re.Pattern[str], scenario: Scenario, stage: Stage, lab: LoadedLab, check: Check) -> str:
    """What is said once the cluster has come to rest: the expected sentence, or the last one before time is up."""
    end = time.monotonic() + scenario.seconds
    said = ""
    while time.monotonic() < end:
        evidence = stage.evidence(scenario, lab)
        judged = judge(check, "task/0", lab, evidence)
        said = (why(check, lab, evidence) or "") if judged.outcome is Outcome.FAILED else f"({judged.outcome})"
        if expected.fullmatch(said):
            return said
        time.sleep(0.1)
    return said
