"""Mutants of what a solved lab looks like: what is broken, where it is said to lie, and what the checks notice."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader import labfile
from grader.checks.probing import question
from grader.evaluate import evaluate
from grader.labfile import LoadedLab
from grader.labfile.schema import ProbeSpec
from grader.model import Call, Evidence, ObjectList, Probed, Reply, Snapshot
from grader.mutants import Mutant, explained, mutants, reads
from grader.mutants.values import misspelt

Objects = Sequence[Mapping[str, Any]]


def make_lab(folder: Path, tasks: str, solution: str, free: str = "") -> LoadedLab:
    lab = folder / "10-lamp"
    (lab / "solution").mkdir(parents=True)
    head = "title: Lamp\nsummary: A lamp.\nminutes: 5\nlevel: beginner\nnamespace: lamp\n"
    (lab / "lab.yaml").write_text(head + textwrap.dedent(free) + "tasks:\n" + textwrap.dedent(tasks))
    (lab / "README.md").write_text("# Lamp\n")
    (lab / "solution" / "lamp.yaml").write_text(textwrap.dedent(solution))
    return labfile.read(lab)


def snapshot(objects: Objects, seconds: float = 0.0) -> Snapshot:
    lists: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in objects:
        stored = copy.deepcopy(dict(one))
        stored["metadata"].setdefault("namespace", "lamp")
        stored["metadata"].setdefault("uid", f"{one['kind']}-{one['metadata']['name']}")
        lists.setdefault((one["apiVersion"], one["kind"]), []).append(stored)
    return Snapshot(
        "2026-01-01T00:00:00Z", seconds, [ObjectList(a, k, "lamp", found) for (a, k), found in lists.items()]
    )


def solved(
    lab: LoadedLab, more: Objects = (), calls: Sequence[Call] | None = None, kinds: Iterable[str] = ()
) -> Evidence:
    """The evidence of a lab whose solution stands in the cluster just as it is written."""
    objects = [m.object for m in labfile.solution(lab).manifests]
    now = snapshot([*objects, *more])
    empty = [ObjectList("v1", kind, "lamp", []) for kind in kinds]
    now = Snapshot(now.at, now.seconds, [*now.lists, *empty])
    return Evidence("lamp", "lamp", "student", lab.params, "v1.36.3", frozenset({"audit"}), now, calls=calls)


def graded(lab: LoadedLab, evidence: Evidence) -> tuple[list[Mutant], list[Mutant]]:
    """The mutants that the checks notice, and those that they do not."""
    report = evaluate(lab, evidence, explain=False)
    assert report.full_marks, report
    noticed: list[Mutant] = []
    missed: list[Mutant] = []
    for one in mutants(lab, evidence, report, labfile.solution(lab).manifests):
        after = evaluate(lab, one.mutate(evidence), explain=False)
        assert after.score is not None, (one.description, list(after.errors))
        lost = {t.id for t, before in zip(after.tasks, report.tasks, strict=True) if t.score < before.score}
        (noticed if (one.task in lost if one.task else lost) else missed).append(one)
    groups = {one.group for one in noticed}
    return noticed, [one for one in missed if one.group not in groups]


NOTE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: note}
data: {colour: red, size: large}
"""
WHOLE_NOTE = """
- id: note
  title: Write it
  checks:
  - match: {apiVersion: v1, kind: ConfigMap, metadata: {name: note}, data: {colour: red, size: large}}
"""


def test_a_lab_that_asks_for_all_that_its_solution_sets_has_no_survivor(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WHOLE_NOTE, NOTE)
    noticed, missed = graded(lab, solved(lab))
    assert missed == []
    of_checks = [m.description for m in noticed if m.task == "note"]
    assert of_checks == [
        'ConfigMap note: metadata.name is "ntoe" instead of "note"',
        'ConfigMap note: data.colour is "erd" instead of "red"',
        "ConfigMap note: data.colour is not set",
        'ConfigMap note: data.size is "lrage" instead of "large"',
        "ConfigMap note: data.size is not set",
        "ConfigMap note is gone",
    ]
    assert {m.path for m in noticed if m.task is None} == {"*", "metadata.name", "data.colour", "data.size"}


