"""Points, outcomes and scores out of checks; explanations of what failed; and that nothing in an Evidence breaks it."""

from __future__ import annotations

import copy
import gc
import unicodedata
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import labfile
from grader.checks import plans, wants
from grader.evaluate import evaluate, shares
from grader.explain import related
from grader.labfile import LabFaults, LoadedLab
from grader.model import Evidence, EvidenceError, ObjectList, Observation, Outcome, Report, Snapshot
from tests.grader.checks.scenes import NOW, evidence, make_lab, make_tasks, thing

PASSED, FAILED, ERROR, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED
WEB = {"match": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}}


def graded(
    folder: Path, *outcomes: Outcome, points: float = 10, each: dict[int, float] | None = None, score: str = "sum"
) -> Report:
    """The report of one task whose checks come out as said."""
    found = [{"notebook": "a", **({"points": each[i]} if each and i in each else {})} for i in range(len(outcomes))]
    lab = make_lab(folder, *found, points=points, score=score)
    seen = {f"do/{i}": Observation(o, "seen") for i, o in enumerate(outcomes)}
    return evaluate(lab, evidence(lab, observations=seen))


@pytest.mark.parametrize(
    ("outcomes", "how", "expected"),
    [
        ((PASSED, PASSED), "sum", (10, 0, PASSED)),
        ((PASSED, FAILED), "sum", (5, 0, FAILED)),
        ((FAILED, FAILED), "sum", (0, 0, FAILED)),
        ((PASSED, SKIPPED), "sum", (5, 5, PASSED)),
        ((FAILED, SKIPPED), "sum", (0, 5, FAILED)),
        ((SKIPPED, SKIPPED), "sum", (0, 10, SKIPPED)),
        ((PASSED, FAILED), "all", (0, 0, FAILED)),
        ((FAILED, SKIPPED), "all", (0, 0, FAILED)),
        ((PASSED, SKIPPED), "all", (5, 5, PASSED)),
        ((PASSED, PASSED), "all", (10, 0, PASSED)),
        ((PASSED, PASSED, FAILED), "sum", (6.67, 0, FAILED)),
    ],
)
def test_points(
    tmp_path: Path, outcomes: tuple[Outcome, ...], how: str, expected: tuple[float, float, Outcome]
) -> None:
    score, skipped, of_task = expected
    report = graded(tmp_path, *outcomes, score=how)
    assert (report.score, report.points, report.skipped_points) == (score, 10, skipped)
    task = report.tasks[0]
    assert (task.score, task.points, task.skipped_points, task.outcome) == (score, 10, skipped, of_task)
    assert report.full_marks is (of_task in (PASSED, SKIPPED))


@pytest.mark.parametrize("others", [(PASSED,), (FAILED,), (SKIPPED,), ()])
def test_an_error_is_never_a_score(tmp_path: Path, others: tuple[Outcome, ...]) -> None:
    report = graded(tmp_path, ERROR, *others)
    assert report.score is None
    assert report.tasks[0].outcome is ERROR
    assert [c.id for c in report.errors] == ["do/0"]
    assert not report.full_marks


def test_stated_points_come_first_and_the_rest_is_shared(tmp_path: Path) -> None:
    report = graded(tmp_path, PASSED, FAILED, FAILED, each={0: 4})
    assert report.score == 4
    assert graded(tmp_path, FAILED, PASSED, FAILED, each={0: 4}).score == 3


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.1, 0.25, 0.5, 1])), min_size=1, max_size=9))
def test_shares_are_exact(tmp_path_factory: pytest.TempPathFactory, stated: list[float | None]) -> None:
    points = 10.0 if None in stated else float(sum(Fraction(repr(p)) for p in stated if p is not None))
    found = [{"notebook": "a", **({"points": p} if p is not None else {})} for p in stated]
    lab = make_lab(tmp_path_factory.mktemp("lab"), *found, points=points)
    assert sum(shares(lab.spec.tasks[0])) == Fraction(repr(points))


def test_thirds_add_up_to_the_whole(tmp_path: Path) -> None:
    tasks = [{"id": f"t{i}", "title": f"Task {i}", "points": 1, "checks": [WEB, WEB, WEB]} for i in range(3)]
    lab = make_tasks(tmp_path, *tasks)
    report = evaluate(lab, evidence(lab, [thing("Service")]))
    assert report.score == 3
    assert [t.score for t in report.tasks] == [1, 1, 1]


def test_the_same_evidence_gives_the_same_report(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WEB)
    seen = evidence(lab, [thing("Service", "wbe")])
    before = copy.deepcopy(seen)
    assert evaluate(lab, seen) == evaluate(lab, seen)
    assert seen == before


