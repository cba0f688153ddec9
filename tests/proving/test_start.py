"""Starting labs in a real control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ClusterError, PermanentError
from clusters.kubectl import kubectl
from grader import labfile
from grader.labfile import LoadedLab
from grader.model import LabError
from proving import clearing
from proving.start import restart, start

pytestmark = pytest.mark.cluster


def objects(kubeconfig: Path, namespace: str, *names: str) -> list[dict[str, Any]]:
    args = ("--namespace", namespace, "get", *names, "--ignore-not-found", "--output=json")
    out = kubectl(kubeconfig, *args).stdout
    found = json.loads(out) if out.strip() else {"items": []}
    items: list[dict[str, Any]] = found.get("items", [found])
    return items


def record(admin: Path, lab: LoadedLab) -> dict[str, Any]:
    return objects(admin, "seatrial-system", f"configmap/lab-{lab.slug}")[0]


def test_a_started_lab_has_its_setup_its_record_and_the_students_namespace(
    cluster: Any, student: Path, lab: LoadedLab
) -> None:
    started = start(lab, cluster.admin, student, "student")
    assert started.fresh
    assert objects(student, lab.spec.namespace, "configmap/old-lamp")[0]["data"] == {"colour": "grey"}
    assert kubectl(student, "get", "configmap", "old-lamp", "--output=name").stdout.strip() == "configmap/old-lamp"
    data = record(cluster.admin, lab)["data"]
    assert (data["lab"], data["student"], data["namespace"]) == (lab.slug, "student", lab.spec.namespace)
    assert json.loads(data["params"]) == lab.params
    labels = objects(cluster.admin, "default", f"namespace/{lab.spec.namespace}")[0]["metadata"]["labels"]
    assert labels["seatrial.dev/lab"] == lab.slug


def test_a_second_start_leaves_the_students_work_and_the_record_alone(
    cluster: Any, student: Path, lab: LoadedLab
) -> None:
    start(lab, cluster.admin, student, "student")
    began = record(cluster.admin, lab)["metadata"]["resourceVersion"]
    kubectl(student, "delete", "configmap", "old-lamp")
    kubectl(student, "create", "configmap", "mine")
    assert not start(lab, cluster.admin, student, "student").fresh
    assert record(cluster.admin, lab)["metadata"]["resourceVersion"] == began
    assert objects(student, lab.spec.namespace, "configmap/old-lamp") == []
    assert objects(student, lab.spec.namespace, "configmap/mine")


@pytest.mark.parametrize("anew", ["reset", "restart"])
def test_beginning_anew_takes_the_students_work_away_and_writes_the_record_again(
    anew: str, cluster: Any, student: Path, lab: LoadedLab
) -> None:
    start(lab, cluster.admin, student, "student")
    before = record(cluster.admin, lab)["metadata"]["resourceVersion"]
    kubectl(student, "apply", "--filename", lab.folder / "solution" / "lamp.yaml")
    if anew == "reset":
        start(lab, cluster.admin, student, "student", reset=True)
    else:
        restart(lab, cluster.admin, student, "student")
    left = objects(student, lab.spec.namespace, "configmaps,deployments,replicasets,pods")
    assert {o["metadata"]["name"] for o in left} == {"kube-root-ca.crt", "old-lamp"}
    assert objects(student, lab.spec.namespace, "serviceaccount/default")
    after = record(cluster.admin, lab)["metadata"]["resourceVersion"]
    assert (after == before) == (
        anew == "restart"
    )  # A write that changes nothing keeps the version; the audit log has it.


def test_a_namespace_that_the_student_deleted_is_made_again(cluster: Any, student: Path, lab: LoadedLab) -> None:
    start(lab, cluster.admin, student, "student")
    kubectl(student, "delete", "namespace", lab.spec.namespace, "--wait=false")
    assert start(lab, cluster.admin, student, "student").fresh
    assert objects(student, lab.spec.namespace, "configmap/old-lamp")


def test_a_default_service_account_that_the_student_deleted_is_there_again(
    cluster: Any, student: Path, lab: LoadedLab
) -> None:
    start(lab, cluster.admin, student, "student")
    kubectl(student, "delete", "serviceaccount", "default")
    start(lab, cluster.admin, student, "student")
    kubectl(student, "wait", "--for=create", "serviceaccount/default", "--timeout=20s")


def test_a_namespace_that_sticks_is_told_with_the_finalizer_and_the_object(
    cluster: Any, student: Path, lab: LoadedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "PATIENCE", 8.0)
    start(lab, cluster.admin, student, "student")
    kubectl(student, "create", "configmap", "anchor")
    held, free = (json.dumps({"metadata": {"finalizers": f}}) for f in (["example.com/hold"], None))
    kubectl(student, "patch", "configmap", "anchor", "--type=merge", f"--patch={held}")
    try:
        with pytest.raises(PermanentError) as told:
            start(lab, cluster.admin, student, "student", reset=True)
        sentence = str(told.value)
        assert "ConfigMap anchor keeps the finalizer example.com/hold" in sentence
        assert lab.spec.namespace in sentence
    finally:
        kubectl(student, "patch", "configmap", "anchor", "--type=merge", f"--patch={free}")
    assert start(lab, cluster.admin, student, "student", reset=True).fresh


def test_reset_removes_the_labs_cluster_scoped_objects_and_no_others(
    cluster: Any, student: Path, lab: LoadedLab
) -> None:
    own, foreign = f"own-{lab.slug}", f"foreign-{lab.slug}"
    volume = (
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {}}}\nspec:\n  capacity: {{storage: 1Gi}}\n"
        "  accessModes: [ReadWriteOnce]\n  persistentVolumeReclaimPolicy: Retain\n  hostPath: {{path: /tmp/x}}\n"
    )
    kubectl(cluster.admin, "apply", "--filename=-", stdin=volume.format(foreign))
    try:
        text = "\n---\n".join(volume.format(name) for name in (own, foreign))
        (lab.folder / "solution" / "volume.yaml").write_text(text)
        start(lab, cluster.admin, student, "student")
        kubectl(student, "apply", "--filename=-", stdin=text)
        start(lab, cluster.admin, student, "student", reset=True)
        assert objects(cluster.admin, "default", f"persistentvolume/{own}") == []
        assert objects(cluster.admin, "default", f"persistentvolume/{foreign}")
    finally:
        kubectl(cluster.admin, "delete", "persistentvolume", own, foreign, "--ignore-not-found")


def test_other_parameters_begin_the_lab_anew(cluster: Any, student: Path, lab: LoadedLab) -> None:
    start(lab, cluster.admin, student, "student")
    other = labfile.read(lab.folder, params={"colour": {"red": "green", "green": "red"}[str(lab.params["colour"])]})
    assert start(other, cluster.admin, student, "student").fresh
    assert json.loads(record(cluster.admin, lab)["data"]["params"]) == other.params


def test_a_setup_that_the_api_server_refuses_is_the_labs_fault(cluster: Any, student: Path, lab: LoadedLab) -> None:
    (lab.folder / "setup" / "bad.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 700000}]}\n"
    )
    with pytest.raises(LabError, match="does not take the setup"):
        start(lab, cluster.admin, student, "student")


def test_a_custom_resource_beside_its_definition_is_waited_for(cluster: Any, student: Path, lab: LoadedLab) -> None:
    group = f"{lab.slug}.example.com"
    (lab.folder / "setup" / "crd.yaml").write_text(f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: buoys.{group}}}
spec:
  group: {group}
  names: {{plural: buoys, singular: buoy, kind: Buoy}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: {group}/v1
kind: Buoy
metadata: {{name: north}}
""")
    try:
        start(lab, cluster.admin, student, "student")
        assert objects(cluster.admin, lab.spec.namespace, f"buoys.{group}")
    finally:
        kubectl(cluster.admin, "delete", "customresourcedefinition", f"buoys.{group}", "--ignore-not-found")


def test_no_cluster_is_told_in_a_sentence(lab: LoadedLab, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.yaml"
    nowhere.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: t}}]\n"
    )
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1"):
        start(lab, nowhere, nowhere, "student")
