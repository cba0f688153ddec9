"""What the API server refuses in an object beyond its shape, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from grader.lint import names
from grader.lint.fields import items, mapping
from grader.lint.network import ingress, service
from grader.lint.storage import claim, volume
from grader.lint.structure import Problem
from grader.lint.workloads import (
    autoscaler,
    bare_pod,
    budget,
    cron_job,
    deployment,
    job,
    replication_controller,
    stateful_set,
    workload,
)

Rule = Callable[[dict[str, Any]], Iterator[Problem]]


def check(value: dict[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with an object whose shape is right, or nearly so."""
    kind = str(value.get("kind"))
    yield from names.metadata(kind, value.get("metadata"))
    if kind in _RULES:
        yield from _RULES[kind](value)


def _data(value: dict[str, Any]) -> Iterator[Problem]:
    for field in ("data", "stringData", "binaryData"):
        for key in mapping(value, field):
            if fault := names.data_key_fault(key):
                yield Problem((field, key), f"key {fault}")
    for key in mapping(value, "data").keys() & mapping(value, "binaryData").keys():
        yield Problem(("binaryData", key), f'key "{key}" stands in data as well')


def _binding(value: dict[str, Any]) -> Iterator[Problem]:
    for i, subject in enumerate(items(value, "subjects")):
        if subject.get("kind") == "ServiceAccount" and value.get("kind") == "ClusterRoleBinding":
            if not subject.get("namespace"):
                yield Problem(("subjects", i), "a ServiceAccount needs its namespace here")
        elif subject.get("kind") not in ("User", "Group", "ServiceAccount"):
            yield Problem(("subjects", i), f"kind is {subject.get('kind')}, must be User, Group or ServiceAccount")


_RULES: dict[str, Rule] = {
    "ClusterRoleBinding": _binding,
    "ConfigMap": _data,
    "CronJob": cron_job,
    "DaemonSet": workload,
    "Deployment": deployment,
    "HorizontalPodAutoscaler": autoscaler,
    "Ingress": ingress,
    "Job": job,
    "PersistentVolume": volume,
    "PersistentVolumeClaim": claim,
    "Pod": bare_pod,
    "PodDisruptionBudget": budget,
    "ReplicaSet": workload,
    "ReplicationController": replication_controller,
    "RoleBinding": _binding,
    "Secret": _data,
    "Service": service,
    "StatefulSet": stateful_set,
}
