"""Bad labs, by every command that reads one: one sentence with the file and the line, and what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clusters.kubectl import kubectl
from tests.conftest import RealCluster
from tests.e2e.command import seatrial, sentence
from tests.e2e.conftest import LAMP
from tests.grader import small

CHECK = "tasks:\n- id: web\n  title: Web\n  points: 2\n  checks:\n  - "
PODS = "    with: {all: {apiVersion: v1, kind: ConfigMap}}\n"
# What is wrong -> (lab.yaml from its sixth line on, what is said of it after the file's name).
LABS = {
    "broken YAML": (
        "tasks: [\n- id: web\n",
        "7: broken YAML: did not find expected node content while parsing a flow node; "
        "close the bracket that is open, or put a comma between two of its items",
    ),
    "a tab": ("tasks:\n\t- id: web\n", "7: broken YAML: indent with spaces, this line begins with a tab"),
    "an unknown field": ("mintues: 3\n" + small.ONE_TASK, '6: unknown field "mintues"; did you mean "minutes"?'),
    "no tasks": ("tasks: []\n", '6: "tasks" must hold at least 1; add one'),
    "no tasks at all": ("", '1: missing field "tasks"; add it'),
    "negative points": (small.ONE_TASK.replace("2", "-2"), '9: "points" must be more than 0, not -2'),
    "CEL that does not compile": (
        CHECK + f"cel: all.size( >\n{PODS}",
        "11: cel: line 1, column 11: Syntax error",
    ),
    "CEL of unknown names": (
        CHECK + f"cel: pods.size() > 0\n{PODS}",
        "11: cel: line 1, column 1: undeclared reference to 'pods'; there are all, params, now",
    ),
    "a regular expression that would backtrack": (
        CHECK + r"match: {apiVersion: v1, kind: Pod, metadata: {name: {$regex: '(a)\1'}}}",
        r"11: match.metadata.name.$regex: invalid regular expression: invalid escape sequence: \1",
    ),
}


@pytest.mark.parametrize("wrong", LABS)
def test_a_bad_lab_is_one_sentence_of_every_command(wrong: str, tmp_path: Path) -> None:
    body, said = LABS[wrong]
    lab, nowhere = small.folder(tmp_path, body), tmp_path / "absent"
    expected = f"{lab / 'lab.yaml'}:{said}"
    lint = seatrial("lab", "lint", lab)
    assert lint.returncode == 2
    assert [line for line in lint.stdout.splitlines() if line.startswith(expected)], lint.stdout
    assert "Traceback" not in lint.stderr
    # The lab's fault is told although there is no cluster either: it is the first to mend.
    assert expected in sentence(seatrial("grade", lab, "--kubeconfig", nowhere), 2)


def test_an_evidence_of_another_time(tmp_path: Path) -> None:
    lab, file = small.folder(tmp_path), tmp_path / "evidence.json"
    words = ("regrade", file, "--lab", lab)
    for content, said in {
        '{"format":1,"lab":"sma': "damaged or truncated; use another copy, or grade the cluster again",
        '{"format":99,"lab":"small"}': "this seatrial reads up to 2; install a newer seatrial",
        '{"format":1,"lab":"small"}': "it lacks parts that it must have; use another copy, or grade again",
        "": "this is no evidence; `seatrial grade LAB --evidence FILE` writes one",
    }.items():
        file.write_text(content)
        assert said in sentence(seatrial(*words), 2)
        assert file.read_text() == content


def _configmaps(cluster: RealCluster, namespace: str, count: int) -> None:
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{i}", "namespace": namespace}}
        for i in range(count)
    ]
    items.append({**items[0], "metadata": {"name": "big", "namespace": namespace}, "data": {"k": "a" * 1_000_000}})
    kubectl(cluster.student, "create", "-f=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def _lab(tmp_path: Path, namespace: str, body: str) -> Path:
    lab = small.folder(tmp_path, body)
    file = lab / "lab.yaml"
    file.write_text(file.read_text().replace("namespace: shop", f"namespace: {namespace}"))
    return lab


@pytest.mark.cluster
def test_cel_that_runs_away_ends_and_costs_nobody_a_point(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    _configmaps(cluster, namespace, 60)
    lab = _lab(tmp_path, namespace, CHECK + f"cel: all.all(a, all.all(b, all.all(c, all.all(d, true))))\n{PODS}")
    done = seatrial("grade", lab, "--kubeconfig", cluster.admin, "-o", "json")
    said = "the expression takes more than 10,000 steps; bring in fewer objects by `with`, or nest fewer lists"
    assert said in sentence(done, 3)
    assert json.loads(done.stdout)["score"] is None


@pytest.mark.cluster
def test_a_regular_expression_on_a_megabyte_ends(cluster: RealCluster, namespace: str, tmp_path: Path) -> None:
    _configmaps(cluster, namespace, 1)
    wanted = "{apiVersion: v1, kind: ConfigMap, metadata: {name: big}, data: {k: {$regex: '^(a+)+b$'}}}"
    lab = _lab(tmp_path, namespace, CHECK + f"match: {wanted}\n")
    done = seatrial("grade", lab, "--kubeconfig", cluster.admin, "-o", "json", "--evidence", tmp_path / "evidence")
    assert done.returncode == 1, done.stderr
    (check,) = json.loads(done.stdout)["tasks"][0]["checks"]
    assert 'expected something that matches "^(a+)+b$"' in check["message"]
    assert len(check["message"]) < 1000  # of a megabyte, as much is shown as somebody reads
    again = seatrial("regrade", tmp_path / "evidence", "--lab", lab, "-o", "json")
    assert again.stdout == done.stdout


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n", "spec.containers: Required value"),
        ("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n", 'no matches for kind "Widget"'),
    ],
    ids=["an object", "a kind"],
)
def test_a_setup_that_the_api_server_rejects(
    cluster: RealCluster, namespace: str, tmp_path: Path, written: str, said: str
) -> None:
    lab = tmp_path / "90-lamp"
    shutil.copytree(LAMP, lab)
    spec = lab / "lab.yaml"
    spec.write_text(spec.read_text().replace("namespace: lamp", f"namespace: {namespace}"))
    bad = lab / "setup" / "bad.yaml"
    bad.write_text(written)
    start = ("lab", "start", lab, "--cluster", cluster.name)
    data = cluster.admin.parents[3]
    told = sentence(seatrial(*start, data=data), 2)
    assert said in told
    assert told.endswith(f"mend {lab / 'setup'} (`seatrial lab lint` names the lines) and start the lab again")
    bad.unlink()
    assert seatrial(*start, data=data).returncode == 0
    kubectl(cluster.admin, "delete", "configmap", "lab-lamp", "-n", "seatrial-system")
