"""What instructors read: every field has its line in docs/lab-format.md, and the published schema is current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from grader.checks import OPERATORS
from grader.labfile import export, read, schema, wrongs
from grader.labfile.steps import WrongHeader
from tests.grader.labfile.labs import write

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "lab-format.md").read_text("utf-8")


def row(word: str, text: str) -> bool:
    """Whether a table's row is about a word, or a row of a probe's fields names it."""
    return re.search(rf"^\|[^|]*`{re.escape(word)}`", text, re.MULTILINE) is not None


def section(heading: str) -> str:
    start = DOCS.index(heading)
    end = re.search(r"^#+ ", DOCS[start + len(heading) :], re.MULTILINE)
    return DOCS[start : start + len(heading) + end.start()] if end else DOCS[start:]


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (schema.Lab, "## lab.yaml\n"),
        (schema.Task, "### A task"),
        (schema.CheckBase, "### Every check"),
        (schema.Free, "### Free choices"),
        (WrongHeader, "## wrong/"),
    ],
)
def test_every_field_has_a_row(model: type[BaseModel], heading: str) -> None:
    missing = [name for name in model.model_fields if not row(name, section(heading))]
    assert missing == []


def test_every_check_kind_operator_and_their_fields_are_told() -> None:
    kinds = section("### Check kinds")
    assert [kind for kind in schema.CHECK_KINDS if not row(kind, kinds)] == []
    assert [name for name in OPERATORS if not re.search(rf"^\|[^|]*\{{{re.escape(name)}\b", kinds, re.MULTILINE)] == []
    assert [name for name in schema.CallPattern.model_fields if not row(name, kinds)] == []
    for name, probe in (
        ("http", schema.HttpProbe),
        ("tcp", schema.TcpProbe),
        ("dns", schema.DnsProbe),
        ("exec", schema.ExecProbe),
        ("logs", schema.LogsProbe),
    ):
        line = next(text for text in kinds.splitlines() if text.startswith(f"| `{name}` |"))
        assert [field for field in probe.model_fields if f"`{field}`" not in line] == []
    assert [field for field in schema.CountOf.model_fields if f"`{field}`" not in kinds] == []
    assert [field for field in schema.Parameter.model_fields if f"`{field}`" not in section("### Parameters")] == []


def test_every_field_has_a_description_for_editors() -> None:
    made = export.schema()
    bare = [
        f"{name}.{field}"
        for name, part in {**made["$defs"], "Lab": made}.items()
        for field, value in part["properties"].items()
        if "description" not in value
    ]
    assert bare == []


def test_the_published_schema_is_current() -> None:
    published = (ROOT / "labs" / "lab.schema.json").read_text("utf-8")
    assert published == export.text(), "run `python -m grader.labfile.export`"


def test_a_parameter_may_stand_where_numbers_and_words_are_asked_for() -> None:
    fields = export.schema()["$defs"]["Task"]["properties"]
    hole = {"type": "string", "pattern": r"\$\{[a-z][a-z0-9_]*\}"}
    assert hole in fields["points"]["anyOf"]
    assert hole in fields["score"]["anyOf"]
    choices = export.schema()["$defs"]["Parameter"]["properties"]["choose"]["items"]
    assert json.dumps(hole) not in json.dumps(choices)


def test_the_example_is_a_lab(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(?:yaml|sh)\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    example = next(block for block in blocks if "\ntitle: Services" in block)
    wrong = next(block for block in blocks if block.startswith("seatrial:"))
    script = next(block for block in blocks if block.startswith("#!/usr/bin/env bash"))
    folder = write(tmp_path, {"lab.yaml": example, "wrong/01-typo.yaml": wrong, "wrong/02-open.sh": script})
    assert [w.loses for w in wrongs(read(folder))] == [{"expose": 3}, {"no-nodeport": 1}]
