"""docs/checks.md has a line for every kind, every operator, every common field and every exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.checks import OPERATORS, places
from grader.checks.expressions import GIVEN, STEP_BUDGET
from grader.labfile.schema import CHECK_KINDS, CheckBase

DOCS = (Path(__file__).parents[3] / "docs" / "checks.md").read_text("utf-8")


def rows(word: str) -> list[str]:
    return re.findall(rf"^\| `{re.escape(word)}(?:\([a-z]\))?` \| .*\S.*\|$", DOCS, re.MULTILINE)


@pytest.mark.parametrize("word", [*CHECK_KINDS, *OPERATORS, *GIVEN, "quantity"])
def test_a_line_of_its_own(word: str) -> None:
    assert rows(word), f"docs/checks.md says nothing of {word}"


@pytest.mark.parametrize("field", CheckBase.model_fields)
def test_a_line_for_what_every_check_takes(field: str) -> None:
    assert re.search(rf"^`{field}`\n: \S", DOCS, re.MULTILINE)


def test_the_exceptions_of_absence_are_all_named() -> None:
    missing = sorted(name for name in places._ABSENCE_SAYS_MORE if f"`{name}`" not in DOCS)
    assert not missing


def test_the_budget_is_the_one_that_is_documented() -> None:
    assert f"{STEP_BUDGET:,} steps" in DOCS
