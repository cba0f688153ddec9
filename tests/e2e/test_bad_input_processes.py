"""Processes killed, a port taken, an identity that has expired: what is told, what mends it, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from clusters.kubectl import kubectl
from clusters.kwok.config import COMPONENTS
from tests.e2e.command import seatrial, sentence
from tests.e2e.conftest import LAMP, Mortal
from tests.grader.collect.certificates import DAY, NOW, expired_copy

pytestmark = pytest.mark.cluster

# What a grade needs no more than it needs an API server, and what only makes Pods run.
SERVING = ("etcd", "kube-apiserver")
RUNNING = ("kube-controller-manager", "kube-scheduler", "kwok-controller")


def _cluster(mortal: Mortal, *words: str) -> subprocess.CompletedProcess[str]:
    return seatrial("cluster", *words, data=mortal.data)


def _state(mortal: Mortal) -> str:
    (one,) = json.loads(_cluster(mortal, "list", "-o", "json").stdout)
    state: str = one["state"]
    return state


def _kill(mortal: Mortal, component: str) -> None:
    (file,) = mortal.admin.parent.rglob(f"{component}.pid")
    process = os.pidfd_open(int(file.read_text()))
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    finally:
        os.close(process)


def _solution(mortal: Mortal) -> str:
    what = ("get", "configmap", "lab-lamp", "-n", "seatrial-system", "-o=jsonpath={.data.params}")
    colour = json.loads(kubectl(mortal.admin, *what).stdout)["colour"]
    return (LAMP / "solution" / "lamp.yaml").read_text().replace("${colour}", colour)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_process_costs_no_point_and_loses_nothing(mortal: Mortal, component: str, tmp_path: Path) -> None:
    start = ("lab", "start", LAMP, "--cluster", mortal.name)
    assert seatrial(*start, "--reset", data=mortal.data).returncode == 0
    solution = _solution(mortal)
    _kill(mortal, component)
    assert _state(mortal) == "broken"
    # The student works on, where there is an API server to work with, and Pods may stay Pending.
    if component not in SERVING:
        kubectl(mortal.student, "apply", "-n", "lamp", "-f=-", stdin=solution)
        kubectl(mortal.student, "delete", "configmap", "old-lamp", "-n", "lamp")
    evidence = tmp_path / "evidence.json"
    graded = seatrial("grade", LAMP, "--kubeconfig", mortal.admin, "-o", "json", "--evidence", evidence)
    if component in SERVING:
        assert "does not answer" in sentence(graded, 3)
    elif component in RUNNING:
        assert f"{component} of this cluster has ended: run `seatrial cluster start NAME`" in sentence(graded, 3)
        assert json.loads(graded.stdout)["score"] is None
        assert seatrial("regrade", evidence, "--lab", LAMP, "-o", "json").stdout == graded.stdout
    said = f"Cluster mortal is broken, a part of it has ended; `seatrial cluster start {mortal.name}` runs it again"
    assert said in sentence(seatrial(*start, data=mortal.data), 3)
    # The one command that was told, and what there was is there again.
    assert _cluster(mortal, "start", mortal.name).returncode == 0
    assert _state(mortal) == "running"
    if component in SERVING:
        kubectl(mortal.student, "apply", "-n", "lamp", "-f=-", stdin=solution)
        kubectl(mortal.student, "delete", "configmap", "old-lamp", "-n", "lamp")
    full = seatrial("grade", LAMP, "--kubeconfig", mortal.admin, "-o", "json", "--wait")
    assert full.returncode == 0, full.stdout


def test_a_port_that_somebody_took_while_the_cluster_was_stopped(mortal: Mortal) -> None:
    kubectl(mortal.student, "create", "configmap", "kept", "-n", "default")
    assert _cluster(mortal, "stop", mortal.name).returncode == 0
    server = yaml.safe_load(mortal.admin.read_text())["clusters"][0]["cluster"]["server"]
    with socket.create_server(("127.0.0.1", int(server.rpartition(":")[2]))):
        said = sentence(_cluster(mortal, "start", mortal.name), 3)
    assert said.endswith("is taken by another process; end that one and try again, or make the cluster anew")
    assert _cluster(mortal, "start", mortal.name).returncode == 0
    assert kubectl(mortal.student, "get", "configmap", "kept", "-n", "default", "-o=name").stdout


@pytest.fixture
def bad_kubeconfigs(mortal: Mortal, tmp_path: Path) -> dict[str, Path]:
    """Files that lead to no cluster, by what is wrong with them."""
    document = yaml.safe_load(mortal.admin.read_text())
    (authority,) = mortal.admin.parent.rglob("ca.key")
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    server = cluster["server"]
    document["users"][0]["user"] = expired_copy(authority.with_suffix(".crt"), authority, until=NOW - DAY)
    (tmp_path / "expired").write_text(yaml.safe_dump(document))
    document["users"][0]["user"] = user
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        cluster["server"] = f"https://127.0.0.1:{nobody.getsockname()[1]}"
    (tmp_path / "nowhere").write_text(yaml.safe_dump(document))
    cluster["server"] = server
    (tmp_path / "truncated").write_text(mortal.admin.read_text()[:200])
    return {name: tmp_path / name for name in ("missing", "expired", "nowhere", "truncated")}


SAID = {
    "missing": "make a cluster with `seatrial cluster up NAME`.",
    "expired": "get a fresh kubeconfig, for example with `seatrial cluster kubeconfig NAME`.",
    "nowhere": "does not answer (Connection refused)",
    "truncated": "kubeconfig",
}


@pytest.mark.parametrize("wrong", SAID)
def test_a_kubeconfig_that_leads_to_no_cluster(mortal: Mortal, bad_kubeconfigs: dict[str, Path], wrong: str) -> None:
    file = bad_kubeconfigs[wrong]
    for words in (("grade", LAMP), ("lab", "start", LAMP)):
        assert SAID[wrong] in sentence(seatrial(*words, "--kubeconfig", file), 3)
    up = seatrial("cluster", "up", "other", "--kubeconfig", file, data=mortal.data)
    assert str(file) in sentence(up, 3)
    assert not (mortal.data / "seatrial" / "clusters" / "other").exists()
