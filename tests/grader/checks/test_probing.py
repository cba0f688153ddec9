"""What a probe asks, and what its replies are worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from grader import evidence as documents
from grader.checks import judge
from grader.checks.probing import REASONS, question, told
from grader.evaluate import evaluate
from grader.labfile.schema import Probe
from grader.model import CheckResult, Evidence, Outcome, Probed, Reply, Snapshot
from grader.reports import FORMATS, render
from tests.grader.checks.scenes import evidence, judged, make_lab, snapshot

PASSED, FAILED, ERROR, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED
HTTP = {"http": {"service": "web", "port": 8080, "status": 200}}
EXEC = {"exec": {"pod": "web", "command": ["cat", "/x"], "contains": "yes"}}
LOGS = {"logs": {"pod": "web", "contains": "ready"}}
DNS, NO_DNS = {"dns": {"name": "web"}}, {"dns": {"name": "web", "resolves": False}}
TCP = {"tcp": {"pod": "web", "port": 6379}}


def asked(spec: dict[str, Any], *replies: Reply) -> Probed:
    return Probed(question(Probe.model_validate({"probe": spec}).probe), replies)


def seen(tmp_path: Path, spec: dict[str, Any], *replies: Reply, **more: Any) -> Evidence:
    """Evidence of one look at which the lab's probe was replied this."""
    lab = make_lab(tmp_path, {"probe": spec, **more})
    now = replace(snapshot(lab, []), probes={"do/0": asked(spec, *replies)})
    return evidence(lab, now=now, capabilities=["pods"])


def result(tmp_path: Path, spec: dict[str, Any], *replies: Reply, **more: Any) -> CheckResult:
    return judged(make_lab(tmp_path, {"probe": spec, **more}), seen(tmp_path, spec, *replies, **more))


def answered(**more: Any) -> Reply:
    return Reply("answered", **{"pod": "web-1", **more})


@pytest.mark.parametrize(
    ("spec", "reply", "outcome", "message"),
    [
        (HTTP, answered(code=200), PASSED, "GET / of Service web on port 8080: status 200"),
        (
            HTTP,
            answered(code=404, text="not\nhere \x1b[31m"),
            FAILED,
            'GET / of Service web on port 8080: status 404, expected 200 from Pod web-1: "not here [31m"',
        ),
        (HTTP, answered(code=500), FAILED, "GET / of Service web on port 8080: status 500, expected 200 from Pod web-1"
         ", and no body"),
        ({"http": {**HTTP["http"], "contains": "Hello"}}, answered(code=200, text="Bye", cut="size"), FAILED,
         'GET / of Service web on port 8080: status 200, and "Hello" is not in the answer from Pod web-1: "Bye" '
         "(no more than this much was read)"),
        ({"http": {"pod": "web", "port": "http"}}, answered(code=500), PASSED, "GET / of Pod web on port http: "
         "status 500"),
        (EXEC, answered(code=0, text="oh yes"), PASSED, "The command cat /x in Pod web: exit code 0"),
        (EXEC, answered(code=1, text="no such file\n"), FAILED, "The command cat /x in Pod web: exit code 1, "
         'expected 0; the end of its output: "no such file"'),
        (EXEC, answered(code=0), FAILED, 'The command cat /x in Pod web: "yes" is not in its output; it printed '
         "nothing"),
        (EXEC, answered(cut="size", text="\0" * 9), FAILED, "The command cat /x in Pod web: it prints more than is read"
         ", and was ended; nothing that it printed can be shown"),
        (EXEC, answered(cut="time", text="yes"), FAILED, "The command cat /x in Pod web: it had not ended in time, and "
         'was ended; the end of its output: "yes"'),
        (LOGS, answered(text="is ready"), PASSED, 'The log of Pod web: "ready" is in it'),
        (LOGS, answered(text="starting\n"), FAILED, 'The log of Pod web: "ready" is not in it; it ends with '
         '"starting"'),
        (LOGS, answered(), FAILED, 'The log of Pod web: "ready" is not in it; it is empty'),
        (TCP, answered(port=6379), PASSED, "Connecting to Pod web on port 6379: it takes connections"),
        (TCP, Reply("unanswered", "refused", pod="web", port=6379), FAILED, "Connecting to Pod web on port 6379: Pod "
         "web refuses connections to its port 6379"),
        (DNS, answered(addresses=["10.0.0.1"]), PASSED, "Looking web up: it stands for 10.0.0.1"),
        (DNS, Reply("unanswered", "no-such-name"), FAILED, "Looking web up: there is no such name, and it must have an "
         "address"),
        (NO_DNS, Reply("unanswered", "no-such-name"), PASSED, "Looking web up: there is no such name"),
        (NO_DNS, answered(addresses=["10.0.0.1"]), FAILED, "Looking web up: it stands for 10.0.0.1, and must not be "
         "there"),
        (NO_DNS, Reply("unanswered", "own-name-server", "its dnsPolicy is None", "web"), FAILED, "Looking web up: Pod "
         "web does not ask the cluster's name server (its dnsPolicy is None)"),
        (HTTP, Reply("error", said="the API server\x07 is gone"), ERROR, "The probe could not be made: the API server "
         "is gone"),
    ],
)  # fmt: skip
def test_replies(tmp_path: Path, spec: dict[str, Any], reply: Reply, outcome: Outcome, message: str) -> None:
    found = result(tmp_path, spec, reply)
    assert (found.outcome, found.message) == (outcome, message)


