"""A whole lab: each fault is found, at its line, together with all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.labfile import catalogue, read, wrongs
from grader.lint import lint, new
from grader.model import LabError
from tests.grader.labfile.labs import LAB, README, SOLUTION, WRONG, changed, write

SCRIPT = LAB + "  - script: check.sh\n"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  serviceAccountName: robot
  containers:
  - name: shell
    image: busybox:1.36
    env:
    - {name: A, valueFrom: {configMapKeyRef: {name: conf, key: colour}}}
    - {name: B, valueFrom: {secretKeyRef: {name: pass, key: word, optional: true}}}
    envFrom: [{secretRef: {name: pass}}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: conf, configMap: {name: conf}}
"""
FREE = 'level: beginner\nfree: [{kind: Service, why: x, path: "spec.ports'
CONF = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {color: "red"}\n'


def found(folder: Path) -> list[tuple[str, int, str]]:
    return [(f.path.relative_to(folder.parent).as_posix().partition("/")[2], f.line, f.message) for f in lint(folder)]


def test_a_sound_lab_has_no_faults(tmp_path: Path) -> None:
    assert found(write(tmp_path)) == []


@pytest.mark.parametrize("folder", catalogue(), ids=lambda p: p.name)
def test_the_labs_of_this_checkout_have_none(folder: Path) -> None:
    assert [str(fault) for fault in lint(folder)] == []


