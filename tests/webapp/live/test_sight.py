"""A cluster looked at: tasks and picture follow it, and an outage is no zero."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.kubectl import kubectl
from grader import labfile
from grader.collect import Access
from grader.collect.collecting import observe
from grader.labfile import LoadedLab
from grader.model import ClusterUnreachable, Evidence
from proving.start import start
from tests.conftest import RealCluster
from tests.fakes.watchserver import WatchServer
from tests.grader.small import folder
from webapp.live import sight as module
from webapp.live.sight import SILENT, Sight

Look = Callable[..., Sight]
CALLED = """\
tasks:
- id: web
  title: A Pod named web
  points: 2
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: web}}
- id: read
  title: Read the logs
  points: 1
  checks:
  - audit: {verb: get, resource: pods, subresource: log}
"""


@pytest.fixture
def look() -> Iterator[Look]:
    made: list[Sight] = []

    def begin(*args: Path) -> Sight:
        made.append(Sight(*args))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def news_until(sight: Sight, name: str, done: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Turn until there is such news, new or told before."""
    for _ in range(500):
        said = sight._told.get(name)
        if said is not None and done(said):
            return said
        sight.turn()
    pytest.fail(f"no such news: {sight._told}")


def outcomes(said: dict[str, Any]) -> dict[str, str]:
    return {task["id"]: task["outcome"] for task in said["tasks"]}


