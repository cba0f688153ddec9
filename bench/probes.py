"""Probes of real Pods in a kind cluster: five of them in one grading, beside the same five things by kubectl."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import subjects
from fleet import answers, until
from measure import Row, alternate, duration, p95, seconds

from clusters.exec import run
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec
from clusters.registry import provider
from clusters.tools import program

SEATRIAL = Path(sys.executable).with_name("seatrial")
NAME, NAMESPACE = "bench-probes", "probed"
IMAGES = ("nginx:1.27", "busybox:1.37")
# The figure that is asked for, in seconds, from the moment at which the Pods are ready.
MOST = 2.0
RUNS = 10


def probes(scratch: Path) -> list[Row]:
    """A lab with one probe of each kind: the command from nothing, and a look of a process that is warm."""
    from grader.collect import Access, collect
    from grader.evaluate import evaluate
    from grader.labfile import read

    folder = subjects.lab(scratch / "five", NAMESPACE, [{"probe": one} for one in QUESTIONS])
    with cluster() as admin:
        first = []

        def graded() -> None:
            run([SEATRIAL, "grade", str(folder), "--kubeconfig", str(admin)], timeout=60)

        for _ in range(3):  # Pods that have only just become ready
            put(admin)
            first.append(seconds(graded))
            kubectl(admin, "-n", NAMESPACE, "delete", "pods,deployments,services", "--all", "--wait=true", timeout=120)
        put(admin)
        pair = alternate(lambda: seconds(graded), lambda: seconds(lambda: by_kubectl(scratch, admin)), runs=RUNS)
        lab, access = read(folder), Access.from_kubeconfig(admin)
        if not evaluate(lab, collect(lab, access)).full_marks:
            raise AssertionError("every probe of the benchmark must pass")
        warm = [seconds(lambda: evaluate(lab, collect(lab, access))) for _ in range(RUNS)]
    ready = max(first)
    command = "five probes: `seatrial grade`"
    return [
        Row(f"{command}, from the moment at which its Pods are ready (slowest of three)", duration(ready), "", "",
            f"≤ {MOST:g} s", ready <= MOST),
        Row(command, f"{duration(statistics.median(pair.ours))} (p95 {duration(p95(pair.ours))})",
            f"kubectl, one call after another: {duration(statistics.median(pair.theirs))} "
            f"(p95 {duration(p95(pair.theirs))})", f"{pair.ratio:.2f}", f"≤ {MOST:g} s", p95(pair.ours) <= MOST),
        Row("five probes: a look of a warm process", f"{duration(statistics.median(warm))} (p95 {duration(p95(warm))})",
            "", "", "stated", None),
    ]  # fmt: skip


QUESTIONS: list[dict[str, Any]] = [
    {"http": {"service": "web", "port": 8080, "status": 200, "contains": "nginx"}},
    {"tcp": {"service": "web", "port": 8080}},
    {"dns": {"name": "web"}},
    {"exec": {"pod": "box", "command": ["cat", "/etc/hostname"], "contains": "box"}},
    {"logs": {"pod": "box", "contains": "ready"}},
]


def objects() -> list[dict[str, Any]]:
    """What is asked: two Pods behind a Service, and one that is looked into."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    box = {"name": "box", "image": "busybox:1.37", "command": ["sh", "-c", "echo ready; exec sleep 100000"]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
         "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": 80}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "box", "labels": {"app": "box"}},
         "spec": {"terminationGracePeriodSeconds": 0, "containers": [box]}},
    ]  # fmt: skip


def put(admin: Path) -> None:
    """Make the objects and wait until the Pods are ready."""
    stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()})
    kubectl(admin, "-n", NAMESPACE, "apply", "--filename=-", stdin=stdin)
    kubectl(admin, "-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=120s", timeout=130)
    kubectl(admin, "-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/box", "--timeout=120s", timeout=130)


def by_kubectl(scratch: Path, admin: Path) -> None:
    """The same five things as a shell script does them: from inside of a Pod where nothing else leads there."""
    script = scratch / "five.sh"
    script.write_text(SCRIPT)
    env = {"KUBECONFIG": str(admin), "PATH": f"{program('kubectl').parent}:/usr/bin:/bin"}
    run(["bash", str(script)], timeout=60, env=env)


SCRIPT = f"""\
set -euo pipefail
k="kubectl --namespace {NAMESPACE}"
$k exec box -- wget -q -O - http://web:8080/ | grep -q nginx
$k exec box -- nc -w 2 -z web 8080 || $k exec box -- sh -c 'nc -w 2 web 8080 < /dev/null'
$k exec box -- nslookup web.{NAMESPACE}.svc.cluster.local > /dev/null
$k exec box -- cat /etc/hostname | grep -q box
$k logs box | grep -q ready
"""


@contextmanager
def cluster() -> Iterator[Path]:
    """A kind cluster with the images; it is gone afterwards."""
    its = provider("kind")
    try:
        its.create(ClusterSpec(NAME))
        its.bring(NAME, IMAGES)
        admin = its.kubeconfig(NAME, "admin")
        kubectl(admin, "create", "namespace", NAMESPACE)
        until("the default ServiceAccount exists", lambda: answers(admin, "get", "sa", "default", "-n", NAMESPACE))
        yield admin
    finally:
        its.delete(NAME)
