"""A running session's cluster, for whoever watches it, grades it, or hands its kubeconfig to the student."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from sqlalchemy.orm import Session

from clusters import store
from clusters.errors import ClusterError
from clusters.model import KUBECONFIG_EXTENSION
from webapp.errors import Refused
from webapp.sessions.models import LabSession, PoolState

# The student's name in every cluster of the pool, which is made before anybody knows whose it will be.
STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Stand:
    """A cluster: two kubeconfig files, the student's name in it, and the cluster's name."""

    admin: Path
    student: Path
    student_name: str
    cluster: str


def stand(db: Session, session: LabSession) -> Stand:
    """The cluster of a session that runs. Raises Refused 409 where there is none."""
    cluster = session.cluster
    if cluster is None or cluster.state is not PoolState.CLAIMED:
        raise Refused("This lab has no running cluster now; start it first.", 409)
    return stand_of(cluster.name)


def stand_of(cluster: str) -> Stand:
    """As `stand`, by the cluster's name."""
    try:
        return Stand(
            store.kubeconfig_file(cluster, "admin"), store.kubeconfig_file(cluster, "student"), STUDENT, cluster
        )
    except ClusterError as fault:
        raise Refused(f"The cluster of this lab cannot be used: {fault}", 409) from fault


def audit_log(cluster: str) -> Path | None:
    """The file in which a cluster writes down what its student asks of it, None where it keeps none."""
    try:
        config = yaml.safe_load(store.kubeconfig_file(cluster, "admin").read_text())
        extensions = config["clusters"][0]["cluster"]["extensions"]
        told = next(each["extension"] for each in extensions if each["name"] == KUBECONFIG_EXTENSION)
        return Path(told["auditLog"])
    except (ClusterError, OSError, yaml.YAMLError, LookupError, TypeError, StopIteration):
        return None