def test_everybody_behind_a_service_must_answer(tmp_path: Path) -> None:
    good, bad = answered(code=200), answered(code=404, pod="web-2")
    assert result(tmp_path, HTTP, good, good).outcome is PASSED
    assert "from Pod web-2" in result(tmp_path, HTTP, good, bad).message
    refused = Reply("unanswered", "refused", pod="web-2", port=80)
    assert "Pod web-2 refuses" in result(tmp_path, HTTP, good, refused).message
    # What the platform could not ask is nobody's failure, whatever the others replied.
    assert result(tmp_path, HTTP, bad, Reply("error", said="x")).outcome is ERROR
    assert result(tmp_path, HTTP).outcome is ERROR


def test_every_reason_is_a_sentence_that_a_student_can_read() -> None:
    spec = Probe.model_validate({"probe": HTTP}).probe
    for word in [*REASONS, "something newer"]:
        hostile = Reply("unanswered", word, "{pod} {0} %s \x1b[2J" + "x" * 9999, "web-1", 80)
        said = told(spec, hostile)
        assert said.isprintable() and len(said) < 400


def test_a_message_of_the_authors_stands_before_what_was_found(tmp_path: Path) -> None:
    spec = {**HTTP}
    lab = make_lab(tmp_path, {"probe": spec, "message": "The shop must be open."})
    found = seen(tmp_path, spec, answered(code=404, text="shut"), message="The shop must be open.")
    check = evaluate(lab, found).tasks[0].checks[0]
    assert check.message == "The shop must be open."
    assert check.why == 'GET / of Service web on port 8080: status 404, expected 200 from Pod web-1: "shut".'


def test_an_expectation_that_was_mended_is_judged_on_answers_taken_before(tmp_path: Path) -> None:
    taken = seen(tmp_path, HTTP, answered(code=404))
    mended = make_lab(tmp_path, {"probe": {"http": {**HTTP["http"], "status": 404}}})
    assert judged(mended, taken).outcome is PASSED
    moved = make_lab(tmp_path, {"match": {"apiVersion": "v1", "kind": "Pod"}}, {"probe": HTTP})
    assert judge(moved.spec.tasks[0].checks[1], "do/1", moved, taken).outcome is FAILED
    other = make_lab(tmp_path, {"probe": {"http": {**HTTP["http"], "path": "/other"}}})
    assert (judged(other, taken).outcome, "grade the cluster again" in judged(other, taken).message) == (ERROR, True)