def test_what_nobody_asks_for_survives_with_the_line_of_the_solution(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WHOLE_NOTE.replace(", size: large", ""), NOTE)
    _, missed = graded(lab, solved(lab))
    assert {(m.path, m.file.name, m.line) for m in missed} == {("data.size", "lamp.yaml", 5)}
    assert {m.description for m in missed} == {
        'ConfigMap note: data.size is "lrage" instead of "large"',
        "ConfigMap note: data.size is not set",
    }


def test_an_object_that_nobody_looks_at_survives_as_a_whole(tmp_path: Path) -> None:
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: abc}\n"
    lab = make_lab(tmp_path, WHOLE_NOTE, NOTE + secret)
    evidence = solved(lab)
    lists = [one for one in evidence.now.lists if one.kind != "Secret"]
    _, missed = graded(lab, Evidence(**{**fields(evidence), "now": Snapshot("", 0, lists)}))
    assert [(m.description, m.path) for m in missed] == [("Secret key is gone (no check looks at any Secret)", "*")]


def fields(evidence: Evidence) -> dict[str, Any]:
    return {name: getattr(evidence, name) for name in Evidence.__slots__}


def test_the_evidence_itself_is_never_changed(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WHOLE_NOTE, NOTE)
    evidence = solved(lab)
    before = copy.deepcopy(evidence)
    report = evaluate(lab, evidence, explain=False)
    made = [m.mutate(evidence) for m in mutants(lab, evidence, report, labfile.solution(lab).manifests)]
    assert evidence == before
    assert all(one.now.lists != before.now.lists for one in made)


@pytest.mark.parametrize(
    ("asked", "value", "broken"),
    [
        ("{$at_least: 2}", "3", "1"),
        ("{$at_most: 4}", "3", "5"),
        ("{$in: [3, 4]}", "3", "2"),
        ("3", "3", "4"),
        ("{$not: 0}", "3", "0"),
    ],
)
def test_a_value_is_broken_on_the_side_that_the_check_refuses(
    tmp_path: Path, asked: str, value: str, broken: str
) -> None:
    tasks = f"""
    - id: lamp
      title: Light it
      checks:
      - match: {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: lamp}}, spec: {{replicas: {asked}}}}}
    """
    solution = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: lamp}}\nspec: {{replicas: {value}}}\n"
    lab = make_lab(tmp_path, tasks, solution)
    noticed, missed = graded(lab, solved(lab))
    said = {m.description for m in noticed if m.path == "spec.replicas" and "instead" in m.description}
    assert said == {f"Deployment lamp: spec.replicas is {broken} instead of {value}"}
    assert not [m for m in missed if "instead" in m.description]


def test_a_regular_expression_gets_a_text_that_it_refuses(tmp_path: Path) -> None:
    tasks = WHOLE_NOTE.replace("colour: red, size: large", 'colour: {$regex: "^r"}, size: {$regex: "e$"}')
    lab = make_lab(tmp_path, tasks, NOTE)
    noticed, missed = graded(lab, solved(lab))
    assert missed == []
    assert 'ConfigMap note: data.colour is "erd" instead of "red"' in {m.description for m in noticed}


POD = """
apiVersion: v1
kind: Pod
metadata: {name: lamp, labels: {app: lamp}}
spec:
  containers:
  - {name: a, image: "nginx:1.27", resources: {requests: {cpu: 100m}}}
  - {name: b, image: "nginx:1.28", ports: [{containerPort: 80, protocol: TCP}]}
"""


