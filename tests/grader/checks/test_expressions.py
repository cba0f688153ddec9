"""CEL: what is true, what is the student's, what is the author's, and that nothing runs away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from grader.checks import PatternError
from grader.checks.expressions import CannotEvaluate, Verdict, compile_expression, regex

NOW = "2026-01-01T00:00:00Z"
PODS = [
    {"metadata": {"name": "a"}, "spec": {"cpu": "500m", "ports": [80, 443]}, "status": {"phase": "Running"}},
    {"metadata": {"name": "b"}, "spec": {"cpu": "1", "ports": []}, "status": {}},
]


def evaluate(source: str, pods: Sequence[Any] = PODS, params: Mapping[str, Any] | None = None) -> Verdict:
    return compile_expression(source, ["pods"]).evaluate({"pods": pods}, params or {}, NOW)


@pytest.mark.parametrize(
    "source",
    [
        "size(pods) == 2",
        "pods.exists(p, p.metadata.name == 'a')",
        "pods.all(p, quantity(p.spec.cpu) <= 1)",
        "pods.exists(p, quantity(p.spec.cpu) == quantity('0.5'))",
        "quantity('1Gi') == quantity('1024Mi') && quantity(2) > quantity(1.5)",
        "params.port == 8080 && params['name'] == 'web'",
        "now == timestamp('2026-01-01T00:00:00Z')",
        "now - duration('1h') < timestamp('2025-12-31T23:30:00Z')",
        "pods[0].metadata.name.matches('^a$')",
        "pods.exists(p, has(p.status.phase) && p.status.phase == 'Running')",
        "pods.filter(p, p.status.?phase.orValue('') == 'Running').size() == 1",
        "'a,b'.split(',').size() == 2 && 'A'.lowerAscii() == 'a'",
        "math.greatest(1, 2) == 2",
        "cel.bind(first, pods[0], first.metadata.name == 'a')",
        "pods[0].spec.ports.map(p, p + 1) == [81, 444]",
    ],
)
def test_true(source: str) -> None:
    assert evaluate(source, params={"port": 8080, "name": "web"}) == Verdict(holds=True)


def test_false() -> None:
    assert evaluate("size(pods) == 3") == Verdict(holds=False)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("pods.all(p, p.status.phase == 'Running')", '"phase" is not set'),
        ("pods[5].metadata.name == 'x'", "there is no item 5 in a list of 2"),
        ("pods[0].metadata.name > 3", "a value is of another type"),
        ("pods[0].metadata.name.first == 'a'", "a field that should hold others does not"),
        ("quantity(pods[0].metadata.name) > 1", '"a" is not a quantity'),
        ("quantity(pods[0].spec.ports) > 1", "a value is of another type"),
        ("timestamp(pods[0].metadata.name) < now", "Timestamp conversion failed"),
        ("1 / size(pods[1].spec.ports) > 1", "divide by zero"),
        ("params.port == 1", '"port" is not set'),
    ],
)
def test_what_the_data_lacks_is_not_true(source: str, missing: str) -> None:
    found = evaluate(source)
    assert found.holds is False
    assert found.missing is not None
    assert missing in found.missing


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("pods.exists(p,", "cel: line 1, column 15: Syntax error"),
        ("size(pods) ==\n  podz", "cel: line 2, column 3: undeclared reference to 'podz'; there are pods, params, now"),
        ("'a' + 1 == 2", "cel: line 1, column 5: found no matching overload for '_+_'"),
        ("size(pods)", "cel: the expression gives int, and must be true or false: size(pods)"),
        ("pods.map(p, p.metadata)", "cel: the expression gives list<dyn>"),
        ("", "cel: line 1, column 1: Syntax error"),
        ("(" * 1000 + "true" + ")" * 1000, "cel: "),
        ("'" + "a" * 200_000 + "' == ''", "cel: "),
    ],
)
def test_what_cannot_be_right_on_any_cluster(source: str, sentence: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_expression(source, ["pods"])
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["params", "now", "my-pods", "in", "1st", ""])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(PatternError, match="with"):
        compile_expression("true", [name])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("pods[0].metadata.name", "gives a, not true or false"),
        ("'x'.matches('(')", "invalid regular expression"),
    ],
)
def test_faults_that_only_show_when_it_is_run(source: str, sentence: str) -> None:
    with pytest.raises(CannotEvaluate, match=sentence):
        evaluate(source)


def test_a_runaway_comprehension_ends() -> None:
    many = [{"i": i} for i in range(500)]
    with pytest.raises(CannotEvaluate, match=r"more than 10,000 steps; bring in fewer objects"):
        evaluate("pods.all(a, pods.all(b, pods.all(c, a.i + b.i + c.i >= 0)))", many)


def test_five_thousand_objects_are_no_runaway() -> None:
    assert evaluate("pods.all(p, p.i >= 0)", [{"i": i} for i in range(5000)]).holds


def test_hostile_data_neither_crashes_nor_hangs() -> None:
    deep: dict[str, Any] = {}
    for _ in range(1000):  # orjson reads no deeper
        deep = {"a": deep}
    odd = [deep, {"a": "x" * 1_000_000}, {"a": 2**63 - 1}, {"\x00": "\x1b[31m\u202e"}]
    assert evaluate("size(pods) == 4", odd).holds
    assert evaluate("pods.all(p, !has(p.a) || p.a != 1)", odd).holds


def test_an_expression_keeps_nothing_of_the_last_evaluation() -> None:
    compiled = compile_expression("size(pods) == 1", ["pods"])
    assert [compiled.evaluate({"pods": [{}] * n}, {}, NOW).holds for n in (1, 2, 1)] == [True, False, True]


def test_regex_is_a_search_in_linear_time() -> None:
    assert regex("b+")("abc")
    assert not regex("^b")("abc")
    assert not regex("(x+x+)+y")("x" * 1_000_000)
    assert not regex("^x$")("\ud800")
