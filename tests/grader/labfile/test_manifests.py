"""Manifests read as kubectl reads them; the solution, and known mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusters.kubectl import kubectl
from grader.labfile import LabFaults, manifests, read, setup, solution, wrongs
from grader.labfile.faults import Fault
from grader.labfile.yamlfile import Dialect, documents
from tests.conftest import RealCluster
from tests.grader.labfile.labs import SOLUTION, WRONG, write

# Plain words whose meaning depends on who reads them.
WORDS = """
y Y n yes Yes YES no off Off on ON true True TRUE tRue ~ null Null NULL nUll
0 -0 +5 010 -010 0644 0o17 0x1F 0X1f 0b101 1_000 0_7 09 08 1__0 _1 0x 0o9 1- --1
1.5 .5 5. 1e3 1E3 1e+3 1.5e-3 -.5 +.5 1e 1.2.3 e5 . 0.10 1_0.5
12:30 1:2:3 2026-01-01 2026-01-01T00:00:00Z = abc a.b 100m 1Gi v1 <none>
""".split()  # noqa: SIM905 - sixty quotes would hide the words


def as_kubectl(words: list[str]) -> Any:
    source = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nwords:\n" + "".join(f"- {w}\n" for w in words)
    return source + "keys:\n" + "".join(f"  {w}: 1\n" for w in ("yes", "off", "null_", "12", "0x10", "010", "1.5", "a"))


@pytest.mark.cluster
def test_words_mean_what_kubectl_makes_of_them(cluster: RealCluster, tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(as_kubectl(WORDS))
    out = kubectl(cluster.admin, "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", path).stdout
    # A float that is whole is written without its point, which changes nothing for who reads the JSON.
    theirs = json.loads(out)
    ours = manifests(path, {})[0].object
    assert dict(zip(WORDS, ours["words"], strict=True)) == dict(zip(WORDS, theirs["words"], strict=True))
    assert ours["keys"] == theirs["keys"]


def test_parameters_read_as_if_typed_there(tmp_path: Path) -> None:
    service = manifests(write(tmp_path) / "solution", {"port": 9090})[1]
    assert service.object["spec"]["ports"] == [{"port": 80, "name": "p9090"}, {"name": "web", "port": 9090}]
    assert service.line("spec", "ports", 1, "port") == len(SOLUTION.splitlines())


def test_files_come_by_name_and_lists_fall_apart(tmp_path: Path) -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item, item]}, indent=1))
    (tmp_path / "a.yml").write_text("# nothing\n---\n---\n" + json.dumps({**item, "kind": "Secret"}))
    (tmp_path / "notes.txt").write_text("not a manifest")
    (tmp_path / ".hidden.yaml").write_text("[")
    found = manifests(tmp_path, {})
    assert [m.object["kind"] for m in found] == ["Secret", "ConfigMap", "ConfigMap"]
    assert found[2].line("kind") > found[1].line("kind") > 1
    assert manifests(tmp_path / "none", {}) == []


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("kind: Pod\nmetadata: {name: a}\n", 1, "needs apiVersion as text"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", 1, "this Pod has no name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 5}\n", 1, "this Pod has no name"),
        ("- a\n", 1, "a Kubernetes object is a mapping"),
        ("a: 1\n---\nb: [\n", 4, "broken YAML"),
        ("apiVersion: v1\nkind: Pod\nkind: Pod\nmetadata: {name: a}\n", 3, "a second time"),
    ],
)
def test_faults_of_manifests(source: str, line: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(source)
    with pytest.raises(LabFaults) as caught:
        manifests(tmp_path, {})
    assert [(f.line, said in f.message) for f in caught.value.faults if said in f.message] == [(line, True)]


def test_setup_and_solution(tmp_path: Path) -> None:
    script = "kubectl scale deployment web --replicas ${port} # ${PATH}\n"
    lab = read(write(tmp_path, {"solution/run.sh": script}), params={"port": 9090})
    assert setup(lab) == ()
    found = solution(lab)
    assert [m.object["kind"] for m in found.manifests] == ["Deployment", "Service"]
    assert found.script is not None
    assert found.script.text == "kubectl scale deployment web --replicas 9090 # ${PATH}\n"


def test_a_lab_without_solution(tmp_path: Path) -> None:
    lab = read(write(tmp_path, {"solution/web.yaml": ""}))
    with pytest.raises(LabFaults, match="the lab has no solution"):
        solution(lab)


def test_a_known_mistake(tmp_path: Path) -> None:
    more = WRONG.replace("seatrial:", "seatrial:\n  delete: [Deployment/web, Service/web]\n  instead_of: solution")
    script = (
        "#!/bin/sh\n# ---\n# seatrial:\n#   title: Gone\n#   loses: {expose: 3}\n# ---\nkubectl delete service web\n"
    )
    lab = read(write(tmp_path, {"wrong/02-more.yaml": more, "wrong/03-gone.sh": script}))
    typo, both, gone = wrongs(lab)
    assert (typo.title, typo.loses, typo.on_top, typo.delete) == ("The selector has a typo", {"expose": 1.5}, True, ())
    assert typo.manifests[0].object["spec"]["selector"] == {"app": "wbe"}
    assert (both.on_top, both.delete) == (False, ("Deployment/web", "Service/web"))
    assert gone.script is not None
    assert gone.script.text == script
    assert (gone.title, gone.loses, gone.manifests) == ("Gone", {"expose": 3}, ())


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("a.yaml", WRONG.replace("loses", "lose"), 3, 'unknown field "lose"; did you mean "loses"?'),
        ("a.yaml", WRONG.replace("expose", "exposed"), 3, 'points of "exposed", which is no task'),
        ("a.yaml", WRONG.replace("1.5", "4"), 3, 'loses 4 points of "expose", which has only 3'),
        ("a.yaml", WRONG.replace("1.5", "-1"), 3, '"expose" must be at least 0, not -1'),
        ("a.yaml", WRONG.replace("  title", "  instead_of: on_top\n  title"), 2, "must be one of solution"),
        ("a.yaml", WRONG.replace("  title", "  delete: [web]\n  title"), 2, "not of the form"),
        ("a.yaml", WRONG[WRONG.index("apiVersion") :], 1, "must begin with a document"),
        ("a.yaml", WRONG[: WRONG.index("---")], 1, "changes nothing"),
        ("a.yaml", "# nothing\n", 1, "must begin with a document"),
        ("a.sh", "kubectl get pods\n", 1, "needs a header in comments"),
        ("a.sh", "# ---\n# seatrial:\n#   titel: x\n#   loses: {}\n# ---\n", 3, 'did you mean "title"?'),
        ("a.sh", "#!/bin/sh\n\n# ---\n# seatrial: [\n# ---\n", 5, "broken YAML"),
        ("a.txt", "x", 0, "a .yaml file of objects or a .sh file"),
    ],
)
def test_faults_of_known_mistakes(name: str, content: str, line: int, said: str, tmp_path: Path) -> None:
    lab = read(write(tmp_path, {f"wrong/{name}": content, "wrong/01-typo.yaml": ""}))
    with pytest.raises(LabFaults) as caught:
        wrongs(lab)
    assert [(f.line) for f in caught.value.faults if said in f.message] == [line], caught.value.faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("ab:{}[]-,&*!|>'\"#%@` \n\t\\${<=0189.~?é\x00\u2028"), max_size=60))
def test_no_text_breaks_the_reader(tmp_path: Path, content: str) -> None:
    for dialect in Dialect:
        found: list[Fault] = []
        read_again = documents(tmp_path / "x.yaml", dialect, found, source=content)
        assert not (found and read_again)
        assert all(0 <= fault.line <= len(content.splitlines()) + 1 for fault in found)