def test_items_are_found_where_they_lie_and_not_where_they_are_written(tmp_path: Path) -> None:
    tasks = """
    - id: lamp
      title: Light it
      checks:
      - match:
          apiVersion: v1
          kind: Pod
          metadata: {name: lamp, labels: {app: lamp}}
          spec:
            containers:
            - {name: b, image: "nginx:1.28", ports: [{containerPort: 80, protocol: TCP}]}
            - {name: a, image: "nginx:1.27", resources: {requests: {cpu: 0.1}}}
    """
    lab = make_lab(tmp_path, tasks, POD)
    noticed, missed = graded(lab, solved(lab))
    assert missed == []
    said = {m.description for m in noticed}
    assert 'Pod lamp: spec.containers[].resources.requests.cpu is "200m" instead of "100m"' in said
    assert "Pod lamp: spec.containers[1].ports[0] is gone" in said
    assert "Pod lamp: spec.containers[1].ports[0].containerPort is 81 instead of 80" in said
    line = next(m.line for m in noticed if m.task and m.path == "spec.containers[].resources.requests.cpu")
    assert lab.file.read_text().splitlines()[line - 1].strip().startswith("- {name: a")


def test_free_explains_a_field_and_what_lies_below_it(tmp_path: Path) -> None:
    tasks = """
    - id: lamp
      title: Light it
      checks:
      - match: {apiVersion: v1, kind: Pod, metadata: {name: lamp, labels: {app: lamp}}, spec: {containers: [{}, {}]}}
    """
    free = 'free:\n- {kind: Pod, path: "spec.containers[]", why: Whatever runs in it.}\n'
    lab = make_lab(tmp_path, tasks, POD, free)
    _, missed = graded(lab, solved(lab))
    assert missed
    assert all(explained(m, lab.spec.free) for m in missed)
    other = copy.copy(missed[0])
    assert explained(Mutant(**{**mutant_fields(other), "kind": "Deployment"}), lab.spec.free) is None
    assert explained(Mutant(**{**mutant_fields(other), "path": "spec.containersX"}), lab.spec.free) is None


def mutant_fields(one: Mutant) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Mutant.__slots__}


def pods(count: int, phase: str = "Running") -> Objects:
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{i}", "labels": {"app": "lamp"}},
            "status": {"phase": phase},
        }
        for i in range(count)
    ]


CEL = """
- id: pods
  title: Run them
  checks:
  - match: {apiVersion: v1, kind: ConfigMap, metadata: {name: note}, data: {colour: red, size: large}}
    points: 0.5
  - cel: EXPRESSION
    with: {pods: {apiVersion: v1, kind: Pod, metadata: {labels: {app: lamp}}}}
"""


def test_an_expression_that_holds_over_nothing_is_found_out(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, CEL.replace("EXPRESSION", "'pods.all(p, p.status.phase == \"Running\")'"), NOTE)
    _, missed = graded(lab, solved(lab, pods(2)))
    assert "every Pod of `pods` is gone" in {m.description for m in missed}


def test_the_fields_that_an_expression_reads_are_broken(tmp_path: Path) -> None:
    text = "'pods.size() == 2 && pods.all(p, p.status.phase == \"Running\")'"
    lab = make_lab(tmp_path, CEL.replace("EXPRESSION", text), NOTE)
    noticed, missed = graded(lab, solved(lab, pods(2)))
    assert missed == []
    reads = [m for m in noticed if m.path == "status.phase"]
    assert reads and {(m.task, m.kind) for m in reads} == {("pods", "Pod")}


