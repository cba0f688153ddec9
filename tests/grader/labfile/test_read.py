"""Reading a lab: what is in it, and every fault with its line."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.labfile import LabFaults, read
from grader.labfile.parameters import draw, replace
from grader.labfile.schema import Cel, Match
from grader.model import LabError
from tests.grader.labfile.labs import LAB, README, changed, write


def faults(folder: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(LabFaults) as caught:
        read(folder)
    return [(f.path.name, f.line, f.message) for f in caught.value.faults]


def test_a_lab(tmp_path: Path) -> None:
    lab = read(write(tmp_path), params={"port": 9090})
    assert (lab.slug, lab.number, lab.params) == ("services", "09", {"port": 9090})
    check, expression = lab.spec.tasks[0].checks
    assert isinstance(check, Match)
    assert check.match["spec"]["ports"] == [{"port": 9090}]
    assert isinstance(expression, Cel)
    assert expression.with_["slices"]["kind"] == "EndpointSlice"
    assert "port 9090, whatever ${HOME} is" in lab.readme()


def test_lines(tmp_path: Path) -> None:
    lab = read(write(tmp_path))
    where = LAB.splitlines().index
    assert lab.line("tasks", 0, "checks", 0, "match", "kind") == where("      kind: Service") + 1
    assert lab.line("tasks", 0, "checks", 1, "with", "slices", "kind") == len(LAB.splitlines())
    assert lab.line("tasks", 0, "checks", 1, "hold") == where("  - cel: slices.exists(s, size(s.endpoints) == 3)") + 1
    assert lab.line("nothing", 3) == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("  - match:", "  - mach:", 14, 'unknown field "mach"; did you mean "match"?'),
        ("minutes:", "minuets:", 3, 'unknown field "minuets"; did you mean "minutes"?'),
        ("  points: 3", "  points: -3", 12, '"points" must be more than 0, not -3'),
        ("  points: 3", '  points: "3"', 12, '"points" must be a number, not "3"'),
        ("  points: 3", "  points: true", 12, '"points" must be a number, not true'),
        ("  points: 3", "  points: .inf", 12, ".inf is a number that JSON cannot hold"),
        ("minutes: 25", "minutes: 2.5", 3, '"minutes" must be a whole number, not 2.5'),
        ("title: Services", "title: 5", 1, '"title" must be text, not 5'),
        ("title: Services", "title:", 1, '"title" must be text, not empty'),
        ("beginner", "beginer", 4, 'did you mean "beginner"?'),
        ("[nginx:1.27]", "[1.27]", 6, '"images" must be text, not 1.27'),
        ("namespace: shop", "namespace: Shop", 5, '"namespace" is "Shop", which is not of the form'),
        ("      apiVersion: v1\n", "", 14, "a partial object needs apiVersion as text"),
        ("{choose: [8080, 8081, 9090]}", "{choose: []}", 8, '"choose" must hold at least 1'),
        ("  port: {", "  Port: {", 8, '"Port" is "Port", which is not of the form'),
        ("    with:", "    absent: {}\n    with:", 19, "a check is of one kind, here are absent and cel"),
        ("    with:", "    wiht:", 20, 'unknown field "wiht"; did you mean "with"?'),
        ("    with:", "    with_:", 20, 'unknown field "with_"; did you mean "with"?'),
        ("    with:", "    hold: 3 weeks\n    with:", 20, '"3 weeks" is not a span of time'),
        ("    with:", "    needs: [pod]\n    with:", 20, 'did you mean "pods"?'),
        ("    with:", "    hidden: yes\n    with:", 20, '"hidden" must be true or false, not "yes"'),
        ("    with:", "    points: 4\n    with:", 10, 'the checks of task "expose" are worth 4 points, the task 3'),
        ("    with:", "    points: 3\n    with:", 10, "leave none for the others"),
        ("    with:", "    cel: x\n    with:", 20, '"cel" stands here a second time'),
        ("    with:", "\twith:", 20, "indent with spaces"),
        ("title: Services", "title: 'Services", 1, "broken YAML"),
        ("title: Services", "title: !include x", 1, 'the tag "!include" means nothing here'),
        ("title: Services", "title: &a [*a]", 1, "alias that contains itself"),
        ("minutes: 25", "minutes: 025", 3, "025 may be octal or decimal"),
        ("title: Services", "? [a]\n: b", 1, "a key must be a single word"),
        ("tasks:", "---\ntasks:", 10, "this is a second one"),
    ],
)
def test_a_fault_and_its_line(old: str, new: str, line: int, said: str, tmp_path: Path) -> None:
    found = faults(write(tmp_path, changed(old, new)))
    matching = [f for f in found if said in f[2]]
    assert matching, found
    assert matching[0][:2] == ("lab.yaml", line)


def test_all_faults_at_once_and_each_once(tmp_path: Path) -> None:
    source = (
        LAB.replace("level: beginner", "level: x").replace("minutes", "minute").replace("  points: 3", "  points: 0")
    )
    found = faults(write(tmp_path, {"lab.yaml": source, "README.md": ""}, name="09_services"))
    assert len(found) == len(set(found)) == 6
    assert [(name, line) for name, line, _ in found] == [
        ("09_services", 0),
        ("README.md", 0),
        ("lab.yaml", 1),
        ("lab.yaml", 3),
        ("lab.yaml", 4),
        ("lab.yaml", 12),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# nothing\n", "is empty"),
        ("- a list\n", "lab.yaml is a mapping"),
        ("just text\n", "lab.yaml is a mapping"),
        ("a: \x07\n", "a character that YAML does not allow"),
        ("[" * 200_000, "nested deeper"),
        ("x: " + "[" * 150 + "]" * 150, "nested deeper"),
        ("a" * 3_000_000, "bytes are too many"),
    ],
)
def test_a_file_that_is_no_lab(content: str, said: str, tmp_path: Path) -> None:
    assert any(said in message for _, _, message in faults(write(tmp_path, {"lab.yaml": content})))


def test_not_utf8(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "lab.yaml").write_bytes(b"title: x\nsummary: caf\xe9\n")
    assert faults(folder) == [("lab.yaml", 2, "is not UTF-8; save the file in that encoding")]


def test_an_alias_bomb(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    assert any(
        "once its aliases are expanded" in message for _, _, message in faults(write(tmp_path, {"lab.yaml": bomb}))
    )


def test_aliases_and_merges_work(tmp_path: Path) -> None:
    source = LAB.replace("metadata: {name: web}", "metadata: &web {name: web}").replace(
        "kind: EndpointSlice}", "kind: EndpointSlice, metadata: {<<: *web, labels: {a: b}}}"
    )
    check = read(write(tmp_path, {"lab.yaml": source})).spec.tasks[0].checks[1]
    assert isinstance(check, Cel)
    assert check.with_["slices"]["metadata"] == {"name": "web", "labels": {"a": "b"}}


def test_no_tasks_no_lab_file_no_folder(tmp_path: Path) -> None:
    source = LAB[: LAB.index("tasks:")]
    assert faults(write(tmp_path, {"lab.yaml": source})) == [("lab.yaml", 1, 'missing field "tasks"; add it')]
    folder = write(tmp_path, name="10-other")
    (folder / "lab.yaml").unlink()
    assert faults(folder) == [("lab.yaml", 0, "there is no such file; a lab needs a lab.yaml")]
    with pytest.raises(LabError, match="there is no such folder"):
        read(tmp_path / "11-none")


def test_the_words_of_yaml_1_2_stay_text(tmp_path: Path) -> None:
    source = LAB.replace(
        "images: [nginx:1.27]", "concepts: [on, yes, n, 12:30, 0x1F, !!str 5, 1e3x, 2026-01-01]"
    ).replace("0x1F", '"0x1F"')
    concepts = read(write(tmp_path, {"lab.yaml": source})).spec.concepts
    assert concepts == ("on", "yes", "n", "12:30", "0x1F", "5", "1e3x", "2026-01-01")


def test_the_draw_is_the_documented_one(tmp_path: Path) -> None:
    choices = [8080, 8081, 9090]
    digest = hmac.new(b"s3cret", b"services\0ada\0port", hashlib.sha256).hexdigest()
    expected = choices[int(digest, 16) % 3]
    folder = write(tmp_path)
    assert read(folder, student="ada", secret="s3cret").params == {"port": expected}
    more = LAB.replace("parameters:\n", "parameters:\n  colour: {choose: [red, blue]}\n")
    assert read(write(tmp_path, {"lab.yaml": more}), student="ada", secret="s3cret").params["port"] == expected


def test_the_number_of_a_lab_changes_no_draw(tmp_path: Path) -> None:
    drawn = [read(write(tmp_path, name=name), student="ada").params for name in ("09-services", "12-services")]
    assert drawn[0] == drawn[1]


def test_every_choice_is_drawn() -> None:
    names = [draw([1, 2, 3], slug="a", student=f"s{i}", secret="", name="p") for i in range(60)]
    assert set(names) == {1, 2, 3}


def test_values_drawn_before_win_and_others_are_drawn(tmp_path: Path) -> None:
    source = LAB.replace("parameters:\n", "parameters:\n  colour: {choose: [red]}\n")
    lab = read(write(tmp_path, {"lab.yaml": source}), params={"port": 1234, "gone": 1})
    assert lab.params == {"port": 1234, "colour": "red"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"${port}"', 8080),
        ('!!str "${port}"', "8080"),
        ('"p${port}"', "p8080"),
        ('"${prot}"', "${prot}"),
        ("${port}", None),
    ],
)
def test_a_parameter_keeps_its_type_where_it_is_the_whole_value(written: str, value: Any, tmp_path: Path) -> None:
    # In a flow mapping a bare ${port} is broken YAML: the quotes are needed there.
    folder = write(tmp_path, changed('"${port}"', written))
    if value is None:
        assert "broken YAML" in faults(folder)[0][2]
        return
    check = read(folder, params={"port": 8080}).spec.tasks[0].checks[0]
    assert isinstance(check, Match)
    assert check.match["spec"]["ports"][0]["port"] == value


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.integers()))
def test_replacing_touches_declared_names_only(text: str, params: dict[str, int]) -> None:
    holes = text.replace("${", "$ {")
    assert replace(holes, params) == holes
    for name, value in params.items():
        assert replace(f"{holes}${{{name}}}${{{name}_other_x}}", params) == f"{holes}{value}${{{name}_other_x}}"


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    folder = write(tmp_path)
    first = read(folder).digest
    assert read(write(tmp_path / "copy")).digest == first
    (folder / ".swp").write_text("x")
    (folder / "README.md~").write_text("x")
    assert read(folder).digest == first
    (folder / "README.md").write_text(README + "\n")
    second = read(folder).digest
    assert second != first
    (folder / "solution" / "web.yaml").rename(folder / "solution" / "wbe.yaml")
    assert read(folder).digest not in (first, second)
