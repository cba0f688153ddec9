"""Probes against Pods that answer, do not answer, and would rather not be graded."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from grader.collect import Access
from grader.collect.probes import asking, executing, limits, names, web
from grader.collect.probes.answers import Ending
from grader.collect.probes.names import Resolver, parse, query
from grader.collect.probes.websocket import Broken
from grader.labfile.schema import Probe
from grader.model import Reply
from tests.fakes import pods
from tests.fakes.apiserver import Answer, FakeApiServer, status
from tests.fakes.pods import Command, FakePod, NameServer, page, raw, silent

NS = "shop"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What never comes is waited for less long."""
    for name, seconds in (("ANSWER", 1.5), ("COMMAND", 1.0)):
        monkeypatch.setattr(limits, name, seconds)
    monkeypatch.setattr(web, "DIAL", 0.3)
    monkeypatch.setattr(web, "PROXIED", 0.3)
    monkeypatch.setattr(web, "QUIET", 0.2)
    monkeypatch.setattr(names, "_UPSTREAM", 0.3)


def a_pod(
    server: FakeApiServer, name: str = "web-1", does: FakePod | None = None, *, address: str = "10.244.0.9", **more: Any
) -> FakePod:
    """A Pod that runs, ready, with a container of its name."""
    ports = [{"name": "http", "containerPort": 80}]
    spec = {"nodeName": "n", "containers": [{"name": "web", "ports": ports}], **more.pop("spec", {})}
    state = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "web", "state": {"running": {}}}],
        **more.pop("status", {}),
    }
    server.add("v1", "Pod", name, more.pop("namespace", NS), spec=spec, status=state, **more)
    made = does or FakePod(ports={80: page()})
    server.pods[NS, name] = made
    return made


def a_service(server: FakeApiServer, *endpoints: dict[str, Any], port: int = 80, **spec: Any) -> None:
    """The Service web, from port 8080 named "front" to `port` of these endpoints."""
    server.add("v1", "Service", "web", NS, spec={"ports": [{"name": "front", "port": 8080, "protocol": "TCP"}], **spec})
    labels = {"labels": {"kubernetes.io/service-name": "web"}}
    ports = [{"name": "front", "port": port}]
    server.add(
        "discovery.k8s.io/v1", "EndpointSlice", "web-x", NS, metadata=labels, ports=ports, endpoints=list(endpoints)
    )


def endpoint(pod: str = "web-1", address: str = "10.244.0.9", ready: bool = True, **more: Any) -> dict[str, Any]:
    target = {"kind": "Pod", "name": pod, "namespace": NS}
    return {"addresses": [address], "conditions": {"ready": ready}, "targetRef": target, **more}


def ask(access: Access, **spec: Any) -> tuple[Reply, ...]:
    """What one probe is replied."""
    check = Probe.model_validate({"probe": spec})
    return tuple(asking.ask(access, NS, {"do/0": check})["do/0"].replies)


def one(access: Access, **spec: Any) -> Reply:
    (reply,) = ask(access, **spec)
    return reply


# http ---------------------------------------------------------------------------------------------------------------


def test_http_of_a_pod(server: FakeApiServer, access: Access) -> None:
    a_pod(server)
    found = one(access, http={"pod": "web-1", "port": 80, "path": "/health?x=1"})
    assert found == Reply("answered", pod="web-1", port=80, code=200, text="hello")


def test_http_by_the_name_of_a_port(server: FakeApiServer, access: Access) -> None:
    a_pod(server)
    assert one(access, http={"pod": "web-1", "port": "http"}).code == 200
    assert one(access, http={"pod": "web-1", "port": "htpp"}) == Reply("unanswered", "no-port", "it has 80 (http)")


@pytest.mark.parametrize("port", [8080, "8080", "front"])
def test_http_of_a_service_asks_every_pod_behind_it(server: FakeApiServer, access: Access, port: int | str) -> None:
    a_pod(server, "web-1", FakePod(ports={80: page("one")}))
    a_pod(server, "web-2", FakePod(ports={80: page("two", status=404)}), address="10.244.0.10")
    a_pod(server, "web-3", FakePod(), address="10.244.0.11")
    unready = endpoint("web-3", "10.244.0.11", ready=False)
    a_service(server, endpoint("web-2", "10.244.0.10"), endpoint(), unready)
    found = ask(access, http={"service": "web", "port": port})
    assert [(r.pod, r.code, r.text) for r in found] == [("web-1", 200, "one"), ("web-2", 404, "two")]