@pytest.mark.parametrize(
    ("files", "path", "line", "said"),
    [
        # the lab's own file
        (changed("  - match:", "  - mach:"), "lab.yaml", 14, 'did you mean "match"?'),
        (changed("[nginx:1.27]", "[nginx]"), "lab.yaml", 6, 'image "nginx" is not pinned'),
        (changed("[nginx:1.27]", "[nginx:latest]"), "lab.yaml", 6, ":latest changes"),
        (changed("[nginx:1.27]", "['host:5000/nginx']"), "lab.yaml", 6, "is not pinned"),
        (changed("[nginx:1.27]", "['no image']"), "lab.yaml", 6, "is not the name of an image"),
        (changed("level:", "after: [deploymnts]\nlevel:"), "lab.yaml", 4, 'did you mean "deployments"?'),
        (changed("level:", "after: [services]\nlevel:"), "lab.yaml", 4, 'there is no other lab "services"'),
        (changed("level:", "after: [dns]\nlevel:"), "lab.yaml", 4, "number 10 is higher"),
        (changed("      spec: {ports", "      spec: {port"), "lab.yaml", 18, 'no field "port"; did you mean "ports"?'),
        (changed("kind: Service\n", "kind: Servise\n"), "lab.yaml", 16, 'no kind v1 Servise; did you mean "Service"?'),
        (changed("EndpointSlice}", "EndpointSlice, endpoint: []}"), "lab.yaml", 21, 'did you mean "endpoints"?'),
        (changed("discovery.k8s.io/v1,", "discovery.k8s.io/v1beta1,"), "lab.yaml", 21, "removed in Kubernetes 1.25"),
        (changed("size(s.endpoints)", "size(s.endpoints"), "lab.yaml", 19, "cel"),
        (changed("slices.exists", "slice.exists"), "lab.yaml", 19, "undeclared reference"),
        (changed("{name: web}", '{name: {$regex: "("}}'), "lab.yaml", 17, "$regex"),
        (changed("{name: web}", '{name: {$regx: "a"}}'), "lab.yaml", 17, "$regx"),
        (changed("  port: {", "  colour: {choose: [a]}\n  port: {"), "lab.yaml", 8, "nothing uses the parameter"),
        (changed('"${port}"', '"${prot}"'), "lab.yaml", 18, 'did you mean "${port}"?'),
        (changed("title: Services", 'title: "Services ${HOME}"'), "lab.yaml", 1, "declare it under parameters"),
        (changed("  - match:", "  - absent:", LAB[: LAB.index("  - cel")]), "lab.yaml", 13, "holds before any work"),
        ({"lab.yaml": SCRIPT, "check.sh": "exit 0"}, "lab.yaml", 22, "a script cannot be explained"),
        ({"lab.yaml": SCRIPT}, "lab.yaml", 22, 'there is no script "check.sh"'),
        (changed("level:", "free: [{kind: Servce, path: '*', why: x}]\nlevel:"), "lab.yaml", 4, 'mean "Service"?'),
        (changed("level: beginner", FREE + '[].prt"}]'), "lab.yaml", 5, 'no field "prt"; did you mean "port"?'),
        (changed("level: beginner", FREE + '.port"}]'), "lab.yaml", 5, 'needs [] before ".port"'),
        (changed("level: beginner", FREE + '[].port[]"}]'), "lab.yaml", 5, "is no list"),
        (changed("level: beginner", FREE + '[].port.x"}]'), "lab.yaml", 5, "a single value"),
        # README.md
        ({"README.md": ""}, "README.md", 0, "there is no such file"),
        ({"README.md": README.replace("Put a", "Put the")}, "README.md", 3, 'this section is called "Put the Service'),
        ({"README.md": README.replace("## Put", "# Put")}, "README.md", 0, "write \"## Put a Service in front\""),
        ({"README.md": README + "\n## Put a Service in front\n"}, "README.md", 7, "has a section already"),
        ({"README.md": README.replace("${port}", "${prot}")}, "README.md", 5, 'did you mean "${port}"?'),
        # manifests
        ({"solution/web.yaml": SOLUTION.replace("nginx:1.27", "nginx")}, "solution/web.yaml", 6, "is not pinned"),
        ({"solution/web.yaml": SOLUTION.replace("apps/v1", "apps/v1beta1")}, "solution/web.yaml", 1, "use apps/v1"),
        ({"solution/web.yaml": SOLUTION.replace("r: {app: web}\n", "r: {app: wbe}\n")}, "solution/web.yaml", 12,
         "no Pod of this lab has the labels app=wbe; the Pods of this lab have app=web"),
        ({"solution/web.yaml": SOLUTION.replace("ports:", "prots:")}, "solution/web.yaml", 13, 'did you mean "ports"?'),
        ({"solution/web.yaml": SOLUTION + "---\na: [\n"}, "solution/web.yaml", 19, "broken YAML"),
        ({"solution/web.yaml": ""}, "solution", 0, "the lab has no solution"),
        ({"setup/a.yaml": POD}, "setup/a.yaml", 5, 'nothing creates ServiceAccount "robot"'),
        ({"setup/a.yaml": POD, "setup/b.yaml": CONF}, "setup/a.yaml", 10, 'has no key "colour"; did you mean "color"?'),
        ({"setup/a.yaml": POD}, "setup/a.yaml", 12, 'nothing creates Secret "pass"'),
        ({"setup/a.yaml": POD}, "setup/a.yaml", 14, 'nothing creates PersistentVolumeClaim "data"'),
        ({"setup/a.yaml": POD.replace("{name: conf}", "{name: cfg}")}, "setup/a.yaml", 15, 'creates ConfigMap "cfg"'),
        ({"setup/a.yaml": CONF.replace("name: conf", "name: conf, namespace: kube-system")}, "setup/a.yaml", 3,
         "may not put anything into kube-system"),
        ({"setup/a.yaml": CONF.replace('"red"', "5")}, "setup/a.yaml", 4, "data.color must be text, not the number 5"),
        ({"setup/a.yaml": CONF.replace("ConfigMap", "Endpoints")}, "setup/a.yaml", 1, "deprecated since"),
        ({"setup/a.yaml": CONF.replace("name: conf", "name: conf, labels: {beta.kubernetes.io/os: linux}")},
         "setup/a.yaml", 3, "use kubernetes.io/os"),
        ({"setup/a.yaml": CONF.replace("v1\nkind: ConfigMap", "example.com/v1\nkind: Boat")}, "setup/a.yaml", 2,
         "no CustomResourceDefinition of this lab makes example.com/v1 Boat"),
        # known mistakes
        ({"wrong/01-typo.yaml": WRONG.replace("1.5", "0")}, "wrong/01-typo.yaml", 3, "must cost something"),
        ({"wrong/01-typo.yaml": WRONG.replace("expose", "x")}, "wrong/01-typo.yaml", 3, "which is no task"),
        ({"wrong/01-typo.yaml": WRONG.replace("ports", "port")}, "wrong/01-typo.yaml", 8, 'did you mean "ports"?'),
    ],
)  # fmt: skip
def test_a_fault_and_its_line(files: dict[str, str], path: str, line: int, said: str, tmp_path: Path) -> None:
    write(tmp_path, name="07-deployments")
    write(tmp_path, name="10-dns")
    faults = found(write(tmp_path, files))
    assert [(p, n) for p, n, message in faults if said in message] == [(path, line)], faults


