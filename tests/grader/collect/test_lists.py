from __future__ import annotations

import re

import pytest

from grader.collect import Access
from grader.collect import access as access_module
from grader.collect import lists as lists_module
from grader.collect.lists import lists
from grader.model import ClusterUnreachable, ObjectList, Want
from tests.fakes.apiserver import Answer, FakeApiServer, status

POD = Want("v1", "Pod", "shop")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "PAUSES", (0.001, 0.001, 0.001))


def _one(access: Access, want: Want = POD) -> ObjectList:
    (found,) = lists(access, [want])
    return found


def _names(found: ObjectList) -> list[str]:
    return [item["metadata"]["name"] for item in found.items]


def test_one_list_a_resource_and_namespace(server: FakeApiServer, access: Access) -> None:
    server.add("v1", "Pod", "web", "shop", spec={"x": 1}, metadata={"managedFields": [{}]})
    server.add("v1", "Pod", "other", "elsewhere")
    server.add("v1", "Node", "n1")
    (nodes,) = lists(access, [Want("v1", "Node", "shop"), Want("v1", "Node", "other")])
    assert (nodes.namespace, _names(nodes)) == ("", ["n1"])
    assert len(server.seen(r"/nodes\?")) == 1
    found = _one(access)
    assert found.items == [
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"x": 1}, "apiVersion": "v1", "kind": "Pod"}
    ]
    assert (found.resource_version, found.served, found.error) == ("100", True, None)


def test_managed_fields_stay_where_they_are_asked_for(server: FakeApiServer, access: Access) -> None:
    server.add("v1", "Pod", "web", "shop", metadata={"managedFields": [{"manager": "ci"}]})
    (found,) = lists(access, [POD], managed_fields=True)
    assert found.items[0]["metadata"]["managedFields"] == [{"manager": "ci"}]


def test_a_list_over_every_namespace_serves_the_single_ones(server: FakeApiServer, access: Access) -> None:
    server.add("v1", "Pod", "web", "shop")
    (found,) = lists(access, [POD, Want("v1", "Pod", "*"), Want("v1", "Pod", "other")])
    assert found.namespace == "*"
    assert len(server.seen(r"/pods\?")) == 1


def test_discovery_is_asked_once_a_group_version(server: FakeApiServer, access: Access) -> None:
    lists(access, [POD, Want("v1", "Service", "shop"), Want("apps/v1", "Deployment", "shop")])
    lists(access, [POD])
    assert len(server.seen("^/api/v1$")) == 1
    assert len(server.seen("^/apis/apps/v1$")) == 1


@pytest.mark.parametrize("want", [Want("example.com/v1", "Thing", "shop"), Want("v1", "Thing", "shop")])
def test_a_kind_that_is_not_served(access: Access, want: Want) -> None:
    found = _one(access, want)
    assert (found.served, found.error, list(found.items)) == (False, None, [])


def test_a_kind_that_comes_later_is_found(server: FakeApiServer, access: Access) -> None:
    server.fault("^/apis/apps/v1$", status(404, "not yet"))
    want = Want("apps/v1", "Deployment", "shop")
    assert not _one(access, want).served
    assert _one(access, want).served


def test_pages_are_of_one_moment_and_in_order(
    server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "PAGE", 3)
    for i in range(10):
        server.add("v1", "Pod", f"p{i}", "shop")

    def grows(path: str) -> None:
        server.version += 1

    server.on_request = grows
    found = _one(access)
    assert _names(found) == [f"p{i}" for i in range(10)]
    pages = server.seen(r"/pods\?")
    assert [re.findall(r"limit=(\d+)|continue=(\d+)", p) for p in pages[:2]] == [[("3", "")], [("3", ""), ("", "3")]]
    assert len(pages) == 4
    assert found.resource_version == "102"  # the first page's: discovery was 101


def test_an_expired_continuation_begins_the_list_again(
    server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "PAGE", 2)
    for i in range(5):
        server.add("v1", "Pod", f"p{i}", "shop")
    server.fault("continue=", status(410, "Expired"))
    assert _names(_one(access)) == [f"p{i}" for i in range(5)]
    assert len([p for p in server.seen(r"/pods\?") if "continue" not in p]) == 2


def test_a_continuation_that_expires_every_time_ends_in_one_whole_list(
    server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "PAGE", 2)
    for i in range(5):
        server.add("v1", "Pod", f"p{i}", "shop")
    server.fault("continue=", status(410, "Expired"), lasting=True)
    assert len(_one(access).items) == 5
    assert server.requests[-1].endswith("/pods")


@pytest.mark.parametrize(
    "body", [b'{"metadata":{},"items":null}', b'{"metadata":null}', b'{"items":[null, {"metadata":null}]}']
)
def test_lists_that_go_writes_as_null(server: FakeApiServer, access: Access, body: bytes) -> None:
    server.fault("/pods", Answer(200, body))
    found = _one(access)
    assert found.error is None
    assert len(found.items) <= 1