def test_http_of_a_service_stops_at_the_first_that_does_not_answer(server: FakeApiServer, access: Access) -> None:
    a_pod(server, "web-1", FakePod())
    a_pod(server, "web-2", address="10.244.0.10")
    a_service(server, endpoint(), endpoint("web-2", "10.244.0.10"))
    found = one(access, http={"service": "web", "port": 8080})
    assert (found.reason, found.pod, found.port) == ("refused", "web-1", 80)


def test_what_listens_on_the_loopback_alone_is_not_reached(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(loopback={80: page()}))
    for kind in ("http", "tcp"):
        assert one(access, **{kind: {"pod": "web-1", "port": 80}}).reason == "refused"


def test_what_listens_on_its_address_alone_is_reached(server: FakeApiServer, access: Access) -> None:
    link = f"/api/v1/namespaces/{NS}/pods/web-1%3A80/proxy"
    a_pod(server, does=FakePod(address={80: page(f"<a href='{link}/x'>", Content_Type="text/html")}))
    found = one(access, http={"pod": "web-1", "port": 80})
    assert (found.code, found.text) == (200, "<a href='/x'>")


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        (page("gone", status=404), {"state": "answered", "code": 404, "text": "gone"}),
        (page("", status=302, Location="http://169.254.169.254/"), {"state": "answered", "code": 302, "text": ""}),
        (raw(b"HTTP/1.1 200 OK\r\n\r\nto the end"), {"code": 200, "text": "to the end", "cut": ""}),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), {"text": "abc"}),
        (raw(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), {"code": 200}),
        (raw(b"SSH-2.0-OpenSSH\r\n"), {"state": "unanswered", "reason": "no-http"}),
        (raw(b"HTTP/1.1 abc\r\n\r\n"), {"state": "unanswered", "reason": "no-http"}),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), {"code": 200, "text": ""}),
        (raw(b""), {"state": "unanswered", "reason": "silent"}),
        (silent, {"state": "unanswered", "reason": "silent", "cut": "time"}),
        (raw(b"HTTP/1.1 200 OK\r\n\xff\xfe\x00: \x1b[2J\r\n\r\n\x1b[31m\xff"), {"code": 200, "text": "\x1b[31m\ufffd"}),
    ],
)  # fmt: skip
def test_answers(server: FakeApiServer, access: Access, listener: pods.Listener, expected: dict[str, Any]) -> None:
    a_pod(server, does=FakePod(ports={80: listener}))
    found = one(access, http={"pod": "web-1", "port": 80})
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "listener",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", lasting=b"<p>more</p>" * 1000),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", lasting=b"x" * 30000),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", lasting=b"1\r\nx\r\n" * 5000),
        raw(b"HTTP/1.1 500 Oh\r\n\r\n", lasting=b"x" * 30000),
    ],
)
def test_an_answer_that_never_ends_is_cut(server: FakeApiServer, access: Access, listener: pods.Listener) -> None:
    a_pod(server, does=FakePod(ports={80: listener}))
    found = one(access, http={"pod": "web-1", "port": 80})
    assert (found.state, found.cut) == ("answered", "size")
    assert len(found.text) <= limits.READ


def test_an_answer_ends_where_it_says() -> None:
    """The connection stays open: whoever waited for its end would find none."""
    for head in (b"", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"):
        for body in (b"Content-Length: 2\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"):
            for pieces in ((head + b"HTTP/1.1 200 OK\r\n" + body,), (head, b"HTTP/1.1 200 OK\r\n", body)):
                ending, raw_ = Ending(), bytearray()
                for piece in pieces[:-1]:
                    raw_ += piece
                    assert not ending.reached(raw_)
                raw_ += pieces[-1]
                assert ending.reached(raw_)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("chunks", "over"),
    [
        (b"5;x=y\r\nab0\r\n\r\n", False),  # its data end as an answer does
        (b"5\r\nab0\r\n\r\n0\r\n\r\n", True),
        (b"A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\nX-Trailer: 0\r\n\r\n", True),
        (b"1\r\nx\r\n0\r\nX-Trailer: 0\r\n", False),
        (b"1\r\nx\r\n-1\r\n", True),  # what is no chunk is no part of the answer
        (b"1\r\nx\r\nzz\r\n", True),
    ],
)
def test_an_answer_in_chunks_ends_with_the_last(chunks: bytes, over: bool) -> None:
    whole = CHUNKED + chunks
    for step in (1, 7, len(whole)):
        ending, come, ended = Ending(), bytearray(), False
        for at in range(0, len(whole), step):
            assert not ended
            come += whole[at : at + step]
            ended = ending.reached(come)
        assert ended is over


