"""Grading a real control plane."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from clusters.kubectl import kubectl
from clusters.kwok.layout import Layout
from clusters.tools import program
from grader.cli import grade, regrade
from grader.collect import Access, collect, script
from grader.collect import lists as lists_module
from grader.collect.lists import lists
from grader.model import Outcome, Want
from tests.conftest import RealCluster, demand_programs, real_cluster
from tests.grader import small
from tests.grader.collect.certificates import DAY, NOW, expired_copy
from tests.grader.collect.test_script import needs_bubblewrap

pytestmark = pytest.mark.cluster

LAB = """\
tasks:
- id: web
  title: A Pod named web that stays
  points: 2
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: web}, status: {phase: Running}}
    within: 60s
    hold: 1s
- id: gone
  title: Delete the Pod old
  points: 1
  checks:
  - audit: {verb: delete, resource: pods, name: old}
    within: 20s
"""
POD = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}


def _lab(tmp_path: Path, namespace: str, body: str = LAB) -> Path:
    made = small.folder(tmp_path, body)
    text = (made / "lab.yaml").read_text()
    (made / "lab.yaml").write_text(text.replace("namespace: shop", f"namespace: {namespace}"))
    return made


def _pod(name: str) -> str:
    return json.dumps({**POD, "metadata": {"name": name}})


def _grade(folder: Path, kubeconfig: Path, *words: str) -> Result:
    return CliRunner().invoke(grade, [str(folder), "--kubeconfig", str(kubeconfig), "-o", "json", *words])


def _start(cluster: RealCluster, namespace: str) -> None:
    """Write the record, as starting the lab does."""
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "lab-small", "namespace": "seatrial-system"},
        "data": {"student": "student", "params": "{}", "namespace": namespace},
    }
    kubectl(cluster.admin, "apply", "--server-side", "--force-conflicts", "-f=-", stdin=json.dumps(record))


def test_a_lab_from_nothing_to_full_marks(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    """Waited for, held, audited, written down, and graded again without the cluster."""
    lab, file = _lab(tmp_path, namespace), tmp_path / "evidence.json"
    kubectl(cluster.student, "create", "-n", namespace, "-f=-", stdin=_pod("old"))
    kubectl(cluster.student, "delete", "pod", "old", "-n", namespace, "--now")
    _start(cluster, namespace)  # the lab begins now: what was deleted before does not count
    untouched = _grade(lab, cluster.admin)
    assert (untouched.exit_code, json.loads(untouched.stdout)["score"]) == (1, 0.0)

    kubectl(cluster.student, "create", "-n", namespace, "-f=-", stdin=_pod("web"))
    kubectl(cluster.admin, "create", "-n", namespace, "-f=-", stdin=_pod("old"))
    kubectl(cluster.student, "delete", "pod", "old", "-n", namespace, "--now")
    done = _grade(lab, cluster.admin, "--wait", "--evidence", str(file))
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(regrade, [str(file), "--lab", str(lab), "-o", "json"])
    assert again.stdout_bytes == done.stdout_bytes

    student = json.loads(_grade(lab, cluster.student, "--wait").stdout)  # who cannot read the audit log
    assert [t["outcome"] for t in student["tasks"]] == ["passed", "skipped"]
    assert student["skipped_points"] == 1.0


def test_what_the_platform_deletes_is_not_the_student_s_doing(
    cluster: RealCluster, namespace: str, tmp_path: Path
) -> None:
    lab = _lab(tmp_path, namespace)
    _start(cluster, namespace)
    kubectl(cluster.admin, "create", "-n", namespace, "-f=-", stdin=_pod("old"))
    kubectl(cluster.admin, "delete", "pod", "old", "-n", namespace, "--now")
    assert [t["outcome"] for t in json.loads(_grade(lab, cluster.admin).stdout)["tasks"]] == ["failed", "failed"]


def test_pages_of_a_real_server(cluster: RealCluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{i:03}", "namespace": namespace}}
        for i in range(60)
    ]
    kubectl(cluster.admin, "create", "-f=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    access = Access.from_kubeconfig(cluster.admin)
    (whole,) = lists(access, [Want("v1", "ConfigMap", namespace)])
    monkeypatch.setattr(lists_module, "PAGE", 7)
    (paged,) = lists(access, [Want("v1", "ConfigMap", namespace)])
    assert [c["metadata"]["name"] for c in paged.items] == [c["metadata"]["name"] for c in whole.items]
    assert len(paged.items) >= 60
    assert all("managedFields" not in c["metadata"] for c in paged.items)
    assert paged.resource_version.isdigit()


def test_cluster_scoped_kinds_and_kinds_that_are_not_served(cluster: RealCluster) -> None:
    access = Access.from_kubeconfig(cluster.admin)
    wants = [Want("v1", "Node", "x"), Want("storage.k8s.io/v1", "StorageClass", "*"), Want("example.com/v1", "A", "x")]
    found = {one.kind: one for one in lists(access, wants)}
    assert len(found["Node"].items) == 3
    assert (found["Node"].namespace, found["A"].served) == ("", False)
    assert found["StorageClass"].items


def test_what_a_student_does_to_the_namespace(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    """Lost points, an explanation, and no error: it is the student's work that is missing."""
    lab = _lab(tmp_path, namespace)
    kubectl(cluster.admin, "delete", "serviceaccount", "default", "-n", namespace)
    assert _grade(lab, cluster.admin).exit_code == 1
    stuck = {
        "metadata": {"name": "stuck", "finalizers": ["example.com/never"]},
        "apiVersion": "v1",
        "kind": "ConfigMap",
    }
    kubectl(cluster.admin, "create", "-n", namespace, "-f=-", stdin=json.dumps(stuck))
    try:
        kubectl(cluster.admin, "delete", "namespace", namespace, "--wait=false")
        terminating = _grade(lab, cluster.admin)
        assert (terminating.exit_code, json.loads(terminating.stdout)["score"]) == (1, 0.0)
    finally:
        kubectl(cluster.admin, "patch", "configmap", "stuck", "-n", namespace, "--type=json",
                '--patch=[{"op": "remove", "path": "/metadata/finalizers"}]')  # fmt: skip
    gone = _grade(_lab(tmp_path, "never-there"), cluster.admin)
    assert (gone.exit_code, json.loads(gone.stdout)["score"]) == (1, 0.0)