def test_another_labs_evidence(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WEB)
    other = Evidence("other", "shop", "ada", {}, "v1", frozenset(), Snapshot(NOW, 0.0, []))
    with pytest.raises(EvidenceError, match='of lab "other", not of "lamp"'):
        evaluate(lab, other)


def test_a_lab_that_cannot_be_compiled(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, {"cel": "1 +"})
    with pytest.raises(LabFaults, match=r"lab\.yaml:1: cel: line 1, column 4: Syntax error"):
        evaluate(lab, evidence(lab))


def test_compiled_checks_go_with_their_lab(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WEB, {"any_of": [WEB, WEB]})
    evaluate(lab, evidence(lab))
    known = {id(c) for c in lab.spec.tasks[0].checks}
    assert known <= {key for key, _ in plans._PLANS}
    gone = id(lab.spec)
    del lab
    gc.collect()
    assert not known & {key for key, _ in plans._PLANS}
    assert gone not in plans._SOUND


def test_what_failed_is_explained_and_what_passed_is_not(tmp_path: Path) -> None:
    labels = {"app": "web"}
    lab = make_lab(
        tmp_path,
        {"match": {**WEB["match"], "spec": {"selector": labels}}},
        WEB,
        {"match": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": labels}}},
    )
    objects = [thing("Service", spec={"selector": {"app": "wbe"}}), thing("Pod", labels=labels)]
    failed, *passed = evaluate(lab, evidence(lab, objects)).tasks[0].checks
    assert failed.why is not None
    assert "app=wbe" in failed.why
    assert [c.why for c in passed] == [None, None]
    assert all(c.why is None for c in evaluate(lab, evidence(lab, objects), explain=False).tasks[0].checks)


# Anything may stand in an Evidence ----------------------------------------------------------------------------------

LABS = [labfile.read(folder) for folder in labfile.catalogue()]
words = st.sampled_from(
    ["web", "app", "", "x" * 300, "\x1b[31m", "\u202e", "500m", "nginx:1.28", "1e999999", "Pending", "True"]
)
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), words, st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)


def filled(pattern: Any, draw: Any) -> Any:
    """Something like a partial object, with junk in places: what a check looks into rather than past."""
    if draw(st.integers(0, 5)) == 0:
        return draw(junk)
    if isinstance(pattern, dict):
        return {k: filled(v, draw) for k, v in pattern.items() if not k.startswith("$")}
    return [filled(v, draw) for v in pattern] if isinstance(pattern, list) else pattern


def partials(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = [value] if "kind" in value and "apiVersion" in value else []
        return own + [p for v in value.values() for p in partials(v)]
    return [p for v in value for p in partials(v)] if isinstance(value, list | tuple) else []


def one_plain_line(text: str) -> bool:
    """No line break, no terminal's escape, nothing that turns the direction of what follows."""
    overrides = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(c) in overrides for c in text
    )


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.slug)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_no_evidence_breaks_a_grade(lab: LoadedLab, data: st.DataObject) -> None:
    asked = partials(lab.spec.model_dump(by_alias=True))
    lists = []
    for want in sorted(wants(lab) | related(wants(lab)), key=str):
        alike = [p for p in asked if p["kind"] == want.kind] or [
            {"metadata": {"name": "web"}, "spec": {}, "status": {}}
        ]
        items = [{k: filled(v, data.draw) for k, v in p.items()} for p in alike if data.draw(st.booleans())]
        lists.append(ObjectList(want.api_version, want.kind, want.namespace, items))
    seen = Evidence(
        lab.slug,
        lab.spec.namespace,
        "ada",
        lab.params,
        "v1.36.3",
        frozenset(data.draw(st.sets(st.sampled_from(["pods", "metrics", "audit"])))),
        Snapshot(NOW, 1.0, lists),
        calls=(),
    )
    report = evaluate(lab, seen)
    assert len(report.tasks) == len(lab.spec.tasks)
    for check in (c for t in report.tasks for c in t.checks):
        assert len(check.message) <= 800
        assert one_plain_line(check.message)
        assert check.why is None or (len(check.why) <= 800 and one_plain_line(check.why))


def test_what_fails_while_a_part_of_the_cluster_has_ended_costs_nothing(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, WEB, {"notebook": "a"}, points=2)
    seen = evidence(lab, observations={"do/1": Observation(PASSED, "seen")})
    assert evaluate(lab, seen).score == 1
    ended = evaluate(lab, replace(seen, down=("kube-scheduler", "kwok-controller")))
    assert ended.score is None
    failed, passed = ended.tasks[0].checks
    assert (failed.outcome, passed.outcome) == (ERROR, PASSED)
    assert "kube-scheduler and kwok-controller of this cluster have ended" in failed.message
    assert "seatrial cluster start" in failed.message
    assert "No Service named web" in failed.message