def test_an_answer_in_many_pieces_costs_no_more_than_in_one() -> None:
    begun, ending, come = time.process_time(), Ending(), bytearray(CHUNKED)
    for _ in range(40000):
        come += b"1\r\nx\r\n"
        assert not ending.reached(come)
    for _ in range(400):  # a size without an end
        come += b"f" * 100
        assert not ending.reached(come)
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("endless", [b"X-More: 1\r\n" * 3000, b"x" * 30000])
def test_a_head_that_never_ends_is_no_answer(server: FakeApiServer, access: Access, endless: bytes) -> None:
    whole = raw(b"HTTP/1.1 200 OK\r\n", lasting=endless)
    a_pod(server, does=FakePod(loopback={80: whole}, address={80: page()}))
    assert one(access, http={"pod": "web-1", "port": 80}).reason == "no-http"


def test_a_pod_that_imitates_the_api_server_gains_nothing(server: FakeApiServer, access: Access) -> None:
    """An error of ours costs no points, so none can be made of a failure."""
    for code in (401, 403, 429, 500, 503):
        imitated = page(status(code, "pods is forbidden").body, status=code)
        server.pods.clear()
        server.objects.clear()
        a_pod(server, does=FakePod(ports={80: imitated}))
        assert one(access, http={"pod": "web-1", "port": 80}).code == code
        assert one(access, tcp={"pod": "web-1", "port": 80}).state == "answered"


def test_a_pod_that_imitates_a_long_refusal_costs_no_time(server: FakeApiServer, access: Access) -> None:
    long = "dial tcp: " * 6000
    a_pod(server, does=FakePod(ports={80: page(status(503, long).body, status=503)}))
    begun = time.process_time()
    assert one(access, tcp={"pod": "web-1", "port": 80}).reason == "unreachable"
    assert time.process_time() - begun < 2.0


def test_an_identity_that_may_not_connect_is_our_error(server: FakeApiServer, access: Access) -> None:
    a_pod(server)
    server.allowed = False
    server.fault("/proxy/", status(403, "pods/proxy is forbidden"), lasting=True)
    found = one(access, http={"pod": "web-1", "port": 80})
    assert found.state == "error" and "grade with one that may" in found.said
    server.faults.clear()
    server.fault("/portforward", status(403, "pods/portforward is forbidden"), lasting=True)
    found = one(access, http={"pod": "web-1", "port": 80})
    assert found.state == "error" and "kubeconfig that may" in found.said


