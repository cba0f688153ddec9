"""Clusters of containers beside plain kind with the same image: how long one takes, how much memory it has, and a
portal's pool of them."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path

import portal
import portal_start
import windows
import yaml
from measure import Row, alternate, seconds

from clusters import engine as engines
from clusters import registry
from clusters.exec import run
from clusters.kind import node_image, nodes
from clusters.kind.config import may_raise_limits
from clusters.kind.layout import Layout
from clusters.model import ClusterSpec
from clusters.tools import program

# How long a new cluster is left alone before its memory is looked at, in seconds: until what it does once is done.
REST = 60.0
CLAIMS = 5
# What shares a machine with the clusters, in MiB.
SHARED = 20 * 1024
UNITS = {"B": 2**-20, "KiB": 2**-10, "MiB": 1.0, "GiB": 2**10}


class Plain:
    """`kind create cluster --wait` with our image, and nothing of ours beside what this machine needs at all."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes the configuration and the kubeconfigs."""
        self.engine = engines.find()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, object] = {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "networking": {"kubeProxyMode": "iptables"},
            "kubeadmConfigPatches": ["kind: KubeletConfiguration\nfailCgroupV1: false\n"],
        }
        if not may_raise_limits():
            config["containerdConfigPatches"] = [
                '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'
            ]
        (folder / "kind.yaml").write_text(yaml.safe_dump(config))

    def _kind(self, *args: str | Path) -> None:
        environment = {"KIND_EXPERIMENTAL_PROVIDER": self.engine.name}
        run([program("kind"), *args], timeout=900, env=environment)

    def create(self, name: str) -> str:
        """Make a cluster; the name of its one container."""
        files = ("--config", self.folder / "kind.yaml", "--kubeconfig", self.folder / f"{name}.kubeconfig")
        self._kind(
            "create", "cluster", "--name", name, "--image", node_image.provide(self.engine), *files, "--wait", "5m"
        )
        return f"{name}-control-plane"

    def delete(self, name: str) -> None:
        """Remove it."""
        self._kind("delete", "cluster", "--name", name, "--kubeconfig", self.folder / f"{name}.kubeconfig")


def memory(container: str) -> float:
    """What a container uses, in MiB, without the files that the kernel would give up."""
    said = engines.find().run("stats", "--no-stream", "--format", "{{.MemUsage}}", container, timeout=60).stdout
    number, unit = re.match(r"([\d.]+)([A-Za-z]+)", said).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def kind(scratch: Path) -> list[Row]:
    """A cluster of one node, from nothing until a student can work in it; and its memory when nothing is done in it."""
    provider, plain = registry.provider("kind"), Plain(scratch / "plain")
    turn = iter(range(1000))
    idle: dict[str, list[float]] = {"ours": [], "theirs": []}

    def look(side: str, container: str, rounds: int) -> None:
        if len(idle[side]) < rounds:
            time.sleep(REST)
            idle[side].append(memory(container))

    def ours() -> float:
        name = f"bench-{next(turn)}"
        try:
            took = seconds(lambda: provider.create(ClusterSpec(name)))
            look("ours", nodes.containers(plain.engine, Layout.of(name))[0], 2)
            return took
        finally:
            provider.delete(name)

    def theirs() -> float:
        name = f"plain-{next(turn)}"
        try:
            took = seconds(lambda: plain.create(name))
            look("theirs", f"{name}-control-plane", 2)
            return took
        finally:
            plain.delete(name)

    pair = alternate(ours, theirs, runs=5)
    mine, other = (statistics.median(idle[side]) for side in ("ours", "theirs"))
    return [
        Row.of(
            "cluster of containers from nothing until a student can work", pair, at_most=1.25, than="plain kind --wait"
        ),
        Row(
            f"memory of one, idle for {REST:.0f} s, metrics-server included",
            f"{mine:.0f} MiB",
            f"plain kind, no metrics-server: {other:.0f} MiB",
            f"{mine / other:.2f}",
            f"stated: {SHARED / mine:.0f} fit into 20 GiB",
            None,
        ),
    ]


def claims(scratch: Path) -> list[Row]:
    """A start in a portal whose pool holds a cluster of containers, beside making one."""
    with portal.running(scratch, SEATRIAL_PROVIDER="kind", SEATRIAL_POOL="1", SEATRIAL_CLUSTERS="2") as settings:
        student = portal_start.Student(settings, "kind")
        with windows.browser() as window, windows.signed_in(window, settings, student.name) as page:
            prompts = [student.prompt(page, pool=1) for _ in range(CLAIMS + 1)][1:]
    provider = registry.provider("kind")
    made = []
    for turn in range(CLAIMS):
        name = f"bench-made-{turn}"
        try:
            made.append(seconds(lambda name=name: provider.create(ClusterSpec(name))))  # type: ignore[misc]
        finally:
            provider.delete(name)
    share = statistics.median(student.claims[1:]) / statistics.median(made)
    return [
        Row(
            "a start until a cluster of containers of the pool is its own",
            portal_start.spread(student.claims[1:]),
            f"one made: {portal_start.spread(made)}",
            f"{share:.3f}",
            "≤ 0.050",
            share <= 0.05,
        ),
        Row("Start pressed until the prompt, on it", portal_start.spread(prompts), "", "", "stated", None),
    ]
