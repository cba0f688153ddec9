"""What students do: gone and stuck namespaces, five hundred Pods, names that nobody expects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from clusters.kubectl import kubectl
from proving import clearing
from proving.cli import lab as lab_commands
from tests.conftest import RealCluster
from tests.e2e.command import seatrial, sentence
from tests.e2e.conftest import LAMP, Mortal
from tests.grader import small

pytestmark = pytest.mark.cluster

GONE = "Namespace lamp is gone, with everything that was in it: start the lab again to get it back."


def _start(mortal: Mortal, *words: str) -> subprocess.CompletedProcess[str]:
    return seatrial("lab", "start", LAMP, "--cluster", mortal.name, *words, data=mortal.data)


def _grade(mortal: Mortal, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return seatrial("grade", LAMP, "--kubeconfig", mortal.admin, "-o", "json", *words)


def _solve(mortal: Mortal) -> None:
    colour = json.loads(_record(mortal))["colour"]
    solution = (LAMP / "solution" / "lamp.yaml").read_text().replace("${colour}", colour)
    kubectl(mortal.student, "apply", "-n", "lamp", "-f=-", stdin=solution)
    kubectl(mortal.student, "delete", "configmap", "old-lamp", "-n", "lamp", "--ignore-not-found")


def _record(mortal: Mortal) -> str:
    what = ("get", "configmap", "lab-lamp", "-n", "seatrial-system", "-o=jsonpath={.data.params}")
    return kubectl(mortal.admin, *what).stdout


def test_the_namespace_deleted(mortal: Mortal) -> None:
    assert _start(mortal).returncode == 0
    kubectl(mortal.student, "delete", "namespace", "lamp", timeout=120)
    done = _grade(mortal)
    assert done.returncode == 1, done.stderr
    assert {c["why"] for t in json.loads(done.stdout)["tasks"] for c in t["checks"] if c["outcome"] == "failed"} == {
        GONE
    }
    assert _start(mortal).returncode == 0
    _solve(mortal)
    assert _grade(mortal, "--wait").returncode == 0


def test_the_default_service_account_deleted(mortal: Mortal) -> None:
    assert _start(mortal, "--reset").returncode == 0
    kubectl(mortal.student, "delete", "serviceaccount", "default", "-n", "lamp")
    _solve(mortal)  # Kubernetes makes it anew, and a Deployment tries its Pods again
    assert _grade(mortal, "--wait").returncode == 0


def test_a_namespace_that_does_not_end(mortal: Mortal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _start(mortal, "--reset").returncode == 0
    metadata = {"name": "stays", "namespace": "lamp", "finalizers": ["example.com/never"]}
    stays = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    kubectl(mortal.student, "create", "-f=-", stdin=stays)
    kubectl(mortal.student, "delete", "namespace", "lamp", "--wait=false")
    done = _grade(mortal)
    assert done.returncode == 1
    assert "Namespace lamp is being deleted, and nothing can be made in it." in done.stdout
    monkeypatch.setattr(clearing, "PATIENCE", 8.0)  # in place of a minute
    monkeypatch.setenv("XDG_DATA_HOME", str(mortal.data))
    stuck = CliRunner().invoke(lab_commands, ["start", str(LAMP), "--cluster", mortal.name])
    assert stuck.exit_code == 3
    mend = (
        "ConfigMap stays keeps the finalizer example.com/never; remove it with `kubectl --namespace lamp patch "
        'configmap stays --type=merge --patch=\'{"metadata": {"finalizers": null}}\'` and try again'
    )
    assert mend in stuck.stderr
    patch = '--patch={"metadata": {"finalizers": null}}'
    kubectl(mortal.admin, "patch", "configmap", "stays", "-n", "lamp", "--type=merge", patch)
    assert _start(mortal).returncode == 0


def test_five_hundred_pods(mortal: Mortal) -> None:
    """Three nodes take 330 of them. The report says so, and the lab begins anew."""
    assert _start(mortal, "--reset").returncode == 0
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]},
    }
    pods = [{**pod, "metadata": {"name": f"p{i}", "namespace": "lamp"}} for i in range(500)]
    many = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    kubectl(mortal.student, "create", "-f=-", stdin=many, timeout=180)
    told = ("pod/p499", "--for=condition=PodScheduled=False", "--timeout=120s")
    kubectl(mortal.admin, "wait", "-n", "lamp", *told, timeout=130)
    _solve(mortal)
    done = _grade(mortal)
    assert done.returncode == 1, done.stderr
    (lit,) = (t for t in json.loads(done.stdout)["tasks"] if t["id"] == "lamp")
    assert [check["outcome"] for check in lit["checks"]] == ["passed", "failed"]
    assert "Too many pods" in lit["checks"][1]["why"], lit
    assert _start(mortal, "--reset").returncode == 0
    _solve(mortal)
    assert _grade(mortal, "--wait").returncode == 0


# What RBAC takes for a name is all but "/" and "%": also what a terminal would obey.
ODD = "a b:c*é\u202e<&>\"'#{}$(x)\u2028日本`"


def test_names_of_every_character(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    """Each format stays itself whatever the objects in it are called."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
    long = "a" * 63 + "." + "b-1" * 63
    for name in (ODD, "." * 3, long):
        body = json.dumps({**role, "metadata": {"name": name, "namespace": namespace}})
        kubectl(cluster.admin, "create", "-f=-", stdin=body)
    wanted = {**role, "metadata": {"name": ODD + "x"}}
    lab = small.folder(
        tmp_path,
        "tasks:\n- id: t\n  title: T\n  points: 1\n  checks:\n"
        f"  - match: {json.dumps(wanted)}\n"
        f"  - absent: {json.dumps({**role, 'metadata': {'name': ODD}})}\n",
    )
    spec = lab / "lab.yaml"
    spec.write_text(spec.read_text().replace("namespace: shop", f"namespace: {namespace}"))
    shown = {}
    for form in ("table", "json", "junit", "github"):
        done = seatrial("grade", lab, "--kubeconfig", cluster.admin, "-o", form)
        assert done.returncode == 1, done.stderr
        assert not set("\u202e\u2028\x1b") & set(done.stdout)
        assert "日本" in done.stdout
        shown[form] = done.stdout
    assert json.loads(shown["json"])["score"] == 0
    assert len(list(ET.fromstring(shown["junit"]).iter("failure"))) == 2  # noqa: S314 - our own output
    assert all(line.startswith("::") for line in shown["github"].splitlines())