def test_all_at_once_and_in_order(tmp_path: Path) -> None:
    files = {
        **changed("minutes", "minuets"),
        "README.md": "",
        "solution/web.yaml": SOLUTION.replace("ports:", "prots:"),
        "setup/a.yaml": CONF.replace('"red"', "5"),
    }
    faults = found(write(tmp_path, files))
    assert [path for path, _, _ in faults] == [
        "README.md",
        "lab.yaml",
        "lab.yaml",
        "setup/a.yaml",
        "solution/web.yaml",
        "solution/web.yaml",
    ]


def test_every_choice_of_a_parameter_is_looked_at(tmp_path: Path) -> None:
    files = changed("[8080, 8081, 9090]", "[8080, 80810, 9090]")
    assert [(p, m) for p, _, m in found(write(tmp_path, files))] == [
        ("solution/web.yaml", "Service web: spec.ports[1].port is 80810; a port is 1 to 65535")
    ]


def test_what_setup_breaks_and_the_solution_mends_is_no_fault(tmp_path: Path) -> None:
    broken = SOLUTION[SOLUTION.index("---") :].replace("selector: {app: web}", "selector: {app: wbe}")
    assert found(write(tmp_path, {"setup/web.yaml": broken})) == []


def test_what_a_script_mentions_counts_as_made(tmp_path: Path) -> None:
    service = SOLUTION[SOLUTION.index("---") :].replace("app: web", "app: shop")
    script = "kubectl create deployment shop --image nginx:1.27 --port ${port}\n"
    folder = write(tmp_path, {"solution/web.yaml": service})
    assert len(found(folder)) == 1
    assert found(write(tmp_path, {"solution/web.yaml": service, "solution/run.sh": script})) == []


def test_sections_in_code_and_around_the_tasks_are_free(tmp_path: Path) -> None:
    text = "# S\n\n## Before\n\n```sh\n## no heading\n```\n\n## Put a Service in front ##\n\n### More\n\n## After\n"
    assert found(write(tmp_path, {"README.md": text})) == []


def test_sections_out_of_order_and_between(tmp_path: Path) -> None:
    second = LAB[LAB.index("- id") :].replace("expose", "again").replace("Put a Service in front", "Again")
    text = "# S\n\n## Again\n\n## Between\n\n## Put a Service in front\n"
    files = {"lab.yaml": LAB + second, "README.md": text}
    assert [(n, m[:20]) for p, n, m in found(write(tmp_path, files)) if p == "README.md"] == [
        (5, 'section "Between" ha'),
        (7, "this section comes a"),
    ]


def test_a_definition_of_the_lab_makes_its_kind_known(tmp_path: Path) -> None:
    definition = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sails: {type: integer}}}}}}
---
apiVersion: example.com/v1
kind: Boat
metadata: {name: boat}
spec: {sail: 3}
"""
    assert [(n, m) for _, n, m in found(write(tmp_path, {"setup/boat.yaml": definition}))] == [
        (17, 'Boat boat: spec has no field "sail"; did you mean "sails"?')
    ]


def test_a_new_lab_has_no_faults(tmp_path: Path) -> None:
    first, second = new("my-topic", tmp_path / "labs"), new("other", tmp_path / "labs")
    assert (first.name, second.name) == ("01-my-topic", "02-other")
    assert lint(first) == lint(second) == []
    lab = read(first)
    assert lab.spec.title == "My topic"
    assert [sum(wrong.loses.values()) for wrong in wrongs(lab)] == [2, 1]
    assert sorted(p.name for p in (tmp_path / "labs").iterdir()) == ["01-my-topic", "02-other"]


@pytest.mark.parametrize(
    ("slug", "said"),
    [("My Topic", "cannot name a lab"), ("9lives", "cannot name a lab"), ("a" * 60, "50 at most"), ("dns", "already")],
)
def test_a_name_that_cannot_be(slug: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, name="10-dns")
    with pytest.raises(LabError, match=said):
        new(slug, tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "labs").write_text("a file")
    with pytest.raises(LabError, match="cannot be written"):
        new("topic", tmp_path / "labs")
