from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from grader.collect import audit
from grader.collect.audit import AuditUnreadable, calls
from grader.labfile.schema import CallPattern
from grader.model import Call

DELETE_PODS = CallPattern(verb="delete", resource="pods")


def event(verb: str, resource: str, name: str = "", *, user: str = "ada", **rest: Any) -> str:
    target = {"resource": resource, "namespace": rest.pop("namespace", "shop"), "name": name}
    target |= {k: rest.pop(k) for k in ("subresource", "apiGroup") if k in rest}
    made = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": rest.pop("stage", "ResponseComplete"),
        "verb": verb,
        "user": {"username": user},
        "userAgent": "kubectl/v1.36.3",
        "objectRef": target,
        "responseStatus": {"code": rest.pop("code", 200)},
        "requestReceivedTimestamp": rest.pop("at", "2026-01-01T00:00:00Z"),
    }
    return json.dumps(made | rest)


def record(verb: str = "patch", *, code: int = 200, user: str = "admin", slug: str = "small", at: str = "") -> str:
    return event(verb, "configmaps", f"lab-{slug}", user=user, namespace="seatrial-system", code=code, at=at)


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_text("\n".join(lines) + end)
    return path


def names(log: Path, *patterns: CallPattern) -> list[str]:
    return [c.name for c in calls(log, student="ada", slug="small", patterns=patterns or (DELETE_PODS,))]


def test_a_call(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("delete", "pods", "web", subresource="", code=202, at="T"))
    (call,) = calls(log, student="ada", slug="small", patterns=[DELETE_PODS])
    assert call == Call("T", "ada", "delete", "", "pods", "", "shop", "web", "kubectl/v1.36.3", 202)


def test_only_the_student_s(tmp_path: Path) -> None:
    log = write(
        tmp_path / "audit.log",
        event("delete", "pods", "a", user="system:serviceaccount:kube-system:ada"),
        event("delete", "pods", "b", user="admin", annotations={"for": "ada"}),
        event("delete", "pods", "c"),
    )
    assert names(log) == ["c"]


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    log = write(
        tmp_path / "audit.log",
        event("delete", "pods", "a"),
        event("get", "pods", "b"),
        event("delete", "services", "c"),
        event("create", "pods", "d", subresource="exec", code=101),
    )
    assert names(log) == ["a"]
    assert names(log, CallPattern(verb=("get", "create"))) == ["b", "d"]
    assert names(log, CallPattern(resource="services"), DELETE_PODS) == ["a", "c"]


def test_since_the_lab_began_in_the_order_of_the_log_whatever_the_clock_says(tmp_path: Path) -> None:
    log = write(
        tmp_path / "audit.log",
        record("create", at="2026-01-01T10:00:00Z"),
        event("delete", "pods", "first try", at="2026-01-01T10:30:00Z"),
        record("patch", at="2026-01-01T11:00:00Z"),
        event("delete", "pods", "after a jump back", at="2026-01-01T10:01:00Z"),
    )
    assert names(log) == ["after a jump back"]


@pytest.mark.parametrize(
    "line",
    [
        record("patch", user="ada", code=403),
        record("get"),
        record("patch", slug="small-two"),
        record("delete"),
        event("patch", "configmaps", "lab-small", user="admin"),  # in the lab's namespace
        event("patch", "configmaps", "lab-small", namespace="seatrial-system", stage="RequestReceived"),
    ],
    ids=["refused", "read", "another lab", "deleted", "another namespace", "not answered yet"],
)
def test_what_does_not_begin_the_lab(tmp_path: Path, line: str) -> None:
    assert names(write(tmp_path / "audit.log", event("delete", "pods", "mine"), line)) == ["mine"]


def test_rotated_files_come_first(tmp_path: Path) -> None:
    old = write(tmp_path / "audit-2026-01-01T12-00-00.000.log", record(), event("delete", "pods", "one"))
    # Its name says that it is older than the other one; the clock had jumped.
    newer = write(tmp_path / "audit-2026-01-01T11-00-00.000.log", event("delete", "pods", "two"))
    os.utime(old, ns=(1, 1))
    os.utime(newer, ns=(2, 2))
    log = write(tmp_path / "audit.log", event("delete", "pods", "three"))
    assert names(log) == ["one", "two", "three"]


def test_a_line_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("delete", "pods", "a"), event("delete", "pods", "b")[:40], end="")
    assert names(log) == ["a"]


def test_other_stages_and_garbage(tmp_path: Path) -> None:
    log = write(
        tmp_path / "audit.log",
        event("delete", "pods", "a", stage="RequestReceived"),
        '"ada"',
        '["ada"]',
        '{"user":{"username":"ada"},"stage":"ResponseComplete","objectRef":null,"responseStatus":null}',
        event("delete", "pods", "b"),
    )
    assert names(log) == ["b"]


def test_what_was_only_tried_does_not_count(tmp_path: Path) -> None:
    tried = event("delete", "pods", "a", requestURI="/api/v1/namespaces/shop/pods/a?dryRun=All")
    done = event("delete", "pods", "b", requestURI="/api/v1/namespaces/shop/pods/b")
    assert names(write(tmp_path / "audit.log", tried, done)) == ["b"]


def test_a_name_with_quotes_is_found(tmp_path: Path) -> None:
    log = write(tmp_path / "audit.log", event("delete", "pods", "a", user='a"d\\a'))
    assert len(calls(log, student='a"d\\a', slug="small", patterns=[DELETE_PODS])) == 1


def test_a_log_that_is_missing_is_not_no_calls(tmp_path: Path) -> None:
    with pytest.raises(AuditUnreadable, match=r"audit\.log cannot be read"):
        names(tmp_path / "audit.log")


def test_a_flood_is_kept_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST", 100)
    log = tmp_path / "audit.log"
    with log.open("w") as file:
        for i in range(3_000):
            file.write(event("delete", "pods", "same") + "\n")
            file.write(event("delete", "pods", f"p{i}") + "\n")
            file.write(event("get", "pods", f"p{i}") + "\n")
    tracemalloc.start()
    found = names(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[-1] == "p2999"
    assert len(found) == 100
    assert peak < 1_000_000  # the log is 4 MB