@pytest.mark.parametrize(
    "answer",
    [
        status(500, "etcdserver: leader changed"),
        status(429, "too many requests", **{"Retry-After": "0"}),
        status(503, "starting"),
        Answer(200, b'{"items":', breaks_off=True),
    ],
    ids=["500", "429", "503", "breaks off"],
)
def test_what_passes_is_tried_again(server: FakeApiServer, access: Access, answer: Answer) -> None:
    server.add("v1", "Pod", "web", "shop")
    server.fault("/pods", answer, answer)
    assert _names(_one(access)) == ["web"]
    assert len(server.seen("/pods")) == 3


def test_a_server_that_asks_for_a_pause_gets_it(
    server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(access_module.time, "sleep", slept.append)
    server.fault("/pods", status(429, "busy", **{"Retry-After": "2"}), status(429, "busy", **{"Retry-After": "3600"}))
    assert _one(access).error is None
    assert slept == [2.0, access_module.LONGEST_PAUSE]


def test_what_does_not_pass_is_an_error_of_the_list_and_not_an_empty_one(server: FakeApiServer, access: Access) -> None:
    server.add("v1", "Service", "web", "shop")
    server.fault("/pods", status(500, "etcd is down"), lasting=True)
    pods, services = lists(access, [POD, Want("v1", "Service", "shop")])
    assert pods.error is not None
    assert "etcd is down" in pods.error
    assert "Pod" in pods.error
    assert "shop" in pods.error
    assert services.error is None


def test_after_one_request_in_vain_the_others_are_not_waited_for(server: FakeApiServer, access: Access) -> None:
    server.fault("/(pods|services)", status(500, "down"), lasting=True)
    lists(access, [POD, Want("v1", "Service", "shop")])
    assert len(server.seen("/pods")) == len(access_module.PAUSES) + 1
    assert len(server.seen("/services")) == 1
    access.afresh()
    lists(access, [POD])
    assert len(server.seen("/pods")) == 2 * (len(access_module.PAUSES) + 1)


def test_a_slow_server(server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "READ", 0.05)
    server.fault("/pods", Answer(200, hangs=True), lasting=True)
    error = _one(access).error
    assert error is not None
    assert "timed out" in error


def test_a_server_that_says_nothing_is_not_asked_for_everything(
    server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "READ", 0.05)
    monkeypatch.setattr(access_module, "PATIENCE", 0.04)
    server.fault("", Answer(200, hangs=True), lasting=True)
    found = lists(access, [POD, Want("apps/v1", "Deployment", "shop"), Want("v1", "Service", "shop")])
    assert all("timed out" in str(one.error) for one in found)
    assert len(server.requests) == 1
    access.afresh()
    lists(access, [POD])
    assert len(server.requests) == 2


def test_a_server_that_dies_half_way(server: FakeApiServer, access: Access) -> None:
    server.dies_after = 2
    found = lists(access, [POD, Want("v1", "Service", "shop"), Want("v1", "ConfigMap", "shop")])
    assert [one.error is None for one in found] == [True, False, False]
    assert all("does not answer" in one.error for one in found if one.error)


def test_a_list_that_may_not_be_read(server: FakeApiServer, access: Access) -> None:
    server.fault("/pods", status(403, 'pods is forbidden: User "ada" cannot list'), lasting=True)
    pods, services = lists(access, [POD, Want("v1", "Service", "shop")])
    assert pods.error is not None
    assert "403" in pods.error
    assert services.error is None
    assert len(server.seen("/pods")) == 1  # not tried again


def test_an_identity_that_may_read_nothing(server: FakeApiServer, access: Access) -> None:
    server.fault("/(pods|services)", status(403, "forbidden"), lasting=True)
    with pytest.raises(ClusterUnreachable, match="403"):
        lists(access, [POD, Want("v1", "Service", "shop")])


def test_an_identity_that_is_refused(server: FakeApiServer, access: Access) -> None:
    server.fault("/pods", status(401, "Unauthorized"))
    with pytest.raises(ClusterUnreachable, match="refuses the identity"):
        lists(access, [POD])


def test_too_many_objects(server: FakeApiServer, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "MOST", 3)
    for i in range(5):
        server.add("v1", "Pod", f"p{i}", "shop")
    error = _one(access).error
    assert error is not None
    assert "more than 3" in error


def test_odd_namespaces_are_escaped(server: FakeApiServer, access: Access) -> None:
    _one(access, Want("v1", "Pod", "../../nodes?x="))
    assert server.seen("/pods")[0].startswith("/api/v1/namespaces/..%2F..%2Fnodes%3Fx%3D/pods")
