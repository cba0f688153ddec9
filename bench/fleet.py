"""Clusters to measure: ours, and those of plain kwokctl with the same programs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters import registry
from clusters.exec import CommandError, run
from clusters.kubectl import kubectl
from clusters.kwok.config import MANIFESTS
from clusters.model import ClusterSpec
from clusters.tools import program

# A Deployment that becomes available, for "ready for a student".
FIRST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: first, namespace: default}
spec:
  selector: {matchLabels: {app: first}}
  template:
    metadata: {labels: {app: first}}
    spec: {containers: [{name: web, image: "nginx:1.27"}]}
"""
PLAIN_CONFIG = (
    "{kind: KwokctlConfiguration, apiVersion: config.kwok.x-k8s.io/v1alpha1, options: {bindAddress: 127.0.0.1%s}}\n"
)
# Without its manifests, which kwokctl would download, metrics-server runs all the same.
WITH_METRICS = f", enable: [metrics-server], metricsServerManifests: [{MANIFESTS / 'metrics-server'}]"


def until(what: str, holds: Callable[[], object], *, limit: float = 60.0) -> None:
    """Ask every 20 ms until it holds. Raises TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {limit:.0f} s")
        time.sleep(0.02)


def answers(kubeconfig: Path, *args: str) -> bool:
    """Whether kubectl succeeds."""
    try:
        kubectl(kubeconfig, *args)
    except CommandError:
        return False
    return True


def ready_for_a_student(kubeconfig: Path) -> None:
    """Returns when this identity works, the default ServiceAccount exists and a Deployment is available."""
    until(
        "the default ServiceAccount exists",
        lambda: answers(kubeconfig, "get", "serviceaccount", "default", "-n", "default"),
    )
    kubectl(kubeconfig, "apply", "-f", "-", stdin=FIRST)
    kubectl(kubeconfig, "wait", "deployment/first", "-n", "default", "--for=condition=Available", "--timeout=60s")


def ours(name: str) -> Path:
    """Create a cluster of ours; the student's kubeconfig."""
    provider = registry.provider("kwok")
    provider.create(ClusterSpec(name))
    return provider.kubeconfig(name, "student")


def forget_ours(name: str) -> None:
    """Delete a cluster of ours."""
    registry.provider("kwok").delete(name)


class Plain:
    """Clusters of plain kwokctl in one work folder."""

    def __init__(self, folder: Path, *, metrics: bool = False) -> None:
        """`folder` becomes kwokctl's work folder. With `metrics` metrics-server runs too, as it does in ours."""
        self.folder = folder
        self.metrics = ("--metrics-server-binary", str(program("metrics-server"))) if metrics else ()
        self.env = {"KWOK_WORKDIR": str(folder)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kwok.yaml").write_text(PLAIN_CONFIG % (WITH_METRICS if metrics else ""))

    def _kwokctl(self, *args: str) -> None:
        run([program("kwokctl"), *args], timeout=180, env=self.env)

    def create(self, name: str, *, nodes: int = 3) -> Path:
        """`kwokctl create cluster --wait` with its nodes; the administrator's kubeconfig."""
        kubeconfig = self.folder / f"{name}.kubeconfig"
        flags = {
            "kube-apiserver": "kube-apiserver",
            "kube-controller-manager": "kube-controller-manager",
            "kube-scheduler": "kube-scheduler",
            "kwok-controller": "kwok",
            "etcd": "etcd",
        }
        programs = [w for flag, p in flags.items() for w in (f"--{flag}-binary", str(program(p)))]
        secured = ("--secure-port", "--kube-authorization", "--kube-admission")
        files = ("--kubeconfig", str(kubeconfig), "-c", str(self.folder / "kwok.yaml"))
        create = ("create", "cluster", "--name", name, "--runtime", "binary", "--wait", "60s")
        self._kwokctl(*create, *programs, *self.metrics, *secured, *files)
        self._kwokctl("scale", "node", "--replicas", str(nodes), "--name", name)
        return kubeconfig

    def delete(self, name: str) -> None:
        """Delete one cluster."""
        self._kwokctl("delete", "cluster", "--name", name, "--kubeconfig", str(self.folder / f"{name}.kubeconfig"))


def _processes(folder: Path) -> Iterator[Path]:
    # A cluster's processes name its folder on their command line or run in it.
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            inside = str(folder) in words or str((process / "cwd").readlink()).startswith(str(folder))
        except OSError:  # it ended meanwhile
            continue
        if inside:
            yield process


def proportional_memory(folder: Path) -> float:
    """The proportional set size, in MiB, of every process that belongs to the clusters in `folder`."""
    total = 0
    for process in _processes(folder):
        try:
            found = re.search(r"^Pss:\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE)
        except OSError:  # it ended meanwhile
            continue
        total += int(found.group(1)) if found else 0
    return total / 1024


@contextmanager
def cluster(name: str) -> Iterator[tuple[Path, Path]]:
    """One cluster of ours for a while: the administrator's and the student's kubeconfig."""
    student = ours(name)
    try:
        yield registry.provider("kwok").kubeconfig(name, "admin"), student
    finally:
        forget_ours(name)
