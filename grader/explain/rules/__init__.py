"""The rules, a module for each part of Kubernetes. Importing this package registers them all."""

from grader.explain.rules import (
    autoscaling,
    calls,
    containers,
    controllers,
    metadata,
    missing,
    networking,
    probes,
    rbac,
    scheduling,
    staying,
    storage,
    workloads,
)

__all__ = [
    "autoscaling",
    "calls",
    "containers",
    "controllers",
    "metadata",
    "missing",
    "networking",
    "probes",
    "rbac",
    "scheduling",
    "staying",
    "storage",
    "workloads",
]