def test_an_expression_whose_field_does_not_matter_is_found_out(tmp_path: Path) -> None:
    text = "'pods.size() == 2 && pods.exists(p, p.status.phase == \"Running\" || true)'"
    lab = make_lab(tmp_path, CEL.replace("EXPRESSION", text), NOTE)
    _, missed = graded(lab, solved(lab, pods(2)))
    assert {m.path for m in missed} == {"status.phase"}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('pods.all(p, p.status.phase == "a.b")', [("pods", ("status", "phase"))]),
        ("pods.filter(p, has(p.spec.x)).size() > 1", [("pods", ("spec", "x"))]),
        ("pods.filter(p, true).exists(q, q.spec.y)", [("pods", ("spec", "y"))]),
        ("pods[0].spec.a == nodes[0].spec.b", [("pods", ("spec", "a")), ("nodes", ("spec", "b"))]),
        ("pods.exists(p, nodes.exists(n, n.spec.a == p.spec.b))", [("nodes", ("spec", "a")), ("pods", ("spec", "b"))]),
        ("pods.exists(p, p.spec.containers.exists(c, c.image))", [("pods", ("spec", "containers"))]),
        ("pods.map(p, p.spec).all(s, s.nodeName)", [("pods", ("spec",))]),
        ("params.size > 1", []),
    ],
)
def test_what_an_expression_reads_is_followed_from_its_objects(
    expression: str, found: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert reads.fields(expression, ["pods", "nodes"]) == found


COUNT = """
- id: pods
  title: Run them
  checks:
  - match: {apiVersion: v1, kind: ConfigMap, metadata: {name: note}, data: {colour: red, size: large}}
  - count: {of: {apiVersion: v1, kind: Pod, metadata: {labels: {app: lamp}}}, BOUND}
"""


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("equals: 2", {"one Pod too few", "one Pod more, as it must not be"}),
        ("at_least: 1", {"one Pod too few"}),
        ("at_most: 3", {"2 Pod more, as it must not be"}),
        ("equals: 0", {"one Pod more, as it must not be"}),
    ],
)
def test_a_count_is_missed_by_one_on_each_side(tmp_path: Path, bound: str, said: set[str]) -> None:
    lab = make_lab(tmp_path, COUNT.replace("BOUND", bound), NOTE)
    there = [] if bound == "equals: 0" else pods(2)
    noticed, missed = graded(lab, solved(lab, there, kinds=["Pod"] if not there else []))
    assert missed == []
    assert said <= {m.description for m in noticed}


def test_what_must_be_absent_appears(tmp_path: Path) -> None:
    tasks = WHOLE_NOTE + "  - absent: {apiVersion: v1, kind: Pod, metadata: {labels: {app: {$in: [lamp]}}}}\n"
    lab = make_lab(tmp_path, tasks, NOTE)
    noticed, missed = graded(lab, solved(lab, kinds=["Pod"]))
    assert missed == []
    assert "one Pod more, as it must not be" in {m.description for m in noticed}


def test_each_branch_of_any_of_is_tried_without_the_others(tmp_path: Path) -> None:
    tasks = """
    - id: note
      title: Write it
      checks:
      - any_of:
        - match: {apiVersion: v1, kind: ConfigMap, metadata: {name: note}, data: {colour: red, size: large}}
        - match: {apiVersion: v1, kind: Pod, metadata: {name: p0}, status: {phase: Running}}
    """
    lab = make_lab(tmp_path, tasks, NOTE)
    noticed, missed = graded(lab, solved(lab, pods(1)))
    of_checks = {(m.kind, m.path) for m in noticed if m.task}
    assert {("ConfigMap", "data.colour"), ("Pod", "status.phase")} <= of_checks
    assert not [m for m in missed if m.task]
    # Either is enough, so the solution's own way may be left: that is for the lab's `free` to say.
    assert {m.kind for m in missed} == {"ConfigMap"}


def call(**fields: Any) -> Call:
    plain = {"at": "", "user": "student", "verb": "delete", "group": "", "resource": "pods", "subresource": "",
             "namespace": "lamp", "name": "p0", "user_agent": "kubectl/v1.36", "code": 200}  # fmt: skip
    return Call(**{**plain, **fields})


