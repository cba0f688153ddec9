"""When a student can work: conditions of a control plane, looked at until they hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clusters.api import COLLECTIONS, Api
from clusters.errors import TransientError
from clusters.model import PLATFORM_NAMESPACE

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
# How often a condition is looked at, in seconds.
INTERVAL = 0.1
# How long one may take, in seconds: a machine with a class full of clusters on it is slow.
LIMIT = 120.0
# In the path of what is posted where the student may have objects.
STUDENTS = "/namespaces/default/"
# Of a wait that nobody breaks off.
NEVER = threading.Event()

# Where to post what, and the admission policy that refuses it.
Forbidden = tuple[str, dict[str, Any], str]


class Stopped(Exception):
    """Somebody else has failed; there is nothing to wait for any more."""


def until(
    what: str,
    holds: Callable[[], bool],
    *,
    limit: float = LIMIT,
    interval: float = INTERVAL,
    stop: threading.Event = NEVER,
) -> None:
    """Look every `interval` seconds until it holds. Raises TransientError after `limit` seconds, Stopped once `stop` is
    set."""
    deadline = time.monotonic() + limit
    while not holds():
        if stop.wait(interval):
            raise Stopped(what)
        if time.monotonic() > deadline:
            raise TransientError(f"not within {limit:.0f} s: {what}; the machine may be too busy, try again")


def usable(
    pki: Path, server: str, *, fresh: bool, more: Sequence[Forbidden] = (), stop: threading.Event = NEVER
) -> None:
    """Wait until the control plane works and the student is both let in and held back.

    `pki` has both's certificates; `more` is what the student must be refused beside what every cluster refuses. In a
    cluster that is not `fresh` a LimitRange or a Pod Security label of the student's own may refuse before a policy
    does: there only what is in no namespace of his is tried. All policies come into force together. Raises as `until`
    does.
    """
    platform = Api(server, pki, "admin")
    student = Api(server, pki, "student")
    try:
        until(
            "the default ServiceAccount exists",
            lambda: platform.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200,
            stop=stop,
        )
        policies = [one for one in (*_forbidden(), *more) if fresh or STUDENTS not in one[0]]
        until("the admission policies are in force", lambda: _held_back(student, policies), stop=stop)
    finally:
        platform.close()
        student.close()


def _held_back(student: Api, policies: list[Forbidden]) -> bool:
    """Whether each policy has refused the student, which none does before RBAC lets him so far. Shortens the list."""
    while policies:
        path, body, policy = policies[0]
        if f"'{policy}'" not in student.ask("POST", f"{path}?dryRun=All", body)[1]:
            return False
        del policies[0]
    return True


def _forbidden() -> list[Forbidden]:
    """Where to post what, so that which admission policy refuses it."""
    meta = {"metadata": {"name": "seatrial-probe"}}
    volume = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/mnt/nonexistent"},
        "persistentVolumeReclaimPolicy": "Delete",
    }
    asked = {"metadata": {"name": "x", "annotations": {"volume.kubernetes.io/selected-node": "x"}}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, "storageClassName": ""}
    return [
        (f"/api/v1/namespaces/{PLATFORM_NAMESPACE}/configmaps", meta, "seatrial-platform-namespaces"),
        (COLLECTIONS["ClusterRole"], {"metadata": {"name": "system:x"}, "rules": []}, "seatrial-platform-objects"),
        ("/api/v1/persistentvolumes", {**meta, "spec": volume}, "seatrial-hostpath-volumes"),
        (COLLECTIONS["Node"], {**meta, "status": {"phase": "Running"}}, "seatrial-node-status"),
        ("/api/v1/namespaces/default/persistentvolumeclaims", {**asked, "spec": spec}, "seatrial-claim-annotations"),
    ]
