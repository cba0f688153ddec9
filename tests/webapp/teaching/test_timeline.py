"""The timeline out of an audit log: order, pages, bounds, and lines that a student made up."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.teaching import timeline


def event(name: str, **over: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "stage": "ResponseComplete",
        "verb": "patch",
        "requestURI": f"/apis/apps/v1/namespaces/shop/deployments/{name}?fieldManager=kubectl-edit",
        "user": {"username": "student"},
        "userAgent": "kubectl/v1.36.3 (linux/amd64) kubernetes/abc",
        "objectRef": {"resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": name},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-21T15:13:16.340137Z",
    }
    return {**made, **over}


def begun(slug: str = "services") -> dict[str, Any]:
    where = {"resource": "configmaps", "namespace": "seatrial-system", "name": f"lab-{slug}"}
    return event("", verb="create", user={"username": "seatrial-admin"}, objectRef=where, responseStatus={"code": 201})


def write(log: Path, *events: dict[str, Any]) -> Path:
    log.write_text("".join(json.dumps(e) + "\n" for e in events))
    return log


def names(page: timeline.Page) -> list[str]:
    return [change.name for change in page.changes]


def test_newest_first_and_only_since_the_lab_began(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("before"), begun(), event("one"), event("two"))
    page = timeline.page(log, "student", "services")
    assert names(page) == ["two", "one"]
    assert page.begun
    assert page.older is None
    first = page.changes[0]
    assert (first.verb, first.resource, first.group, first.namespace) == ("patch", "deployments", "apps", "shop")
    assert (first.code, first.accepted, first.tool) == (200, True, "kubectl edit")
    assert first.at is not None
    assert first.at.isoformat() == "2026-11-21T15:13:16.340137+00:00"


def test_another_labs_start_does_not_end_it(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("one"), begun("pods"), event("two"))
    assert names(timeline.page(log, "student", "services")) == ["two", "one"]


@pytest.mark.parametrize(
    "other",
    [
        {"user": {"username": "seatrial-admin"}},
        {"user": {"username": "student2"}},
        {"verb": "get"},
        {"verb": "list"},
        {"requestURI": "/api/v1/namespaces/shop/pods?dryRun=All"},
        {"stage": "ResponseStarted"},
        {"objectRef": {"resource": "selfsubjectaccessreviews", "apiGroup": "authorization.k8s.io"}, "verb": "create"},
    ],
)
def test_what_is_no_change_of_the_students(tmp_path: Path, other: dict[str, Any]) -> None:
    log = write(tmp_path / "audit.log", event("one"), event("student", **other))
    assert names(timeline.page(log, "student", "services")) == ["one"]


def test_a_refusal_is_shown_with_its_reason(tmp_path: Path) -> None:
    said = {"code": 403, "message": 'deployments.apps "web" is forbidden'}
    log = write(tmp_path / "audit.log", event("web", responseStatus=said))
    (change,) = timeline.page(log, "student", "services").changes
    assert not change.accepted
    assert change.message == 'deployments.apps "web" is forbidden'


def test_the_same_change_again_is_counted(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("a"), *[event("web")] * 5, event("b"))
    page = timeline.page(log, "student", "services")
    assert [(c.name, c.times) for c in page.changes] == [("b", 1), ("web", 5), ("a", 1)]


def test_pages_meet_without_a_gap_or_an_overlap(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", begun(), *[event(f"n{i}") for i in range(23)])
    found, before = [], None
    while True:
        page = timeline.page(log, "student", "services", before=before, size=5)
        found += names(page)
        before = page.older
        if before is None:
            break
    assert found == [f"n{i}" for i in reversed(range(23))]


def test_a_page_stays_where_it_is_while_the_log_grows(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", *[event(f"n{i}") for i in range(6)])
    older = timeline.page(log, "student", "services", size=3).older
    with log.open("a") as file:
        file.write(json.dumps(event("new")) + "\n")
    assert names(timeline.page(log, "student", "services", before=older, size=3)) == ["n2", "n1", "n0"]


def test_rotated_parts_are_read_after_the_log(tmp_path: Path) -> None:
    import os

    for order, name in enumerate(["audit-2026-11-21T10-00-00.000.log", "audit-2026-11-21T11-00-00.000.log"]):
        os.utime(write(tmp_path / name, event(f"old{order}")), (order + 1, order + 1))
    log = write(tmp_path / "audit.log", event("new"))
    assert names(timeline.page(log, "student", "services")) == ["new", "old1", "old0"]
    before = timeline.page(log, "student", "services", size=2).older
    assert names(timeline.page(log, "student", "services", before=before)) == ["old0"]


def test_a_cursor_into_a_part_that_is_gone_ends_the_list(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("new"))
    assert timeline.page(log, "student", "services", before="1-100") == timeline.Page(())


def test_no_more_is_read_for_one_page_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "BUDGET", 2000)
    log = write(tmp_path / "audit.log", event("old"), *[event("x", verb="get")] * 100)
    page = timeline.page(log, "student", "services")
    assert page.changes == ()
    assert page.older is not None
    pages = 1
    while page.older is not None and not page.changes:
        page = timeline.page(log, "student", "services", before=page.older)
        pages += 1
    assert names(page) == ["old"]
    assert pages > 10


def test_a_line_that_is_being_written_and_one_that_is_no_event(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("one"))
    with log.open("a") as file:
        file.write('"student"\n[1, "student"]\n{broken student\n' + json.dumps(event("half"))[:-20])
    assert names(timeline.page(log, "student", "services")) == ["one"]


def test_a_line_longer_than_any_event_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "BLOCK", 512)
    monkeypatch.setattr(timeline, "LONGEST", 4096)
    log = write(tmp_path / "audit.log", event("one"), event("long", padding="x" * 20_000), event("two"))
    assert names(timeline.page(log, "student", "services")) == ["two", "one"]


def test_texts_are_cut_to_what_a_page_holds(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("n" * 10_000, userAgent="a" * 5000, requestURI="/x"))
    (change,) = timeline.page(log, "student", "services").changes
    assert len(change.name) == timeline.SHOWN
    assert len(change.tool) == timeline.SHOWN


@given(st.integers(60, 4000), st.lists(st.text("abcü", min_size=1, max_size=60), max_size=30))
def test_every_line_is_seen_once_whatever_the_block(
    tmp_path_factory: pytest.TempPathFactory, block: int, made: list[str]
) -> None:
    log = write(tmp_path_factory.mktemp("log") / "audit.log", *[event(f"{i}-{n}") for i, n in enumerate(made)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "BLOCK", block)
        found = names(timeline.page(log, "student", "services", size=1000))
    assert found == [f"{i}-{n}" for i, n in reversed(list(enumerate(made)))]


def test_an_unreadable_log_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(timeline.NoTimeline, match="cannot be read"):
        timeline.page(tmp_path / "none.log", "student", "services")
    with pytest.raises(timeline.NoTimeline, match="files are not there"):
        timeline.read(tmp_path / "none.yaml", "services")
