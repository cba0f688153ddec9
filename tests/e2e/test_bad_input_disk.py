"""A disk that is full: under a report, an evidence, a summary, a snapshot, a new lab, and a cluster that runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.exec import CommandError
from clusters.kubectl import kubectl
from tests.conftest import RealCluster, demand_programs
from tests.e2e.command import seatrial, sentence
from tests.e2e.conftest import LAMP, Mortal, made
from tests.grader import small

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk to fill"),
]


class Disk:
    """A file system of its own, that can be filled and emptied."""

    def __init__(self, place: Path) -> None:
        self.place, self._filling = place, place / "filling"

    def fill(self) -> None:
        """Take all that is left."""
        with self._filling.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def empty(self) -> None:
        """Give it back."""
        self._filling.unlink()


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """A disk of the size that the test asks for."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(place)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine lets nobody mount a disk: {done.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607 - as mount above, from PATH


@pytest.mark.parametrize("disk", ["4m"], indirect=True)
def test_what_is_written_beside_a_grade(cluster: RealCluster, disk: Disk, tmp_path: Path) -> None:
    lab, evidence = small.folder(tmp_path), disk.place / "evidence.json"
    grade = ("grade", lab, "--kubeconfig", cluster.admin)
    assert seatrial(*grade, "--evidence", evidence).returncode == 1
    before = evidence.read_bytes()
    disk.fill()
    done = seatrial(*grade, "--evidence", evidence)
    said = f"The evidence could not be written to {evidence} (No space left on device); "
    assert sentence(done, 2) == said + "make room or name another file, and grade again."
    assert "Score: 0 of 2 points." in done.stdout  # the report is not lost with it
    assert evidence.read_bytes() == before  # nor is the evidence of before
    assert sorted(p.name for p in disk.place.iterdir()) == ["evidence.json", "filling"]

    with (disk.place / "report").open("w") as report:
        told = sentence(seatrial(*grade, "--evidence", tmp_path / "elsewhere", stdout=report), 2)
    assert told == "seatrial: the disk is full and does not take what this command prints; free some and run it again"
    assert seatrial("regrade", tmp_path / "elsewhere", "--lab", lab).returncode == 1  # the look is not lost

    summary = seatrial(*grade, "-o", "github", "--summary", disk.place / "summary.md")
    assert "The summary could not be written to" in sentence(summary, 2)
    new = sentence(seatrial("lab", "new", "tides", "--into", disk.place / "labs"), 2)
    assert "cannot be written: No space left on device; make room" in new
    data = cluster.admin.parents[3]
    snapshot = sentence(seatrial("cluster", "snapshot", cluster.name, disk.place / "snapshot", data=data), 3)
    assert snapshot.endswith("cannot be written: the disk is full; free some or name another file")


def _write_until_refused(mortal: Mortal) -> None:
    """A student fills the cluster, a megabyte at a time."""
    for number in range(200):
        big = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"big-{number}", "namespace": "lamp"}}
        try:
            kubectl(mortal.student, "create", "-f=-", stdin=json.dumps({**big, "data": {"k": "x" * 1_000_000}}))
        except CommandError:
            return
    pytest.fail("a full disk took 200 MB")


@pytest.mark.parametrize("disk", ["600m"], indirect=True)
def test_a_cluster_whose_disk_fills_up_while_it_runs(disk: Disk) -> None:
    """It says so, and goes on with all it had once there is room again."""
    demand_programs()
    mortal = made(disk.place)
    try:
        assert seatrial("lab", "start", LAMP, "--cluster", "mortal", data=disk.place).returncode == 0
        kubectl(mortal.student, "create", "configmap", "kept", "-n", "lamp")
        disk.fill()
        _write_until_refused(mortal)
        graded = seatrial("grade", LAMP, "--kubeconfig", mortal.admin)
        assert graded.returncode in (1, 3), graded.stderr  # as long as etcd still reads, there is a grade
        assert "Traceback" not in graded.stderr
        assert seatrial("cluster", "stop", "mortal", data=disk.place).returncode == 0
        told = sentence(seatrial("cluster", "start", "mortal", data=disk.place), 3)
        assert told.endswith("is full; free some and try again")
        disk.empty()
        assert seatrial("cluster", "start", "mortal", data=disk.place).returncode == 0
        assert kubectl(mortal.student, "get", "configmap", "kept", "-n", "lamp", "-o=name").stdout
        assert seatrial("grade", LAMP, "--kubeconfig", mortal.admin).returncode == 1
    finally:
        if (disk.place / "filling").exists():
            disk.empty()
        seatrial("cluster", "down", "mortal", data=disk.place)