REFUSALS = [
    status(400, "bad port"),
    status(404, 'pods "web-1" not found'),
    status(429, "too many requests, please try again later"),
    status(500, "Internal error occurred"),
    status(504, "timed out"),
    Answer(200, hangs_up=True),
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_an_api_server_that_refuses_has_not_connected(server: FakeApiServer, access: Access, answer: Answer) -> None:
    """Its own words, to the HEAD too, are none of the Pod's."""
    a_pod(server, does=FakePod())
    server.fault("/proxy/", answer, lasting=True)
    assert one(access, tcp={"pod": "web-1", "port": 80}).reason == "refused"
    server.pods[NS, "web-1"] = FakePod(ports={80: page()})
    assert one(access, tcp={"pod": "web-1", "port": 80}).state == "answered"
    assert one(access, http={"pod": "web-1", "port": 80}).code == 200


@pytest.mark.parametrize("answer", REFUSALS)
def test_an_api_server_that_refuses_everything_is_an_error(
    server: FakeApiServer, access: Access, answer: Answer
) -> None:
    a_pod(server, does=FakePod(address={80: page()}))
    server.fault("/proxy/", answer, lasting=True)
    server.fault("/version", status(500, "etcdserver: no leader"), lasting=True)
    found = one(access, http={"pod": "web-1", "port": 80})
    assert found.state == "error" and "no leader" in found.said


def test_an_imitation_on_the_address_alone_gains_nothing(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(address={80: page(status(500, "Internal error occurred").body, status=500)}))
    assert one(access, http={"pod": "web-1", "port": 80}).code == 500


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_pod_that_goes_while_it_is_asked(server: FakeApiServer, access: Access, kind: str) -> None:
    a_pod(server, does=FakePod(address={80: silent}))
    server.fault("/portforward", status(404, 'pods "web-1" not found'), lasting=True)
    assert one(access, **{kind: {"pod": "web-1", "port": 80}}).reason == "not-running"


def test_a_connection_that_breaks_after_the_answer(server: FakeApiServer, access: Access) -> None:
    """A server that resets what it has answered has answered."""
    answers = raw(b"HTTP/1.1 200 OK\r\n\r\nto the end")
    reset = "error forwarding port 80 to pod x: read: connection reset by peer"
    a_pod(server, does=FakePod(loopback={80: answers}, address={80: silent}, breaks=reset))
    found = one(access, http={"pod": "web-1", "port": 80})
    assert (found.code, found.text) == (200, "to the end")


# Who may not be asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leads_to", ["169.254.169.254", "127.0.0.1", "localhost", "host.docker.internal"])
def test_an_external_name_is_not_followed(server: FakeApiServer, access: Access, leads_to: str) -> None:
    a_service(server, endpoint(), type="ExternalName", externalName=leads_to)
    for kind in ("http", "tcp"):
        found = one(access, **{kind: {"service": "web", "port": 8080}})
        assert (found.reason, found.said) == ("external-name", leads_to)
    assert server.seen("proxy|portforward") == []


@pytest.mark.parametrize(
    "led",
    [
        {"addresses": ["172.18.0.1"], "targetRef": None},
        {"addresses": ["127.0.0.1"], "targetRef": {"kind": "Node", "name": "n"}},
        {"addresses": ["10.96.0.1"], "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "kube-system"}},
        {"addresses": ["169.254.169.254"]},  # of a Pod that has another address
    ],
)
def test_an_endpoint_that_is_no_pod_is_not_followed(server: FakeApiServer, access: Access, led: dict[str, Any]) -> None:
    a_pod(server)
    a_service(server, endpoint(**led))
    found = one(access, http={"service": "web", "port": 8080})
    assert (found.reason, found.said) == ("foreign-endpoint", led["addresses"][0])
    assert server.seen("proxy|portforward") == []


def test_a_pod_in_its_nodes_network_is_not_asked(server: FakeApiServer, access: Access) -> None:
    a_pod(server, spec={"hostNetwork": True})
    a_service(server, endpoint(), port=10250)
    for asked in ({"pod": "web-1", "port": 10250}, {"service": "web", "port": 8080}):
        assert one(access, http=asked).reason == "host-network"
        assert one(access, tcp=asked).reason == "host-network"
    assert server.seen("proxy|portforward") == []


@pytest.mark.parametrize(
    ("asked", "reason", "said"),
    [
        ({"service": "wbe", "port": 80}, "no-service", ""),
        ({"service": "web", "port": 80}, "no-port", "it has 8080 (front)"),
        ({"service": "web", "port": 8080}, "no-endpoints", ""),
        ({"pod": "gone", "port": 80}, "no-pod", ""),
        ({"pod": "web-1", "port": 80}, "not-running", "ImagePullBackOff"),
    ],
)
def test_nobody_to_ask(server: FakeApiServer, access: Access, asked: dict[str, Any], reason: str, said: str) -> None:
    waiting = {"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    a_pod(server, status={"phase": "Pending", "podIP": "", "containerStatuses": [waiting]})
    a_service(server, endpoint(ready=False))
    for kind in ("http", "tcp"):
        found = one(access, **{kind: asked})
        assert (found.state, found.reason, found.said) == ("unanswered", reason, said)


# tcp ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", [page(), page(status=500), raw(b"-ERR unknown command\r\n"), raw(b""), silent])
def test_tcp(server: FakeApiServer, access: Access, listener: pods.Listener) -> None:
    a_pod(server, does=FakePod(ports={6379: listener}))
    assert one(access, tcp={"pod": "web-1", "port": 6379}) == Reply("answered", pod="web-1", port=6379)
    assert one(access, tcp={"pod": "web-1", "port": 6380}).reason == "refused"


def test_tcp_where_the_network_swallows_what_is_sent(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(address={80: silent}))
    assert one(access, tcp={"pod": "web-1", "port": 80}).reason == "refused"


# dns ------------------------------------------------------------------------------------------------------------------


def a_name_server(server: FakeApiServer, names: dict[str, list[str]], **more: Any) -> NameServer:
    made = NameServer(names, **more)
    labels = {"labels": {"k8s-app": "kube-dns"}}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    server.add("v1", "Pod", "coredns-1", "kube-system", metadata=labels, status=ready)
    server.pods["kube-system", "coredns-1"] = FakePod(loopback={53: made})
    server.add("v1", "Service", "kube-dns", "kube-system", spec={"clusterIPs": ["10.96.0.10"]})
    corefile = ".:53 {\n    kubernetes lab.local in-addr.arpa {\n    }\n}\n"
    server.add("v1", "ConfigMap", "coredns", "kube-system", data={"Corefile": corefile})
    return made


NAMES = {"web.shop.svc.lab.local": ["10.96.7.7"], "web.other.svc.lab.local": ["fd00::7"], "x.example": ["y.example"]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", ["10.96.7.7"]),
        ("web.shop", ["10.96.7.7"]),
        ("web.other.svc", ["fd00::7"]),
        ("web.shop.svc.lab.local", ["10.96.7.7"]),
        ("web.shop.svc.lab.local.", ["10.96.7.7"]),
        ("x.example", ["y.example"]),
    ],
)
def test_dns(server: FakeApiServer, access: Access, name: str, expected: list[str]) -> None:
    a_name_server(server, NAMES)
    found = one(access, dns={"name": name})
    assert (found.state, list(found.addresses)) == ("answered", expected)


def test_dns_of_what_is_not_there(server: FakeApiServer, access: Access) -> None:
    there = a_name_server(server, {**NAMES, "db.shop.svc.lab.local": []})
    assert one(access, dns={"name": "wbe"}).reason == "no-such-name"
    # A single word is nothing that a server outside of the cluster could know.
    assert there.asked == ["wbe.shop.svc.lab.local", "wbe.svc.lab.local", "wbe.lab.local"]
    assert one(access, dns={"name": "db"}).reason == "no-address"
    assert one(access, dns={"name": "a" * 64}).reason == "no-such-name"
    there.failing = {"db.shop.svc.lab.local": 2}
    assert one(access, dns={"name": "db"}).reason == "no-answer"


def test_dns_as_a_pod_asks(server: FakeApiServer, access: Access) -> None:
    a_name_server(server, NAMES)
    a_pod(server, "plain")
    a_pod(
        server,
        "far",
        spec={"dnsConfig": {"searches": ["other.svc.lab.local"], "options": [{"name": "ndots", "value": "x"}]}},
    )
    a_pod(server, "endless", spec={"dnsConfig": {"options": [{"name": "ndots", "value": "9" * 5000}]}})
    a_pod(server, "own", spec={"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}})
    a_pod(server, "away", spec={"dnsPolicy": "None", "dnsConfig": {"nameservers": ["8.8.8.8"]}})
    assert one(access, dns={"name": "web", "pod": "plain"}).addresses == ("10.96.7.7",)
    assert one(access, dns={"name": "web", "pod": "far"}).addresses == ("10.96.7.7",)
    assert one(access, dns={"name": "web", "pod": "endless"}).addresses == ("10.96.7.7",)
    assert one(access, dns={"name": "web", "pod": "own"}).reason == "no-such-name"
    found = one(access, dns={"name": "web", "pod": "away"})
    assert (found.reason, found.said) == ("own-name-server", "its dnsPolicy is None, its name servers are 8.8.8.8")
    assert one(access, dns={"name": "web", "pod": "gone"}).reason == "no-pod"


@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        ({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}, "web.shop", "answered"),
        ({"dnsConfig": {"searches": ["slow.example"]}}, "wbe", "unanswered"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"], "searches": [
            "slow.example", "shop.svc.lab.local."]}}, "web", "answered"),
        ({}, "web.slow.example.", "unanswered"),
    ],
)  # fmt: skip
def test_dns_of_a_pod_that_leads_out_of_the_cluster(
    server: FakeApiServer, access: Access, spec: dict[str, Any], name: str, expected: str
) -> None:
    """How long others take, which a student may name, is no error of ours."""
    a_name_server(server, NAMES, hanging=["web.shop", "web.slow.example", "wbe.slow.example"])
    a_pod(server, spec=spec)
    assert one(access, dns={"name": name, "pod": "web-1"}).state == expected