def test_the_students_calls_are_others(tmp_path: Path) -> None:
    tasks = WHOLE_NOTE + "  - audit: {verb: delete, resource: pods, name: p0, user_agent: kubectl}\n"
    lab = make_lab(tmp_path, tasks, NOTE)
    noticed, missed = graded(lab, solved(lab, calls=[call(), call(verb="get")]))
    assert missed == []
    said = {m.path for m in noticed if not m.kind}
    assert said == {"*", "verb", "resource", "name", "user_agent", "succeeded"}


@pytest.mark.parametrize(
    ("probe", "reply"),
    [
        ("http: {pod: web, port: 80, status: 200}", Reply("answered", code=200)),
        ("http: {pod: web, port: 80}", Reply("answered", code=500)),
        ("dns: {name: gone, resolves: false}", Reply("unanswered", "no-such-name")),
        ("exec: {pod: web, command: [id]}", Reply("answered", code=0)),
    ],
)
def test_what_a_probe_was_replied_is_the_opposite(tmp_path: Path, probe: str, reply: Reply) -> None:
    """At every look, so that a check that must hold notices as well."""
    lab = make_lab(tmp_path, WHOLE_NOTE + f"  - probe: {{{probe}}}\n    hold: 2s\n", NOTE)
    spec = ProbeSpec.model_validate(yaml.safe_load(f"{{{probe}}}"))
    asked = {"note/1": Probed(question(spec), (reply,))}
    seen = solved(lab)
    looks = [replace(seen.now, seconds=seconds, probes=asked) for seconds in (-3.0, -1.0, 0.0)]
    real = replace(seen, now=looks[-1], earlier=looks[:-1], capabilities=frozenset({"pods"}))
    noticed, missed = graded(lab, real)
    assert missed == []
    (opposite,) = [one for one in noticed if "opposite" in one.description]
    assert all(look.probes != asked for look in (opposite.mutate(real).now, *opposite.mutate(real).earlier))
    assert opposite.mutate(seen).now == seen.now


def test_earlier_looks_are_broken_too(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WHOLE_NOTE + "    hold: 2s\n", NOTE)
    evidence = solved(lab)
    objects = [m.object for m in labfile.solution(lab).manifests]
    held = Evidence(**{**fields(evidence), "earlier": [snapshot(objects, -3.0), snapshot(objects, -1.0)]})
    report = evaluate(lab, held, explain=False)
    for one in mutants(lab, held, report, labfile.solution(lab).manifests):
        after = one.mutate(held)
        assert all(look.lists != held.now.lists for look in after.earlier), one.description


def test_a_secret_written_as_text_is_broken_as_it_is_stored(tmp_path: Path) -> None:
    tasks = """
    - id: key
      title: Keep it
      checks:
      - match: {apiVersion: v1, kind: Secret, metadata: {name: key}, data: {key: YWJj}}
    """
    lab = make_lab(tmp_path, tasks, "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: abc}\n")
    evidence = solved(lab)
    stored = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"key": "YWJj"}}]
    noticed, missed = graded(lab, Evidence(**{**fields(evidence), "now": snapshot(stored)}))
    assert missed == []
    assert ("stringData.key", 4) in {(m.path, m.line) for m in noticed if m.task is None}


def test_a_field_whose_absence_means_the_same_is_not_taken_away(tmp_path: Path) -> None:
    tasks = """
    - id: lamp
      title: Light it
      checks:
      - match: {apiVersion: v1, kind: Pod, metadata: {name: lamp}, spec: {hostNetwork: false}}
    """
    solution = "apiVersion: v1\nkind: Pod\nmetadata: {name: lamp}\nspec: {hostNetwork: false}\n"
    lab = make_lab(tmp_path, tasks, solution)
    noticed, missed = graded(lab, solved(lab))
    assert missed == []
    assert {m.description for m in noticed if m.path == "spec.hostNetwork"} == {
        "Pod lamp: spec.hostNetwork is True instead of False"
    }


@pytest.mark.parametrize("text", ["web", "aaa", "a", "", "8080", "a.b", "nginx:1.27"])
def test_a_misspelt_text_is_another(text: str) -> None:
    assert misspelt(text) != text
