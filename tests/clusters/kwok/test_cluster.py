"""What a KWOK cluster shows: storage, load, mistakes that only a kubelet or a registry would find."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import ClusterError
from clusters.kubectl import kubectl

if TYPE_CHECKING:
    from tests.conftest import RealCluster

pytestmark = pytest.mark.cluster


def get(cluster: RealCluster, *args: str) -> Any:
    return json.loads(kubectl(cluster.student, "get", *args, "-o", "json").stdout)


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `look` gives once it is true; the last answer is shown where it never is."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {seen!r}"
        time.sleep(0.2)
    return seen


def claim(name: str, *, storage: str = "1Gi", storage_class: str | None = None) -> str:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
    return json.dumps(body)


def pod(name: str, container: dict[str, Any], **spec: Any) -> str:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}
    return json.dumps(body)


def phase(cluster: RealCluster, namespace: str, name: str) -> str:
    return str(get(cluster, "pvc", name, "-n", namespace)["status"]["phase"])


def test_three_nodes_in_three_zones_with_one_fast_disk(cluster: RealCluster) -> None:
    nodes = [n for n in get(cluster, "nodes")["items"] if n["metadata"]["name"].startswith("node-")]
    labels = [n["metadata"]["labels"] for n in nodes]
    assert len({one["topology.kubernetes.io/zone"] for one in labels}) == 3
    assert sorted(one["disktype"] for one in labels) == ["hdd", "hdd", "ssd"]
    for node in nodes:
        assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][0].items()
        assert node["status"]["allocatable"]["cpu"] == "4"


def test_a_claim_without_a_class_is_provisioned_grows_and_takes_its_volume_along(
    cluster: RealCluster, namespace: str
) -> None:
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=claim("data"))
    eventually(lambda: phase(cluster, namespace, "data") == "Bound")
    bound = get(cluster, "pvc", "data", "-n", namespace)
    assert bound["spec"]["storageClassName"] == "standard"
    volume = bound["spec"]["volumeName"]
    assert get(cluster, "pv", volume)["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=claim("data", storage="2Gi"))
    eventually(lambda: get(cluster, "pvc", "data", "-n", namespace)["status"]["capacity"]["storage"] == "2Gi")
    assert get(cluster, "pv", volume)["spec"]["capacity"]["storage"] == "2Gi"
    kubectl(cluster.student, "delete", "pvc", "data", "-n", namespace)
    eventually(lambda: not get(cluster, "pv", volume, "--ignore-not-found") if _exists(cluster, volume) else True)


def _exists(cluster: RealCluster, volume: str) -> bool:
    return bool(kubectl(cluster.student, "get", "pv", volume, "--ignore-not-found", "-o", "name").stdout)


def test_a_class_that_retains_keeps_the_volume_and_one_that_waits_waits_for_a_pod(
    cluster: RealCluster, namespace: str
) -> None:
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": namespace},
        "provisioner": "volumes.seatrial.dev",
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    kubectl(cluster.student, "apply", "-f", "-", stdin=json.dumps(storage_class))
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=claim("late", storage_class=namespace))
    eventually(
        lambda: any(e["reason"] == "WaitForFirstConsumer" for e in get(cluster, "events", "-n", namespace)["items"])
    )
    assert phase(cluster, namespace, "late") == "Pending"
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "late"}}]
    user = pod("user", {"name": "c", "image": "busybox:1.36"}, volumes=volumes)
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=user)
    kubectl(cluster.student, "wait", "pod/user", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    volume = get(cluster, "pvc", "late", "-n", namespace)["spec"]["volumeName"]
    kubectl(cluster.student, "delete", "pod/user", "pvc/late", "-n", namespace)
    eventually(lambda: get(cluster, "pv", volume)["status"]["phase"] == "Released")
    kubectl(cluster.student, "delete", f"pv/{volume}", f"sc/{namespace}")


def test_a_claim_for_a_class_that_nobody_has_stays_pending(cluster: RealCluster, namespace: str) -> None:
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=claim("lost", storage_class="fast"))
    eventually(
        lambda: any(e["reason"] == "ProvisioningFailed" for e in get(cluster, "events", "-n", namespace)["items"])
    )
    assert phase(cluster, namespace, "lost") == "Pending"


@pytest.mark.parametrize("image", ["nginx:1.161", "nginx:missing", "ngnix:1.27", "does-not-exist", "ghcr.io/x/y:bad"])
def test_an_image_that_cannot_be_pulled_keeps_its_pod_pending(cluster: RealCluster, namespace: str, image: str) -> None:
    kubectl(cluster.student, "run", "web", f"--image={image}", "-n", namespace)

    def waiting() -> Any:
        statuses = get(cluster, "pod", "web", "-n", namespace)["status"].get("containerStatuses", [{}])
        return statuses[0].get("state", {}).get("waiting")

    assert eventually(waiting)["reason"] == "ImagePullBackOff"
    events = eventually(
        lambda: [e for e in get(cluster, "events", "-n", namespace)["items"] if e["reason"] == "Failed"]
    )
    assert events[0]["involvedObject"]["name"] == "web"
    kubectl(cluster.student, "set", "image", "pod/web", "web=nginx:1.27", "-n", namespace)
    kubectl(cluster.student, "wait", "pod/web", "-n", namespace, "--for=condition=Ready", "--timeout=60s")


@pytest.mark.parametrize(
    "image", ["nginx:1.27", "busybox:1.36.1", "localhost:5000/app:2", "registry.k8s.io/pause:3.10"]
)
def test_a_usual_image_runs(cluster: RealCluster, namespace: str, image: str) -> None:
    kubectl(cluster.student, "run", "web", f"--image={image}", "-n", namespace)
    kubectl(cluster.student, "wait", "pod/web", "-n", namespace, "--for=condition=Ready", "--timeout=60s")


def test_an_init_container_whose_image_is_missing_holds_its_pod(cluster: RealCluster, namespace: str) -> None:
    init = [{"name": "first", "image": "busybox:missing"}]
    body = pod("web", {"name": "web", "image": "nginx:1.27"}, initContainers=init)
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=body)

    def reasons() -> Any:
        status = get(cluster, "pod", "web", "-n", namespace)["status"]
        if "initContainerStatuses" not in status:
            return None
        both = [*status["initContainerStatuses"], *status["containerStatuses"]]
        return [s["state"]["waiting"]["reason"] for s in both]

    assert eventually(reasons) == ["ImagePullBackOff", "PodInitializing"]


def test_a_command_that_fails_crashes_its_pod_and_fails_its_job(cluster: RealCluster, namespace: str) -> None:
    broken = {"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", "echo no; exit 1"]}
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=pod("loop", broken))

    def state() -> Any:
        statuses = get(cluster, "pod", "loop", "-n", namespace)["status"].get("containerStatuses", [{}])
        return statuses[0].get("state", {}).get("waiting", {}).get("reason")

    assert eventually(state) == "CrashLoopBackOff"
    for name, command, condition in (("bad", "exit 3", "Failed"), ("good", "echo yes", "Complete")):
        container = {"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", command]}
        spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, "backoffLimit": 0}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
        kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=json.dumps(job))
        kubectl(
            cluster.student, "wait", f"job/{name}", "-n", namespace, f"--for=condition={condition}", "--timeout=60s"
        )


def test_an_autoscaler_follows_the_load_that_an_annotation_states(cluster: RealCluster, namespace: str) -> None:
    container = {"name": "web", "image": "nginx:1.27", "resources": {"requests": {"cpu": "100m"}}}
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"kwok.x-k8s.io/usage-cpu": "90m"}}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": {**template, "spec": {"containers": [container]}}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=json.dumps(deployment))
    kubectl(cluster.student, "autoscale", "deployment", "web", "--cpu=50%", "--min=1", "--max=4", "-n", namespace)
    eventually(lambda: get(cluster, "deployment", "web", "-n", namespace)["spec"]["replicas"] > 1, 120)
    assert "web-" in kubectl(cluster.student, "top", "pods", "-n", namespace).stdout


def test_network_policies_and_ingresses_are_accepted(cluster: RealCluster, namespace: str) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    kubectl(cluster.student, "apply", "-n", namespace, "-f", "-", stdin=json.dumps(policy))
    kubectl(cluster.student, "create", "ingress", "web", "--rule=shop.example/*=web:80", "-n", namespace)
    assert get(cluster, "ingress,networkpolicy", "-n", namespace)["items"]


def test_a_pod_without_a_kubelet_says_so_when_it_is_asked_for_logs(cluster: RealCluster, namespace: str) -> None:
    kubectl(cluster.student, "run", "web", "--image=nginx:1.27", "-n", namespace)
    kubectl(cluster.student, "wait", "pod/web", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    with pytest.raises(ClusterError):
        kubectl(cluster.student, "logs", "web", "-n", namespace)