def test_dns_where_the_name_server_is_at_fault(server: FakeApiServer, access: Access) -> None:
    assert "no name server of its own" in one(access, dns={"name": "web"}).said
    a_name_server(server, NAMES)
    for does in (FakePod(), FakePod(loopback={53: silent}), FakePod(loopback={53: raw(b"\0\3abc")})):
        server.pods["kube-system", "coredns-1"] = does
        assert one(access, dns={"name": "web"}).state == "error"


@pytest.mark.parametrize(
    "message", [b"", b"\0" * 12, bytes(4) + b"\0\1\0\1" + bytes(4) + b"\xc0\x0c\0\1\0\1", b"\xff" * 64]
)
def test_a_malformed_answer_of_a_name_server(message: bytes) -> None:
    try:
        code, found = parse(message)
    except Broken:
        return
    assert (code, found) == (0, [])


def test_a_question_that_is_no_name() -> None:
    assert query(1, "web..shop", 1) is None
    assert query(1, "a." * 130 + "b", 1) is None
    assert [name for name, _ in Resolver(["x"], "x").candidates("a.b.c.d.e.f")] == ["a.b.c.d.e.f.x", "a.b.c.d.e.f"]


# exec -----------------------------------------------------------------------------------------------------------------


def test_exec(server: FakeApiServer, access: Access) -> None:
    does = FakePod(commands={("cat", "/data"): Command([b"one\n", b"two"], errors=b"!"), ("no",): Command(code=3)})
    a_pod(server, does=does, spec={"initContainers": [{"name": "early"}]})
    assert one(access, exec={"pod": "web-1", "command": ["cat", "/data"]}) == Reply(
        "answered", pod="web-1", code=0, text="one\ntwo!"
    )
    assert one(access, exec={"pod": "web-1", "command": ["no"]}).code == 3
    assert does.ran == [("web", ("cat", "/data")), ("web", ("no",))]
    missing = one(access, exec={"pod": "web-1", "command": ["gone"]})
    assert missing.reason == "cannot-execute" and "executable file not found" in missing.said
    assert one(access, exec={"pod": "web-1", "command": ["no"], "container": "x"}).reason == "no-container"
    assert one(access, exec={"pod": "web-1", "command": ["no"], "container": "early"}).reason == "not-running"


