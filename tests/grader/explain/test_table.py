"""docs/explanations.md, the rules and the mistakes that are proved on a cluster are one list."""

from __future__ import annotations

import re
from pathlib import Path

import grader.explain.rules  # noqa: F401 - registers them
from grader.explain.mistakes import MISTAKES
from tests.grader.explain.scenarios import Scenario, scenarios

_DOCUMENT = Path(__file__).parents[3] / "docs" / "explanations.md"
_ROW = re.compile(r"^\| `(?P<mistake>[a-z-]+)` \| (?P<did>[^|]+) \| (?P<says>.+) \|$", re.MULTILINE)


def _rows() -> list[tuple[str, str, str]]:
    return [(m["mistake"], m["did"], m["says"]) for m in _ROW.finditer(_DOCUMENT.read_text())]


def _row(scenario: Scenario) -> tuple[str, str, str]:
    return scenario.mistake, scenario.did, scenario.says.replace("${ns}", "shop").replace("*", "…")


def test_every_rule_has_a_row_and_every_row_a_rule() -> None:
    documented = [mistake for mistake, _, _ in _rows()]
    assert len(documented) == len(set(documented))
    assert set(documented) == MISTAKES.names()


def test_every_row_is_proved_on_a_cluster_word_for_word() -> None:
    assert {_row(s) for s in scenarios()} == set(_rows())


def test_there_are_more_than_twenty() -> None:
    assert len(MISTAKES.names()) > 20
