"""Every lab in a kind cluster: what a cluster with real Pods can show is all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.registry import provider
from grader import labfile
from proving.stand import Stand
from proving.start import clear
from proving.trials import Proof
from tests.conftest import RealCluster


@pytest.mark.kind
@pytest.mark.parametrize("folder", labfile.catalogue(), ids=lambda folder: folder.name)
def test_the_solution_has_full_marks_and_nothing_is_skipped(
    folder: Path, kind_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(kind_cluster.data))
    proof = Proof(folder, times=1)
    provider("kind").bring(kind_cluster.name, proof.lab.spec.images)
    stand = Stand(kind_cluster.name, kind_cluster.admin, kind_cluster.student, "student")
    try:
        verdict = proof.run(proof.names.index("solution 1"), stand)
    finally:
        clear(proof.lab, kind_cluster.admin)
    assert [str(fault) for fault in verdict.faults] == []
    assert (verdict.solved, verdict.skipped_points, verdict.skipped) == (1, 0, [])
