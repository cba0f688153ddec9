from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from grader.model import CheckResult, Outcome, Report
from grader.reports import FORMATS, Format, github, render
from grader.reports.shown import MASKED, plain
from tests.grader.reports.reports import EVIL, FULL, HOSTILE, MIXED, OUTAGE, check, task

ALL = (MIXED, OUTAGE, FULL, EVIL)
ANYTHING = st.text(st.characters(), max_size=60)


def _said(text: str) -> Report:
    one = check(Outcome.FAILED, text, text)
    return Report(text, 0.0, 1.0, 0.0, (task(text, Outcome.FAILED, 0, 1, one),))


def test_json_has_exactly_these_fields() -> None:
    document = json.loads(render(MIXED, "json"))
    assert list(document) == ["lab", "score", "points", "skipped_points", "tasks"]
    assert [list(t) for t in document["tasks"]] == [["id", "title", "score", "points", "outcome", "checks"]] * 3
    assert {tuple(c) for t in document["tasks"] for c in t["checks"]} == {("kind", "outcome", "message", "why")}
    assert document["score"] == 4.5
    assert document["tasks"][1]["checks"][1] == {
        "kind": "match",
        "outcome": "failed",
        "message": "The Service web must reach 3 Pods.",
        "why": "It asks for app=wbe, your Pods have app=web.",
    }


def test_an_outage_has_no_score() -> None:
    assert json.loads(render(OUTAGE, "json"))["score"] is None
    assert "No score" in render(OUTAGE, "table")
    assert "No score" in render(OUTAGE, "github")
    suites = ET.fromstring(render(OUTAGE, "junit"))  # noqa: S314 - our own document
    assert suites.attrib["errors"] == "1"
    assert [p.attrib["value"] for p in suites.iter("property") if p.attrib["name"] == "score"] == ["none"]


@pytest.mark.parametrize("format", FORMATS)
def test_hidden_checks_are_counted_and_not_shown(format: Format) -> None:
    shown, revealed = render(MIXED, format), render(MIXED, format, reveal=True)
    assert "42" not in shown
    assert "42" in revealed
    assert MASKED in shown.replace("\n", " ")


@pytest.mark.parametrize("format", FORMATS)
def test_a_check_around_a_hidden_one_does_not_tell_of_it(format: Format) -> None:
    inner = check(Outcome.FAILED, "The secret is 42.", hidden=True)
    outer = check(Outcome.FAILED, "Neither: the secret is 42.", kind="any_of", checks=(inner,))
    report = Report("services", 0.0, 1.0, 0.0, (task("A", Outcome.FAILED, 0, 1, outer),))
    assert "42" not in render(report, format)
    assert "42" not in github.summary(report)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("report", ALL)
def test_the_table_fits(report: Report, width: int) -> None:
    text = render(report, "table", width=width)
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert not any(line.endswith(" ") for line in lines)
    assert text.endswith("\n")


def test_the_table_reads_like_this() -> None:
    assert render(MIXED, "table", width=70) == (
        "services\n"
        "✓ Put a Service in front of the Deployment                       3 / 3\n"
        "✗ Mend the selector                                            1.5 / 5\n"
        "  ✗ The Service web must reach 3 Pods.\n"
        "    It asks for app=wbe, your Pods have app=web.\n"
        "  ✗ A hidden check.\n"
        "– Ask it for a page                                              – / 2\n"
        "  – Skipped: needs Pods.\n"
        "\n"
        "Score: 4.5 of 10 points.\n"
        "2 of 10 points were skipped: this cluster cannot show what is asked\n"
        "for them.\n"
    )


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b" not in render(MIXED, "table")
    assert "\x1b[" in render(MIXED, "table", colour=True)


@given(ANYTHING)
def test_no_terminal_obeys_what_a_student_wrote(text: str) -> None:
    for format in FORMATS:
        for line in render(_said(text), format).split("\n"):
            bad = [c for c in line if unicodedata.category(c) in ("Cc", "Cs") or c in "\u202e\u2066\u2028\u2029"]
            assert not bad, (format, bad)


@given(ANYTHING)
def test_junit_is_xml_whatever_it_says(text: str) -> None:
    suites = ET.fromstring(render(_said(text), "junit").encode())  # noqa: S314 - our own document
    (failure,) = suites.iter("failure")
    assert failure.attrib["message"] == plain(text)
    assert (failure.text or "") == plain(text)


def test_junit_counts_and_elements() -> None:
    suites = ET.fromstring(render(MIXED, "junit"))  # noqa: S314 - our own document
    assert {k: suites.attrib[k] for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "2", "errors": "0", "skipped": "1",
    }  # fmt: skip
    suite = suites.findall("testsuite")[1]
    assert suite.attrib["name"] == "Mend the selector"
    assert [len(case) for case in suite] == [0, 1, 1]
    case = suite[1]
    assert (case.attrib["classname"], case.attrib["name"]) == ("services.web", "2 match")
    assert case[0].tag == "failure"
    assert case[0].text == "It asks for app=wbe, your Pods have app=web."
    assert suites.findall("testsuite")[2][0][0].tag == "skipped"


@given(ANYTHING)
def test_every_line_for_github_is_a_command_of_ours(text: str) -> None:
    lines = render(_said(text), "github").rstrip("\n").split("\n")
    assert len(lines) == 2
    for line in lines:
        command = re.fullmatch(r"::error title=([^:,]*)::(.*)", line)
        assert command is not None, line
        decoded = command[1].replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        assert decoded == plain(text)


def test_github_says_what_kind_of_fault_it_is() -> None:
    assert [line.partition(" ")[0] for line in render(MIXED, "github").splitlines()] == [
        "::error", "::error", "::notice", "::error",
    ]  # fmt: skip
    assert render(OUTAGE, "github").startswith("::warning ")
    assert render(FULL, "github") == "::notice title=services::Score: 3 of 3 points.\n"


def test_the_summary_is_markdown_with_nothing_of_theirs_in_it() -> None:
    text = github.summary(EVIL)
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 3
    assert "<" not in text
    assert not re.search(r"(?<!\\)[`\[\]()]", text)
    assert "http://" not in text
    assert "| ✓ | Put a Service in front of the Deployment | 3 / 3 |" in github.summary(MIXED)


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_text_stays_text(format: Format) -> None:
    text = render(EVIL, format)
    assert "\x1b" not in text
    assert "forged" in text
    assert not re.search(r"^::(set-output|error::forged)", text, re.MULTILINE)


def test_plain_keeps_what_is_text() -> None:
    assert plain("Zoë – 日本語 👩‍🚀 ✓") == "Zoë – 日本語 👩‍🚀 ✓"
    assert plain("a\tb\r\nc") == "a b c"
    assert plain(HOSTILE) != HOSTILE


def test_reports_do_not_depend_on_what_is_nested() -> None:
    bare: CheckResult = check(Outcome.FAILED, "No.")
    nested = replace(bare, checks=(check(),))
    for format in FORMATS:
        one, other = (Report("a", 0.0, 1.0, 0.0, (task("t", Outcome.FAILED, 0, 1, c),)) for c in (bare, nested))
        assert render(one, format) == render(other, format)
