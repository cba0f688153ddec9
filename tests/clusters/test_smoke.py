from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clusters.kubectl import kubectl

if TYPE_CHECKING:
    from tests.conftest import RealCluster


@pytest.mark.cluster
def test_a_student_deploys(cluster: RealCluster, namespace: str) -> None:
    kubectl(cluster.student, "create", "deployment", "web", "--image=nginx:1.27", "-n", namespace)
    said = kubectl(cluster.student, "rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s").stdout
    assert "successfully rolled out" in said