def test_big_and_odd_objects(cluster: RealCluster, namespace: str) -> None:
    names = ["a" * 253, "0", "1.2-3.x", "a" * 63 + "." + "b" * 63]
    made = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": n, "namespace": namespace},
            "data": {"k": "é\u2028"},
        }
        for n in names
    ]
    made.append({**made[0], "metadata": {"name": "big", "namespace": namespace}, "data": {"k": "x" * 1_000_000}})
    kubectl(cluster.admin, "create", "-f=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    access = Access.from_kubeconfig(cluster.admin)
    found = {c["metadata"]["name"]: c for c in lists(access, [Want("v1", "ConfigMap", namespace)])[0].items}
    assert set(names) < set(found)
    assert len(found["big"]["data"]["k"]) == 1_000_000
    assert found["0"]["data"]["k"] == "é\u2028"


def test_an_expired_certificate(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    pki = cluster.admin.resolve().parent
    authority = next(iter(sorted(pki.rglob("ca.key"))))
    document = yaml.safe_load(cluster.admin.read_text())
    document["users"][0]["user"] = expired_copy(authority.with_suffix(".crt"), authority, until=NOW - DAY)
    path = tmp_path / "expired.yaml"
    path.write_text(yaml.safe_dump(document))
    result = _grade(_lab(tmp_path, namespace), path)
    assert result.exit_code == 3
    assert f"expired on {(NOW - DAY).date().isoformat()}" in result.stderr
    assert result.stderr.count("\n") == 1


@needs_bubblewrap
def test_a_script_reads_with_kubectl_and_writes_nothing(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    folder = _lab(tmp_path, namespace, "tasks: [{id: s, title: S, checks: [{script: check.sh}]}]\n")
    (folder / "check.sh").write_text(
        "#!/bin/sh\nset -e\nkubectl get configmaps -o name\n"
        "if kubectl create configmap forged; then exit 1; fi\n"
        "kubectl auth whoami 2>/dev/null && exit 1\n"
        'echo "I see $(kubectl get pods -o name)"\n'
    )
    (folder / "check.sh").chmod(0o755)
    kubectl(cluster.student, "create", "-n", namespace, "-f=-", stdin=_pod("web"))
    access = Access.from_kubeconfig(cluster.admin, kubectl=program("kubectl"))
    seen = script.run(script.Script(folder, "check.sh", namespace, "student", {}), access)
    assert (seen.outcome, seen.message) == (Outcome.PASSED, "I see pod/web")
    assert "forged" not in kubectl(cluster.admin, "get", "configmaps", "-n", namespace, "-o=name").stdout


@pytest.fixture
def mortal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealCluster]:
    """A cluster whose API server may be killed."""
    demand_programs()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with real_cluster("kwok", tmp_path / "data") as real:
        yield real


def test_an_api_server_that_is_killed_half_way(mortal: RealCluster, tmp_path: Path) -> None:
    kubectl(mortal.admin, "create", "namespace", "shop")
    kubectl(mortal.student, "create", "-n", "shop", "-f=-", stdin=_pod("other"))
    file = tmp_path / "evidence.json"
    lab = _lab(tmp_path, "shop", LAB.replace("within: 60s", "within: 15s").replace("within: 20s", "within: 15s"))
    words = [str(lab), "--kubeconfig", str(mortal.admin), "-o", "json", "--wait", "--evidence", str(file)]
    # A grade that waits for a Pod that never comes, and in the middle of it the server is killed.
    waiting = subprocess.Popen(
        [sys.executable, "-c", "from grader.cli import grade; grade()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert waiting.stderr is not None
    assert any("0 of 2 tasks pass" in line for line in iter(waiting.stderr.readline, ""))
    os.kill(_pid(mortal.name), signal.SIGKILL)
    out, err = waiting.communicate(timeout=300)
    assert waiting.returncode == 3, err
    report = json.loads(out)
    assert report["score"] is None
    assert {c["outcome"] for t in report["tasks"] for c in t["checks"]} >= {"error"}
    assert "Traceback" not in err
    assert file.is_file()
    # And from then on there is no cluster at all.
    after = _grade(lab, mortal.admin)
    assert after.exit_code == 3
    assert "does not answer" in after.stderr


def _pid(name: str) -> int:
    return int((Layout.of(name).pids / "kube-apiserver.pid").read_text())


def test_what_a_whole_evidence_says_of_the_cluster(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    from grader.labfile import read

    lab = read(_lab(tmp_path, namespace))
    seen = collect(lab, Access.from_kubeconfig(cluster.admin))
    assert seen.kubernetes.startswith("v1.")
    assert {"metrics", "audit"} <= seen.capabilities
    assert "pods" not in seen.capabilities
    assert all(one.error is None for one in seen.now.lists)
