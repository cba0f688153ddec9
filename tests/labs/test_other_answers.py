"""Right answers other than the solution's: a lab that takes only its author's way is a bad lab.

Each file of `answers/` is named after its lab and does it in another way that students go.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clusters.kubectl import kubectl
from grader import labfile
from grader.collect import Access
from grader.grading import grade
from grader.labfile import Script, Solution
from grader.labfile.parameters import replace
from proving.start import start
from proving.work import solve
from tests.conftest import RealCluster

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.sh"))


@pytest.mark.cluster
@pytest.mark.parametrize("answer", ANSWERS, ids=[answer.stem for answer in ANSWERS])
def test_full_marks(answer: Path, cluster: RealCluster, tmp_path: Path) -> None:
    student = tmp_path / "student.yaml"
    shutil.copy(cluster.student, student)
    lab = labfile.read(labfile.find(answer.stem))
    try:
        start(lab, cluster.admin, student, "student", reset=True)
        solve(Solution(script=Script(answer, replace(answer.read_text(), lab.params))), student)
        _, report = grade(lab, Access.from_kubeconfig(cluster.admin), wait=True)
        assert [(c.id, c.message, c.why) for t in report.tasks for c in t.checks if c.outcome == "failed"] == []
        assert report.full_marks
    finally:
        kubectl(cluster.admin, "delete", "namespace", lab.spec.namespace, "--ignore-not-found", "--wait=false")
        if lab.slug == "pv-pvc":
            kubectl(cluster.admin, "delete", "pv", "ledger", "old-books", "--ignore-not-found", "--wait=false")
