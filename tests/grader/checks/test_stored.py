"""Partial objects against what a real API server makes of them: rewritten, defaulted, emptied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from clusters.kubectl import kubectl
from grader import checks
from tests.conftest import RealCluster

pytestmark = pytest.mark.cluster
SOURCE = (Path(__file__).parent / "stored.yaml").read_text("utf-8")

# What the API server fills in, written out: (kind, name, partial).
CONTAINER = {
    "name": "web",
    "terminationMessagePath": "/dev/termination-log",
    "stdin": False,
    "tty": False,
    "command": [],
}
DEFAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("Deployment", "web", {"spec": {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "paused": False}}),
    ("Deployment", "web", {"spec": {"strategy": {"type": "RollingUpdate"}, "minReadySeconds": 0}}),
    ("Deployment", "web", {"spec": {"template": {"spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}}}}),
    (
        "Deployment",
        "web",
        {"spec": {"template": {"spec": {"containers": [{**CONTAINER, "imagePullPolicy": "IfNotPresent"}]}}}},
    ),
    (
        "Deployment",
        "web",
        {
            "spec": {
                "template": {"spec": {"containers": [{"readinessProbe": {"periodSeconds": 10, "successThreshold": 1}}]}}
            }
        },
    ),
    (
        "Deployment",
        "web",
        {"spec": {"template": {"spec": {"hostNetwork": False, "hostPID": False, "tolerations": []}}}},
    ),
    ("Deployment", "web", {"spec": {"template": {"spec": {"securityContext": {"runAsNonRoot": False}}}}}),
    ("Service", "web", {"spec": {"type": "ClusterIP", "sessionAffinity": "None", "externalIPs": []}}),
    ("Service", "web", {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 0}]}}),
    ("Service", "headless", {"spec": {"ports": [{"port": 80, "targetPort": "80"}], "publishNotReadyAddresses": False}}),
    ("PersistentVolumeClaim", "data", {"spec": {"volumeMode": "Filesystem", "volumeName": ""}}),
    (
        "HorizontalPodAutoscaler",
        "web",
        {"spec": {"minReplicas": 1, "behavior": {"scaleDown": {"selectPolicy": "Max"}}}},
    ),
    ("StatefulSet", "db", {"spec": {"replicas": 1, "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10}}),
    ("DaemonSet", "agent", {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}}}),
    ("Job", "once", {"spec": {"completions": 1, "parallelism": 1, "completionMode": "NonIndexed"}}),
    ("CronJob", "nightly", {"spec": {"concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": 3}}),
    ("NetworkPolicy", "deny", {"spec": {"egress": [], "ingress": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}}),
    ("Secret", "secret", {"type": "Opaque", "immutable": False, "stringData": {}}),
    ("LimitRange", "limits", {"spec": {"limits": [{"type": "Container", "default": {"memory": "4Gi"}, "min": {}}]}}),
    ("Pod", "plain", {"spec": {"enableServiceLinks": True, "terminationGracePeriodSeconds": 30, "priority": 0}}),
    (
        "Pod",
        "plain",
        {"spec": {"containers": [{"imagePullPolicy": "Always", "env": [], "securityContext": {"privileged": False}}]}},
    ),
    ("StorageClass", "stored-NAMESPACE", {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    ("StorageClass", "stored-NAMESPACE", {"allowVolumeExpansion": False, "mountOptions": []}),
    ("PersistentVolume", "stored-NAMESPACE", {"spec": {"persistentVolumeReclaimPolicy": "Retain", "mountOptions": []}}),
]
# What was not asked for, and must not seem to be there.
OTHERWISE: list[tuple[str, str, dict[str, Any]]] = [
    ("Pod", "plain", {"spec": {"automountServiceAccountToken": False}}),
    ("Pod", "plain", {"spec": {"containers": [{"securityContext": {"allowPrivilegeEscalation": False}}]}}),
    ("Pod", "plain", {"spec": {"volumes": [{"emptyDir": {}}]}}),
    ("Pod", "plain", {"spec": {"containers": [{"livenessProbe": {"initialDelaySeconds": 0}}]}}),
    ("Deployment", "web", {"spec": {"template": {"metadata": {"labels": {"size": "1024Mi"}}}}}),
    (
        "Deployment",
        "web",
        {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "SIZE", "value": "1Gi"}]}]}}}},
    ),
    ("Deployment", "web", {"spec": {"template": {"spec": {"volumes": [{"name": "config", "emptyDir": {}}]}}}}),
    ("ConfigMap", "config", {"data": {"size": "1Gi"}}),
    ("ConfigMap", "config", {"data": {"number": 1}}),
    ("CronJob", "nightly", {"spec": {"jobTemplate": {"spec": {"ttlSecondsAfterFinished": 0}}}}),
    ("StatefulSet", "db", {"spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": ""}}]}}),
    ("Job", "once", {"spec": {"template": {"spec": {"containers": [{"args": ["sleep", "1000"]}]}}}}),
]


class Stored:
    """What was written, and what the API server has of it."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.namespace = namespace
        self.written = list(yaml.safe_load_all(SOURCE.replace("NAMESPACE", namespace)))
        answer = kubectl(
            cluster.admin,
            "apply",
            "-n",
            namespace,
            "-f",
            "-",
            "-o",
            "json",
            stdin=SOURCE.replace("NAMESPACE", namespace),
        )
        self.items = {(o["kind"], o["metadata"]["name"]): o for o in orjson.loads(answer.stdout)["items"]}

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.items[kind, name.replace("NAMESPACE", self.namespace)]
        return found

    def partial(self, kind: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        found = self.get(kind, name)
        return {"apiVersion": found["apiVersion"], "kind": kind, **asked}


@pytest.fixture
def stored(cluster: RealCluster, namespace: str) -> Iterator[Stored]:
    yield Stored(cluster, namespace)
    names = [f"{kind}/stored-{namespace}" for kind in ("pv", "priorityclass", "storageclass")]
    kubectl(cluster.admin, "delete", "--wait=false", "--ignore-not-found", *names)


def test_what_is_stored(stored: Stored) -> None:
    """One test, since making the objects is what takes time; every failure is told, not only the first."""
    written = [(o["kind"], o["metadata"]["name"], o) for o in stored.written]
    assert len(stored.items) == len(written)
    wrong = [
        f"{kind} {name}: {found}"
        for kind, name, partial in [*written, *((k, n, stored.partial(k, n, p)) for k, n, p in DEFAULTS)]
        if (found := checks.mismatches(partial, stored.get(kind, name)))
    ]
    wrong += [
        f"{kind} {name}: seems to have {asked}"
        for kind, name, asked in OTHERWISE
        if not checks.mismatches(stored.partial(kind, name, asked), stored.get(kind, name))
    ]
    assert not wrong, "\n".join(wrong)