JUMPING = """
import datetime, sys, time
real, calls = datetime.datetime, iter(range(10**9))

class Jumping(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(hours=(1, -1)[next(calls) % 2])

datetime.datetime = Jumping
clock = time.time
time.time = lambda: clock() + (3600, -3600)[next(calls) % 2]
from seatrial import main
main()
"""


def test_a_clock_that_jumps_an_hour_at_each_look(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    """What must hold for two seconds is neither held at once nor never, and the wait ends when it should."""
    lab = small.folder(tmp_path, small.ONE_TASK.rstrip() + "\n    hold: 2s\n    within: 60s\n")
    spec = lab / "lab.yaml"
    spec.write_text(spec.read_text().replace("namespace: shop", f"namespace: {namespace}"))
    kubectl(cluster.student, "run", "web", "--image=nginx:1.27", "-n", namespace)
    words = ["grade", lab, "--kubeconfig", cluster.admin, "--wait", "-o", "json", "--evidence", tmp_path / "e"]
    done = subprocess.run(
        [sys.executable, "-c", JUMPING, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads((tmp_path / "e").read_text())
    looks = [*seen["earlier"], seen["now"]]
    assert sorted(look["at"] for look in looks) != [look["at"] for look in looks]  # it did jump
    assert looks[-1]["seconds"] - looks[0]["seconds"] >= 2
    assert seatrial("regrade", tmp_path / "e", "--lab", lab, "-o", "json").stdout == done.stdout


def test_a_student_of_a_name_that_is_none(mortal: Mortal) -> None:
    said = sentence(seatrial("cluster", "up", "x", "--student", "system:masters", data=mortal.data), 3)
    assert "cannot be a student's name" in said
