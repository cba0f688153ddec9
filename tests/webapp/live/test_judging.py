"""A lab judged again and again as its lists change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.collect import Access, collect
from grader.collect.collecting import begin, everything
from grader.collect.lists import lists
from grader.evaluate import evaluate
from grader.model import Evidence, ObjectList, Probed, Reply, Snapshot, Want
from tests.fakes.watchserver import WatchServer
from tests.grader.small import lab
from webapp.live.judging import Judge, exactly, shown
from webapp.live.sight import merged

HELD = """\
tasks:
- id: web
  title: A Pod that stays
  points: 2
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: web}}
    hold: 2s
- id: secret
  title: Something that is not told
  points: 1
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: hidden-name}}
    hidden: true
"""


def evidence(parent: Path, body: str = HELD) -> tuple[Judge, Evidence]:
    one = lab(parent, body)
    blank = Evidence(
        one.slug,
        "shop",
        "student",
        one.params,
        "v1.36.3",
        frozenset(),
        now=Snapshot("", 0.0, ()),
        lab_digest=one.digest,
    )
    return Judge(one, blank), blank


def pods(*names: str) -> tuple[ObjectList, ...]:
    items = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": n, "namespace": "shop"}} for n in names]
    return (ObjectList("v1", "Pod", "*", items),)


class Clock:
    """The monotonic clock of the judging, at the test's hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        patch.setattr("webapp.live.judging.time.monotonic", lambda: self.now)


def outcome(document: dict[str, Any]) -> tuple[str, bool]:
    return document["tasks"][0]["outcome"], document["tasks"][0]["holding"]


def test_what_is_true_must_hold_and_says_when_to_look_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    judge, _ = evidence(tmp_path)
    document, again = judge.judge(pods())
    assert (outcome(document), again) == (("failed", False), None)
    clock.now += 1
    document, again = judge.judge(pods("web"))
    assert (outcome(document), again) == (("failed", True), 2.0)
    clock.now += 1.5
    document, again = judge.judge(pods("web"))
    assert (outcome(document), again) == (("failed", True), 0.5)
    clock.now += 0.5
    document, again = judge.judge(pods("web"))
    assert (outcome(document), again) == (("passed", False), None)
    assert document["score"] == 2.0


def test_a_flicker_and_a_gap_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    judge, _ = evidence(tmp_path)
    judge.judge(pods("web"))
    clock.now += 1.9
    judge.judge(pods())
    clock.now += 0.2
    assert judge.judge(pods("web"))[1] == 2.0
    clock.now += 1.9
    judge.forget()
    assert judge.judge(pods("web"))[1] == 2.0


def test_only_the_looks_are_kept_that_a_check_can_ask_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    judge, _ = evidence(tmp_path)
    for _ in range(1000):
        clock.now += 0.1
        judge.judge(pods("web"))
    assert len(judge._looks) < 25


def test_a_hidden_check_says_nothing(tmp_path: Path) -> None:
    judge, _ = evidence(tmp_path)
    document, _ = judge.judge(pods())
    assert "hidden-name" not in str(document)
    assert document["tasks"][1]["checks"] == [
        {"kind": "hidden", "outcome": "failed", "message": "A hidden check.", "why": None}
    ]


def test_it_is_what_a_grading_would_say(server: WatchServer, tmp_path: Path) -> None:
    """Lists that reach further give the same report, explanations too, as those that a grading takes."""
    server.put("v1", "Pod", "web", "default")
    server.put("v1", "Pod", "wep", "shop", status={"phase": "Pending"})
    server.put("v1", "Event", "e", "kube-system")
    body = HELD.replace("    hold: 2s\n", "")
    one = lab(tmp_path, body)
    access = Access.from_kubeconfig(server.kubeconfig(tmp_path))
    judge = Judge(one, begin(one, access))
    wide = lists(access, merged(everything(one) | {Want("v1", "Pod", "*")}, alone=True))
    assert judge.judge(wide)[0] == shown(evaluate(one, collect(one, access)))
    graded = collect(one, access).now.lists
    assert [(x.api_version, x.kind, x.namespace, list(x.items)) for x in exactly(wide, everything(one))] == [
        (x.api_version, x.kind, x.namespace, list(x.items)) for x in graded
    ]


def test_in_a_cluster_of_one_s_own_one_list_serves_for_several_namespaces() -> None:
    shop, coast, event = Want("v1", "Pod", "shop"), Want("v1", "Pod", "coast"), Want("v1", "Event", "shop")
    assert merged([shop, coast, event], alone=True) == {Want("v1", "Pod", "*"), event}
    assert merged([shop, coast, event], alone=False) == {shop, coast, event}
    assert merged([shop, Want("v1", "Pod", "*")], alone=False) == {Want("v1", "Pod", "*")}


def test_a_lab_that_asks_for_the_time_is_judged_again_without_news(tmp_path: Path) -> None:
    body = """\
tasks:
- id: web
  title: An old Pod
  points: 2
  checks:
  - cel: pods.exists(p, now - timestamp(p.metadata.creationTimestamp) > duration("60s"))
    with: {pods: {apiVersion: v1, kind: Pod}}
"""
    judge, _ = evidence(tmp_path, body)
    assert judge.judge(pods())[1] == 5.0


PROBED = """\
tasks:
- id: page
  title: A page
  points: 2
  checks:
  - probe: {http: {pod: web, port: 80, status: 200}}
"""


HELD_PROBE = f"{PROBED}    hold: 3s\n"


def test_what_a_probe_was_answered_is_judged_with_the_lists(tmp_path: Path) -> None:
    """Probes are made beside the lists; what they were answered last counts until they are made again."""
    _, blank = evidence(tmp_path, PROBED)
    real = replace(blank, capabilities=frozenset({"pods"}))
    judge = Judge(lab(tmp_path, PROBED), real)
    assert judge.asks_pods and not Judge(lab(tmp_path, PROBED), blank).asks_pods
    assert outcome(judge.judge(pods("web"))[0])[0] == "skipped"
    for code, expected in ((200, "passed"), (404, "failed")):
        asked = {"page/0": Probed('{"http": {"path": "/", "pod": "web", "port": 80}}', [Reply("answered", code=code)])}
        judge.observed(replace(real, now=Snapshot("", 0.0, (), asked)))
        assert outcome(judge.judge(pods("web"))[0])[0] == expected


def test_one_answer_holds_for_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is judged; and what was answered before a gap counts as of its end."""
    clock = Clock(monkeypatch)
    _, blank = evidence(tmp_path, HELD_PROBE)
    real = replace(blank, capabilities=frozenset({"pods"}))
    judge = Judge(lab(tmp_path, HELD_PROBE), real)

    def answered() -> None:
        asked = Probed('{"http": {"path": "/", "pod": "web", "port": 80}}', [Reply("answered", code=200)], clock.now)
        judge.observed(replace(real, now=Snapshot("", 0.0, (), {"page/0": asked})))

    answered()
    for _ in range(5):
        assert outcome(judge.judge(pods("web"))[0]) == ("failed", True)
        clock.now += 1
    judge.forget()
    clock.now += 2.5
    answered()
    assert outcome(judge.judge(pods("web"))[0]) == ("failed", True)
    clock.now += 20
    assert outcome(judge.judge(pods("web"))[0]) == ("failed", True)
    answered()
    assert outcome(judge.judge(pods("web"))[0]) == ("passed", False)
