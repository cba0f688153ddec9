"""What a student may do, and what neither he nor a ServiceAccount that he made and bound may do."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from clusters.exec import CommandError
from clusters.kubectl import kubectl

if TYPE_CHECKING:
    from tests.conftest import RealCluster

pytestmark = pytest.mark.cluster

PROTECTED = ("seatrial-system", "kube-system", "kube-public", "kube-node-lease")


def manifest(kind: str, name: str, api_version: str = "v1", **rest: Any) -> str:
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest})


def config_map(name: str = "x") -> str:
    return manifest("ConfigMap", name, data={"a": "b"})


POD = manifest("Pod", "x", spec={"containers": [{"name": "c", "image": "nginx:1.27"}]})
TOKEN_SECRET = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
    }
)
CLUSTER_ADMIN = manifest(
    "ClusterRoleBinding",
    "mine",
    "rbac.authorization.k8s.io/v1",
    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    subjects=[{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "student"}],
)
EVERYTHING = manifest(
    "ClusterRole",
    "everything",
    "rbac.authorization.k8s.io/v1",
    rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
)
STAGE = manifest("Stage", "x", "kwok.x-k8s.io/v1alpha1", spec={"resourceRef": {"apiGroup": "v1", "kind": "Pod"}})
WEBHOOKS = manifest("MutatingWebhookConfiguration", "x", "admissionregistration.k8s.io/v1", webhooks=[])
POLICY = manifest("MutatingAdmissionPolicy", "x", "admissionregistration.k8s.io/v1", spec={})


def volume(path: str, policy: str) -> str:
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": policy,
        "hostPath": {"path": path},
    }
    return manifest("PersistentVolume", "hostile", spec=spec)


def crd(group: str, **spec: Any) -> str:
    body = {
        "group": group,
        "names": {"kind": "Boat", "plural": "boats"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
        **spec,
    }
    return manifest("CustomResourceDefinition", f"boats.{group}", "apiextensions.k8s.io/v1", spec=body)


WEBHOOK_CONVERSION = {
    "strategy": "Webhook",
    "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:2379/"}},
}
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "x"}]}


@pytest.fixture
def robot(cluster: RealCluster, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of a ServiceAccount that the student made and gave all that he has."""
    kubectl(cluster.student, "create", "serviceaccount", "robot", "-n", namespace)
    kubectl(
        cluster.student, "create", "clusterrolebinding", namespace,
        "--clusterrole=seatrial:student", f"--serviceaccount={namespace}:robot",
    )  # fmt: skip
    token = kubectl(cluster.student, "create", "token", "robot", "-n", namespace).stdout.strip()
    config = yaml.safe_load(cluster.student.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(config))
    yield path
    kubectl(cluster.student, "delete", "clusterrolebinding", namespace)


@pytest.fixture(params=["student", "robot"])
def actor(request: pytest.FixtureRequest, cluster: RealCluster, robot: Path) -> Path:
    return cluster.student if request.param == "student" else robot


def refused(kubeconfig: Path, *args: str, stdin: str | None = None) -> str:
    """What the API server says as it refuses. A request that fails otherwise is no proof."""
    with pytest.raises(CommandError) as caught:
        kubectl(kubeconfig, *args, stdin=stdin)
    assert "forbidden" in caught.value.output.lower(), caught.value.output
    return caught.value.output


def allowed(kubeconfig: Path, *args: str) -> bool:
    """Whether kubectl succeeds."""
    try:
        kubectl(kubeconfig, *args)
    except CommandError:
        return False
    return True


def create(kubeconfig: Path, body: str, *args: str) -> None:
    kubectl(kubeconfig, "create", "--validate=false", "-f", "-", *args, stdin=body)


def test_nothing_is_written_where_the_platform_lives(actor: Path) -> None:
    for place in PROTECTED:
        said = refused(actor, "create", "-n", place, "-f", "-", stdin=config_map())
        assert f"the namespace {place} belongs to the platform" in said
        refused(actor, "create", "-n", place, "-f", "-", stdin=POD)
        refused(actor, "create", "-n", place, "-f", "-", stdin=TOKEN_SECRET)
        refused(actor, "create", "token", "default", "-n", place)
        refused(actor, "label", "namespace", place, "x=y")
        refused(actor, "delete", "namespace", place)
        refused(actor, "delete", "configmap", "kube-root-ca.crt", "-n", place)
        refused(actor, "delete", "configmaps", "--all", "-n", place)
        refused(actor, "delete", "--raw", f"/api/v1/namespaces/{place}/configmaps")