def looks(tmp_path: Path, *codes: int | None, hold: str = "3s") -> tuple[Any, Evidence]:
    """A lab whose probe must hold, and a look a second at which it was answered with these codes, or not asked."""
    lab = make_lab(tmp_path, {"probe": HTTP, "hold": hold})
    taken = [
        Snapshot(
            "2026-01-01T00:00:00Z", float(i), (), None if code is None else {"do/0": asked(HTTP, answered(code=code))}
        )
        for i, code in enumerate(codes)
    ]
    return lab, evidence(lab, now=taken[-1], earlier=taken[:-1], capabilities=["pods"])


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ((200, 200, 200, 200), PASSED),
        ((200, 500, 200, 200), FAILED),
        ((200,), FAILED),
        ((None, None, 200, 200), FAILED),
        ((500, 200, 200, 200, 200), PASSED),
    ],
)
def test_a_probe_must_hold_at_every_look(tmp_path: Path, codes: tuple[int | None, ...], outcome: Outcome) -> None:
    lab, found = looks(tmp_path, *codes)
    assert judged(lab, found).outcome is outcome


@pytest.mark.parametrize(
    ("answers", "outcome", "held"),
    [
        ((0, 3), PASSED, ""),
        ((2.5, 3), FAILED, "seen true for 0.5 s of 3 s"),
        ((0, 0), FAILED, "seen true for 0 s of 3 s"),  # one answer, that every look shows
        ((None, None), PASSED, ""),  # evidence of before the moment was noted
    ],
)
def test_a_probe_holds_as_of_when_it_was_answered(
    tmp_path: Path, answers: tuple[float | None, float | None], outcome: Outcome, held: str
) -> None:
    for check in ({"probe": HTTP}, {"all_of": [{"probe": HTTP}, {"absent": {"apiVersion": "v1", "kind": "Pod"}}]}):
        lab = make_lab(tmp_path, {**check, "hold": "3s"})
        probed = asked(HTTP, answered(code=200))
        first, last = (
            replace(
                snapshot(lab, [], seconds),
                probes={name: replace(probed, seconds=at) for name in ("do/0", "do/0/0")},
            )
            for seconds, at in zip((0, 3), answers, strict=True)
        )
        found = judged(lab, evidence(lab, now=last, earlier=[first], capabilities=["pods"]))
        assert found.outcome is outcome and found.message.endswith(held)


@pytest.mark.parametrize("spec", [HTTP, EXEC, LOGS, DNS, TCP])
def test_a_regrade_gives_the_same_report_to_the_byte(tmp_path: Path, spec: dict[str, Any]) -> None:
    hostile = "\x1b[31m</script>\u202e\0\ufffd" + "☃" * 300
    replies = answered(code=404, text=hostile, addresses=["10.0.0.1"]), Reply("unanswered", "unreachable", hostile, "p")
    lab, taken = make_lab(tmp_path, {"probe": spec}), seen(tmp_path, spec, *replies)
    again = documents.load(documents.dump(taken))
    assert documents.dump(again) == documents.dump(taken)
    for format in FORMATS:
        assert render(evaluate(lab, again), format) == render(evaluate(lab, taken), format)


def test_evidence_of_before_probes_is_read_and_skips_them(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, {"probe": HTTP, "points": 4}, {"match": {"apiVersion": "v1", "kind": "Pod"}})
    old = documents.dump(evidence(lab, capabilities=["pods"]))
    old = old.replace(b'{"format":2', b'{"format":1').replace(b',"probes":null', b"")
    assert b"probes" not in old
    report = evaluate(lab, documents.load(old))
    assert report.tasks[0].checks[0].outcome is SKIPPED
    assert report.skipped_points == 4
    assert "4 of 10 points were skipped" in render(report, "table")


@pytest.mark.parametrize(
    "damage", [{"replies": [{"state": 1}]}, {"question": 7, "replies": []}, {"replies": {}}, {"question": "x"}, []]
)
def test_damaged_probes_are_told(tmp_path: Path, damage: Any) -> None:
    document = orjson.loads(documents.dump(seen(tmp_path, HTTP, answered(code=200))))
    document["now"]["probes"]["do/0"] = damage
    with pytest.raises(documents.EvidenceError, match="damaged"):
        documents.load(orjson.dumps(document))