def ours(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The picture without what other tests left in the cluster that they share: the lab's own namespace is unnamed."""
    return [node for node in said["nodes"] if not node["namespace"]]


def called(log: Path, verb: str, subresource: str = "") -> None:
    """The API server writes down a call of the student's."""
    event = {
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": "student"},
        "objectRef": {"resource": "pods", "subresource": subresource, "namespace": "shop", "name": "web"},
        "responseStatus": {"code": 200},
    }
    with log.open("a") as file:
        file.write(json.dumps(event) + "\n")


def test_tasks_and_picture_follow_the_cluster(server: WatchServer, tmp_path: Path, look: Look) -> None:
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    first = news_until(sight, "tasks", lambda said: True)
    assert (outcomes(first), first["score"], first["stale"], first["notice"]) == ({"web": "failed"}, 0.0, False, None)
    server.put("v1", "Pod", "web", "shop")
    assert news_until(sight, "tasks", lambda said: outcomes(said) == {"web": "passed"})["score"] == 2.0
    server.remove("v1", "Pod", "web", "shop")
    server.put("v1", "Pod", "web", "default")
    told = news_until(sight, "tasks", lambda said: said["tasks"][0]["checks"][0]["why"])
    assert outcomes(told) == {"web": "failed"} and "default" in told["tasks"][0]["checks"][0]["why"]
    server.put("v1", "Pod", "<img src=x onerror=alert(1)>", "shop")
    # Names are data, here as well.
    news_until(sight, "cluster", lambda said: "<img src=x onerror=alert(1)>" in {n["name"] for n in said["nodes"]})


def test_what_is_the_same_is_not_told_again(
    server: WatchServer, tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_TURN", 0.05)
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    news_until(sight, "tasks", lambda said: True)
    server.put("v1", "Event", "noise", "shop")
    assert [sight.turn() for _ in range(10)] == [[]] * 10


def test_a_call_that_changes_nothing_is_seen_in_the_audit_log(server: WatchServer, tmp_path: Path, look: Look) -> None:
    log = tmp_path / "audit.log"
    log.touch()
    extension = {"provider": "kwok", "capabilities": ["audit"], "student": "student", "auditLog": str(log)}
    sight = look(folder(tmp_path, CALLED), server.kubeconfig(tmp_path, extension=extension))
    first = news_until(sight, "tasks", lambda said: True)
    # No check is an error for want of a first look at the log.
    assert outcomes(first) == {"web": "failed", "read": "failed"}
    called(log, "get")
    called(log, "get", "log")
    assert outcomes(news_until(sight, "tasks", lambda said: outcomes(said)["read"] == "passed"))["web"] == "failed"


def test_an_outage_keeps_the_tasks_as_they_were_and_is_given_up_after_a_while(
    server: WatchServer, tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("v1", "Pod", "web", "shop")
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    before = news_until(sight, "tasks", lambda said: said["score"] == 2.0)
    monkeypatch.setattr(module, "GIVE_UP", 0.5)
    server.die()
    after = news_until(sight, "tasks", lambda said: said["stale"])
    assert after == {**before, "stale": True, "notice": SILENT}
    turns = 0
    with pytest.raises(ClusterUnreachable):
        while True:
            turns += 1
            sight.turn()
    # It waits between its attempts.
    assert turns < 20


def test_a_look_beside_that_breaks_is_told(
    server: WatchServer, tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls `turn` logs it and says so on the page, which would else stay empty."""

    def broken(*_: object) -> Evidence:
        raise ValueError("nobody thought of this")

    monkeypatch.setattr(module, "observe", broken)
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    with pytest.raises(ValueError, match="nobody thought of this"):
        news_until(sight, "tasks", lambda said: True)


def test_the_picture_does_not_wait_for_the_first_look_beside(
    server: WatchServer, tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that hangs takes seconds, a script minutes."""
    drawn = threading.Event()

    def slow(lab: LoadedLab, access: Access, evidence: Evidence) -> Evidence:
        assert drawn.wait(30)
        return observe(lab, access, evidence)

    monkeypatch.setattr(module, "observe", slow)
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    news_until(sight, "cluster", lambda said: True)
    assert "tasks" not in sight._told
    drawn.set()
    assert outcomes(news_until(sight, "tasks", lambda said: True)) == {"web": "failed"}


def test_a_look_beside_that_takes_long_is_not_the_last_for_long(
    server: WatchServer, tmp_path: Path, look: Look
) -> None:
    sight = look(folder(tmp_path), server.kubeconfig(tmp_path))
    news_until(sight, "tasks", lambda said: True)
    beside = sight._beside
    for took, pause in ((0.01, module.ENDED_EVERY), (1.0, 10.0), (60.0, module.LONGEST_BESIDE)):
        beside._found, beside._took = sight._judge.evidence, took
        beside._end(1000.0)
        assert beside._not_before == 1000.0 + pause


def test_nothing_that_answers(server: WatchServer, tmp_path: Path, look: Look) -> None:
    server.die()
    with pytest.raises(ClusterUnreachable):
        look(folder(tmp_path), server.kubeconfig(tmp_path))


@pytest.mark.cluster
def test_a_real_cluster(cluster: RealCluster, look: Look) -> None:
    """The services lab, from nothing done to a Pod that is seen to be replaced."""
    place = labfile.find("services")
    lab = labfile.read(place)
    start(lab, cluster.admin, cluster.student, "student")
    sight = look(place, cluster.admin)
    first = news_until(sight, "tasks", lambda said: True)
    assert first["score"] == 0.0 and set(outcomes(first).values()) == {"failed"}
    # The Service that is to be mended reaches nobody; all else is well.
    mended = ("Service", "orders")
    drawn = news_until(
        sight, "cluster", lambda said: [(n["kind"], n["name"]) for n in ours(said) if n["state"] != "ok"] == [mended]
    )
    kinds = {node["id"]: node["kind"] for node in ours(drawn)}
    assert {
        (kinds[e["from"]], kinds[e["to"]], e["kind"]) for e in drawn["edges"] if kinds.keys() >= {e["from"], e["to"]}
    } >= {("Deployment", "ReplicaSet", "owns"), ("ReplicaSet", "Pod", "owns")}
    pod = next(node for node in ours(drawn) if node["kind"] == "Pod")
    assert pod["node"] in {machine["name"] for machine in drawn["machines"]}
    kubectl(cluster.student, "delete", "pod", pod["name"], "-n", lab.spec.namespace, "--wait=false")
    again = news_until(
        sight,
        "cluster",
        lambda said: pod["id"] not in {n["id"] for n in ours(said)} and len(ours(said)) == len(kinds),
    )
    assert len({n["id"] for n in ours(again)} - set(kinds)) == 1
    kubectl(cluster.admin, "delete", "namespace", lab.spec.namespace, "--wait=false")
