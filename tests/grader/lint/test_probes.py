"""Probes that could never be answered as asked, or always would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.lint import lint
from tests.grader.labfile.labs import LAB, SOLUTION, write

OBJECTS = """\
apiVersion: v1
kind: Pod
metadata: {name: box, labels: {app: web}}
spec:
  containers:
  - {name: main, image: "busybox:1.37", ports: [{name: http, containerPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec: {containers: [{name: a, image: "busybox:1.37"}, {name: b, image: "busybox:1.37"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {hostNetwork: true, containers: [{name: a, image: "busybox:1.37"}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: web}, ports: [{name: front, port: 8000, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec: {containers: [{name: a, image: "busybox:1.37"}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec: {clusterIP: None, selector: {app: peer}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: peer}
spec:
  serviceName: peers
  selector: {matchLabels: {app: peer}}
  template:
    metadata: {labels: {app: peer}}
    spec: {containers: [{name: a, image: "busybox:1.37"}]}
"""


def messages(tmp_path: Path, probe: str, *, more: str = "") -> list[str]:
    """What lint says of a lab with this probe, and where: all in the probe's own line."""
    files = {"lab.yaml": f"{LAB}  - probe: {{{probe}}}\n{more}", "setup/more.yaml": OBJECTS}
    line = files["lab.yaml"].splitlines().index(f"  - probe: {{{probe}}}") + 1
    faults = lint(write(tmp_path, files))
    assert all(fault.line == line and fault.path.name == "lab.yaml" for fault in faults), faults
    return [fault.message for fault in faults]


@pytest.mark.parametrize(
    "probe",
    [
        "http: {service: shop, port: 8000, status: 200}",
        'http: {service: shop, port: front, path: "/a?b=c", contains: Hello}',
        "http: {pod: box, port: http, status: 404}",
        "tcp: {pod: box, port: 6379}",
        "tcp: {pod: peer-0, port: 6379}",
        "dns: {name: shop.svc.cluster.local., pod: box}",
        "exec: {pod: box, command: [sh, -c, 'cat /x'], exit_code: 1}",
        "exec: {pod: two, container: b, command: [id]}",
        "logs: {pod: box, contains: ready}",
    ],
)
def test_sound(tmp_path: Path, probe: str) -> None:
    assert messages(tmp_path, probe) == []


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ("http: {service: shpo, port: 8000, status: 200}", 'nothing creates Service "shpo"; did you mean "shop"?'),
        ("http: {service: away, port: 80, status: 200}", "leads out of the cluster"),
        ("http: {service: shop, port: 80, status: 200}", 'Service "shop" has no port "80"; it has front, 8000'),
        ("http: {service: shop, port: frnt, status: 200}", 'has no port "frnt"; did you mean "front"?'),
        ("http: {service: shop, port: 8000}", "any answer will do"),
        ("http: {service: shop, port: 8000, path: index.html, status: 200}", 'begins with "/"'),
        ('http: {service: shop, port: 8000, path: "/a b", status: 200}', "no blanks"),
        ('http: {service: shop, port: 8000, path: "/../x", status: 200}', "no .."),
        ("http: {service: shop, port: 8000, status: 99}", "no status of an answer"),
        ('http: {service: shop, port: 8000, contains: ""}', "every text contains the empty one"),
        ("tcp: {pod: box, port: 70000}", "there is no port 70000"),
        ("tcp: {pod: box, port: htpp}", 'Pod "box" has no port "htpp"; did you mean "http"?'),
        ("tcp: {pod: host, port: 80}", "uses its node's network"),
        ("tcp: {pod: many, port: 80}", "have names that the cluster chooses"),
        ("dns: {name: not_a..name}", "no name that could be looked up"),
        ("dns: {name: shop, pod: bxo}", 'nothing creates Pod "bxo"; did you mean "box"?'),
        ("exec: {pod: box, command: [cat /x]}", 'or [sh, -c, "cat /x"] for a shell'),
        ("exec: {pod: box, command: [id], exit_code: 256}", "no exit code"),
        ("exec: {pod: two, command: [id]}", "several containers"),
        ("logs: {pod: box, container: mian, contains: x}", 'no container "mian"; did you mean "main"?'),
        ('logs: {pod: box, contains: ""}', "every text contains"),
    ],
)
def test_faults(tmp_path: Path, probe: str, said: str) -> None:
    (found,) = messages(tmp_path, probe)
    assert said in found


def test_what_the_solutions_script_mentions_is_made_by_it(tmp_path: Path) -> None:
    probe = "  - probe: {exec: {pod: tool, command: [id]}}\n"
    script = "#!/usr/bin/env bash\nkubectl run tool --image=busybox:1.37\n"
    assert lint(write(tmp_path, {"lab.yaml": LAB + probe, "solution/run.sh": script})) == []
    assert len(lint(write(tmp_path / "other", {"lab.yaml": LAB + probe, "solution/web.yaml": SOLUTION}))) == 1


def test_a_task_of_names_that_must_not_be_there_holds_before_any_work(tmp_path: Path) -> None:
    task = "- {id: gone, title: Take it away, checks: [{probe: {dns: {name: old, resolves: false}}}]}\n"
    faults = [fault.message for fault in lint(write(tmp_path, {"lab.yaml": LAB + task}))]
    assert any("holds before any work" in message for message in faults)