def test_nobody_reaches_into_a_pod_of_the_platform(cluster: RealCluster, actor: Path, namespace: str) -> None:
    name = f"target-{namespace}"
    body = manifest("Pod", name, spec={"containers": [{"name": "c", "image": "nginx:1.27"}]})
    kubectl(cluster.admin, "create", "-n", "seatrial-system", "-f", "-", stdin=body)
    kubectl(cluster.admin, "wait", "-n", "seatrial-system", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    base = f"/api/v1/namespaces/seatrial-system/pods/{name}"
    refused(actor, "exec", "-n", "seatrial-system", name, "--", "true")
    refused(actor, "attach", "-n", "seatrial-system", name)
    refused(actor, "get", "--raw", f"{base}/portforward")
    refused(actor, "get", "--raw", f"{base}/proxy/")
    refused(actor, "create", "--raw", f"{base}/eviction", "-f", "-", stdin=manifest("Eviction", name, "policy/v1"))
    kubectl(cluster.admin, "delete", "-n", "seatrial-system", f"pod/{name}")


def test_nobody_forges_a_status(cluster: RealCluster, actor: Path, namespace: str) -> None:
    kubectl(cluster.student, "create", "deployment", "web", "--image=nginx:missing", "-n", namespace)
    kubectl(cluster.student, "run", "x", "--image=nginx:missing", "-n", namespace)
    kubectl(cluster.student, "create", "-n", namespace, "-f", "-", stdin=manifest("PersistentVolumeClaim", "d", spec={
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none",
    }))  # fmt: skip
    patch = "--type=merge", "-p", json.dumps({"status": {"phase": "Running", **READY}})
    for what in ("pod/x", "deployment/web", "pvc/d"):
        refused(actor, "patch", what, "-n", namespace, "--subresource=status", *patch)
    for what in ("node/node-1", f"namespace/{namespace}"):
        refused(actor, "patch", what, "--subresource=status", *patch)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "x"},
        "target": {"kind": "Node", "name": "a"},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/x/binding"
    refused(actor, "create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    endpoints = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]}
    slices = manifest("EndpointSlice", "x", "discovery.k8s.io/v1", **endpoints)
    refused(actor, "create", "-n", namespace, "-f", "-", stdin=slices)


def test_a_node_is_made_without_a_status_and_becomes_ready(cluster: RealCluster, actor: Path, namespace: str) -> None:
    said = refused(actor, "create", "-f", "-", stdin=manifest("Node", namespace, status=READY))
    assert "without a status" in said
    address = {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    refused(actor, "create", "-f", "-", stdin=manifest("Node", namespace, status=address))
    port = {"daemonEndpoints": {"kubeletEndpoint": {"Port": 22}}}
    refused(actor, "create", "-f", "-", stdin=manifest("Node", namespace, status=port))
    create(actor, manifest("Node", namespace))
    kubectl(cluster.student, "wait", f"node/{namespace}", "--for=condition=Ready", "--timeout=60s")
    kubectl(actor, "cordon", namespace)
    kubectl(actor, "taint", "node", namespace, "a=b:NoSchedule")
    kubectl(actor, "delete", "node", namespace)


def test_nobody_writes_what_the_platform_is_made_of(actor: Path) -> None:
    refused(actor, "create", "--validate=false", "-f", "-", stdin=WEBHOOKS)
    refused(actor, "create", "--validate=false", "-f", "-", stdin=POLICY)
    for policy in ("seatrial-platform-namespaces", "seatrial-hostpath-volumes"):
        refused(actor, "delete", "validatingadmissionpolicy", policy)
        refused(actor, "delete", "validatingadmissionpolicybinding", policy)
        refused(actor, "patch", "validatingadmissionpolicy", policy, "--type=merge", "-p", '{"spec":{}}')
    refused(actor, "delete", "mutatingadmissionpolicy", "seatrial-reclaim-policy")
    refused(actor, "delete", "apiservice", "v1beta1.metrics.k8s.io")
    refused(actor, "delete", "clusterrole", "seatrial:student")
    refused(actor, "label", "clusterrolebinding", "seatrial:students", "a=b")
    refused(actor, "delete", "clusterrole", "cluster-admin")
    refused(actor, "delete", "clusterrole", "system:node")
    refused(actor, "delete", "--raw", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    refused(actor, "delete", "priorityclass", "system-node-critical")
    refused(actor, "create", "--raw", "/apis/kwok.x-k8s.io/v1alpha1/stages", "-f", "-", stdin=STAGE)
    refused(actor, "create", "-f", "-", stdin=crd("kwok.x-k8s.io"))
    refused(actor, "create", "-f", "-", stdin=crd("example.com", conversion=WEBHOOK_CONVERSION))
    request = {"request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    signing = manifest("CertificateSigningRequest", "x", "certificates.k8s.io/v1", spec=request)
    refused(actor, "create", "-f", "-", stdin=signing)


def test_nobody_gives_himself_more(actor: Path, namespace: str) -> None:
    refused(actor, "create", "-f", "-", stdin=CLUSTER_ADMIN)
    refused(actor, "create", "-f", "-", stdin=EVERYTHING)
    refused(actor, "create", "rolebinding", "x", "--clusterrole=cluster-admin", "--user=student", "-n", namespace)
    forge = ["create", "role", "x", "--verb=update", "--resource=pods/status", "-n", namespace]
    refused(actor, *forge)
    refused(actor, "get", "pods", "--as=system:admin", "--as-group=system:masters")
    refused(actor, "get", "pods", "--as=system:serviceaccount:kube-system:default")
    for what in ("nodes/node-1/proxy/", "namespaces/default/services/https:kubernetes:443/proxy/"):
        refused(actor, "get", "--raw", f"/api/v1/{what}")


@pytest.mark.parametrize("policy", ["Delete", "Recycle"])
def test_a_hostpath_volume_that_would_delete_the_hosts_files_is_refused(actor: Path, policy: str) -> None:
    assert "Retain" in refused(actor, "create", "-f", "-", stdin=volume("/var/tmp/x", policy))


def test_a_retained_hostpath_volume_cannot_be_turned_into_one_that_deletes(
    cluster: RealCluster, actor: Path, namespace: str, tmp_path: Path
) -> None:
    keep = tmp_path / "tmp" / "keep"
    keep.mkdir(parents=True)
    body = json.loads(volume(str(keep), "Retain"))
    body["metadata"]["name"] = namespace
    create(actor, json.dumps(body))
    patch = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
    refused(actor, "patch", "pv", namespace, "-p", patch)
    kubectl(actor, "label", "pv", namespace, "a=b")
    kubectl(actor, "delete", "pv", namespace)
    assert keep.is_dir()


def test_a_claim_cannot_pretend_that_the_control_plane_asked_for_its_volume(actor: Path, namespace: str) -> None:
    claim = json.loads(manifest("PersistentVolumeClaim", "forged", spec={
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none",
    }))  # fmt: skip
    claim["metadata"]["annotations"] = {"volume.kubernetes.io/storage-provisioner": "volumes.seatrial.dev"}
    refused(actor, "create", "-n", namespace, "-f", "-", stdin=json.dumps(claim))


def test_anonymous_is_told_the_version_and_nothing_else(cluster: RealCluster) -> None:
    entry = yaml.safe_load(cluster.student.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(entry["certificate-authority-data"]).decode()
    server = urlsplit(entry["server"])

    def status(path: str) -> int:
        context = ssl.create_default_context(cadata=authority)
        connection = http.client.HTTPSConnection(str(server.hostname), server.port, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    assert status("/version") == 200
    for path in ("/api", "/apis", "/openapi/v2", "/api/v1/pods", "/api/v1/namespaces", "/metrics", "/logs"):
        assert status(path) == 403, path


ALLOWED = [
    ["get", "pods", "-A"],
    ["get", "secrets", "-n", "NS"],
    ["get", "nodes,pv,sc,crd,clusterroles,validatingadmissionpolicies"],
    ["get", "leases", "-n", "kube-node-lease"],
    ["create", "configmap", "c", "--from-literal=a=b", "-n", "NS"],
    ["create", "secret", "generic", "s", "--from-literal=a=b", "-n", "NS"],
    ["create", "serviceaccount", "sa", "-n", "NS"],
    ["create", "token", "default", "-n", "NS"],
    ["create", "role", "r", "--verb=get,list", "--resource=pods", "-n", "NS"],
    ["create", "rolebinding", "rb", "--role=r", "--serviceaccount=NS:sa", "-n", "NS"],
    ["create", "deployment", "d", "--image=nginx:1.27", "-n", "NS"],
    ["scale", "deployment/d", "--replicas=2", "-n", "NS"],
    ["rollout", "restart", "deployment/d", "-n", "NS"],
    ["rollout", "history", "deployment/d", "-n", "NS"],
    ["rollout", "undo", "deployment/d", "-n", "NS"],
    ["expose", "deployment/d", "--port=80", "-n", "NS"],
    ["autoscale", "deployment/d", "--cpu=50%", "--max=3", "-n", "NS"],
    ["create", "poddisruptionbudget", "p", "--selector=app=d", "--min-available=1", "-n", "NS"],
    ["create", "quota", "q", "--hard=pods=50", "-n", "NS"],
    ["create", "job", "j", "--image=busybox:1.36", "-n", "NS"],
    ["create", "cronjob", "cj", "--image=busybox:1.36", "--schedule=* * * * *", "-n", "NS"],
    ["create", "ingress", "i", "--rule=a.example/=d:80", "-n", "NS"],
    ["create", "priorityclass", "NS", "--value=10"],
    ["delete", "priorityclass", "NS"],
    ["create", "namespace", "NS-b"],
    ["delete", "namespace", "NS-b", "--wait=false"],
    ["label", "node", "node-1", "NS=yes"],
    ["label", "node", "node-1", "NS-"],
    ["cordon", "node-3"],
    ["uncordon", "node-3"],
    ["taint", "node", "node-3", "NS=1:PreferNoSchedule"],
    ["taint", "node", "node-3", "NS-"],
    ["auth", "can-i", "create", "pods", "--subresource=exec", "-n", "NS"],
    ["auth", "can-i", "create", "pods", "--subresource=portforward", "-n", "NS"],
    ["auth", "can-i", "create", "pods", "--subresource=eviction", "-n", "NS"],
    ["auth", "can-i", "get", "pods", "--subresource=log", "-n", "NS"],
    ["auth", "whoami"],
    ["explain", "deployment.spec"],
    ["delete", "deployment,service,hpa", "--all", "-n", "NS"],
]


def test_a_student_does_what_the_labs_ask(cluster: RealCluster, namespace: str) -> None:
    for line in ALLOWED:
        kubectl(cluster.student, *(word.replace("NS", namespace) for word in line))


def test_a_student_extends_the_api_within_what_a_lab_allows(cluster: RealCluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    kubectl(cluster.student, "create", "-f", "-", stdin=crd(group))
    kubectl(cluster.student, "wait", f"crd/boats.{group}", "--for=condition=Established", "--timeout=60s")
    boat = manifest("Boat", "x", f"{group}/v1")
    refused(cluster.student, "create", "-n", namespace, "-f", "-", stdin=boat)
    role = json.loads(
        manifest(
            "ClusterRole", f"lab-{namespace}", "rbac.authorization.k8s.io/v1",
            rules=[{"apiGroups": [group], "resources": ["boats"], "verbs": ["get", "list", "create", "delete"]}],
        )
    )  # fmt: skip
    role["metadata"]["labels"] = {"seatrial.dev/aggregate-to-student": "true"}
    kubectl(cluster.admin, "create", "-f", "-", stdin=json.dumps(role))
    can = ["auth", "can-i", "create", f"boats.{group}", "-n", namespace]
    end = time.monotonic() + 30
    while not allowed(cluster.student, *can):
        assert time.monotonic() < end, "the role was not aggregated"
    create(cluster.student, boat, "-n", namespace)
    kubectl(cluster.admin, "delete", f"clusterrole/lab-{namespace}", f"crd/boats.{group}")