def test_a_command_that_prints_for_ever_is_cut(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(commands={("yes",): Command(repeat(b"y\n" * 10000))}))
    found = one(access, exec={"pod": "web-1", "command": ["yes"]})
    assert (found.code, found.cut, len(found.text)) == (None, "size", limits.READ)


def test_a_command_that_never_ends_is_cut(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(commands={("sleep",): Command([b"z"], code=None)}))
    found = one(access, exec={"pod": "web-1", "command": ["sleep"]})
    assert (found.code, found.cut, found.text) == (None, "time", "z")


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
@pytest.mark.parametrize("command", [["sleep", "9"], ["sh", "-c", "sleep 8\nsleep 9"], ["sh", "-c", "sleep 8\n\n9\n"]])
def test_a_command_that_was_cut_is_found_by_its_words(tmp_path: Path, shell: str, command: list[str]) -> None:
    """Among processes as a container's /proc shows them. Those that did not come by exec are let be."""
    if shutil.which(shell) is None:
        pytest.skip(f"this system has no {shell}")
    for number, parent, words in ((1, 0, command), (7, 0, command), (8, 7, command), (9, 0, [*command, "x"])):
        process = tmp_path / str(number)
        process.mkdir()
        (process / "status").write_text(f"Name:\tx\nPPid:\t{parent}\nUid:\t0\n")
        (process / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    script = executing._KILL.replace("/proc", str(tmp_path)).replace("kill -9", "echo")
    run = [shell, *(["sh"] if shell == "busybox" else []), "-c", script, "sh", "".join(command)]
    assert subprocess.run(run, capture_output=True, text=True, check=False).stdout == "-- -7\n"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (status(403, "pods/exec is forbidden"), "error"),
        (status(500, 'error dialing backend: dial tcp 172.18.0.2:10250: connect: connection refused'), "error"),
        (status(500, 'container not found ("web")'), "unanswered"),
        (status(404, 'pods "web-1" not found'), "unanswered"),
        (Answer(200, b"not a stream"), "error"),
    ],
)  # fmt: skip
def test_a_stream_that_is_not_opened(server: FakeApiServer, access: Access, answer: Answer, state: str) -> None:
    a_pod(server)
    server.fault("/exec", answer, lasting=True)
    assert one(access, exec={"pod": "web-1", "command": ["x"]}).state == state


@pytest.mark.parametrize(("restarted", "state"), [(False, "error"), (True, "unanswered")])
def test_a_stream_of_a_command_that_breaks_off(
    server: FakeApiServer, access: Access, restarted: bool, state: str
) -> None:
    """It is the student's where the container ended, and nobody's else."""

    def prints() -> Iterator[bytes]:
        if restarted:
            server.objects[-1]["status"]["containerStatuses"][0]["containerID"] = "containerd://2"
        yield b"so far"

    a_pod(server, does=FakePod(commands={("x",): Command(prints(), breaks_off=True)}))
    found = one(access, exec={"pod": "web-1", "command": ["x"]})
    assert found.state == state and "broke off" in found.said


# logs -----------------------------------------------------------------------------------------------------------------


def test_logs(server: FakeApiServer, access: Access) -> None:
    a_pod(server, does=FakePod(log=[b"ready\n", b"\xff"]))
    assert one(access, logs={"pod": "web-1", "contains": "x"}) == Reply("answered", pod="web-1", text="ready\n\ufffd")
    assert "tailLines=1000" in server.seen("/log")[0]
    server.pods[NS, "web-1"] = FakePod(log=repeat(b"line\n" * 5000))
    found = one(access, logs={"pod": "web-1", "contains": "x"})
    assert (found.cut, len(found.text)) == ("size", limits.READ)
    server.pods[NS, "web-1"] = FakePod(log_status=400)
    assert one(access, logs={"pod": "web-1", "contains": "x"}).reason == "not-running"


# All of them ----------------------------------------------------------------------------------------------------------


def test_an_api_server_that_dies_is_an_error(server: FakeApiServer, access: Access) -> None:
    a_pod(server)
    server.stop()
    for spec in ({"http": {"pod": "web-1", "port": 80}}, {"logs": {"pod": "web-1", "contains": "x"}}):
        found = one(access, **spec)
        assert found.state == "error" and "does not answer" in found.said


@pytest.mark.parametrize("kind", ["http", "tcp", "exec"])
def test_an_api_server_that_dies_in_a_stream_is_an_error(server: FakeApiServer, access: Access, kind: str) -> None:
    """Its end looks as if the Pod had hung up."""

    def dies() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab" if kind == "http" else b""
        server.die()

    def listens(sent: bytes) -> Iterator[bytes] | None:
        return dies() if sent or kind == "tcp" else None

    a_pod(server, does=FakePod(loopback={80: listens}, address={80: silent}, commands={("x",): Command(dies())}))
    spec = {"pod": "web-1", **({"command": ["x"]} if kind == "exec" else {"port": 80})}
    found = one(access, **{kind: spec})
    assert found.state == "error" and "does not answer" in found.said


def test_an_api_server_that_hangs_in_a_probe_is_an_error(server: FakeApiServer, access: Access) -> None:
    a_pod(server)
    server.fault("/exec|/log", Answer(200, hangs=True), lasting=True)
    for spec in ({"exec": {"pod": "web-1", "command": ["x"]}}, {"logs": {"pod": "web-1", "contains": "x"}}):
        assert one(access, **spec).state == "error"


def test_the_same_question_is_asked_once(server: FakeApiServer, access: Access) -> None:
    does = a_pod(server, does=FakePod(commands={("id",): Command([b"0"])}))
    checks = {
        f"do/{i}": Probe.model_validate({"probe": {"exec": {"pod": "web-1", "command": ["id"], **more}}})
        for i, more in enumerate(({}, {"contains": "0"}, {"exit_code": 1}))
    }
    found = asking.ask(access, NS, checks)
    assert list(found) == list(checks) and len(does.ran) == 1
    assert len({p.question for p in found.values()}) == 1


def test_probes_are_made_side_by_side(server: FakeApiServer, access: Access) -> None:
    """Each waits for the other, so one after another they would never end but by their limit."""
    both = Barrier(2, timeout=30)

    def meets() -> Iterator[bytes]:
        both.wait()
        yield b"met"

    a_pod(server, does=FakePod(commands={("a",): Command(meets()), ("b",): Command(meets())}))
    checks = {
        word: Probe.model_validate({"probe": {"exec": {"pod": "web-1", "command": [word]}}}) for word in ("a", "b")
    }
    found = asking.ask(access, NS, checks)
    assert [p.replies[0].text for p in found.values()] == ["met", "met"]
