"""Probes of real Pods, in a kind cluster: those that answer, and those that would rather take the grader down."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from clusters.kubectl import kubectl
from grader.checks.probing import lacking, told
from grader.collect import Access
from grader.collect.probes import asking, limits
from grader.labfile.schema import Probe
from grader.model import Reply
from tests.conftest import RealCluster

pytestmark = pytest.mark.kind
# Serves /www on port 80 of all addresses and on port 81 of the loopback alone. Under /cgi-bin: a page that never ends,
# one that ends after the limit, a status, and an answer that imitates the API server's.
SERVER = r"""
mkdir -p /www/cgi-bin /srv; cd /www; echo '<a href="/x">page</a>' > index.html
script() { cat > cgi-bin/$1; chmod +x cgi-bin/$1; }
script endless <<'X'
#!/bin/sh
printf 'Content-Type: text/html\r\n\r\n'
exec yes '<p>more</p>'
X
script slow <<'X'
#!/bin/sh
sleep 30
printf 'Content-Type: text/plain\r\n\r\nlate'
X
script imitates <<'X'
#!/bin/sh
printf 'Status: 403 Forbidden\r\nContent-Type: application/json\r\n\r\n'
echo '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods is forbidden","code":403}'
X
httpd -p 127.0.0.1:81 -h /www
echo 'the server is ready'
exec httpd -f -p 80 -h /www
"""


def manifests(image: str) -> list[dict[str, Any]]:
    """What a student made, honest and not."""

    def pod(name: str, *command: str, **more: Any) -> dict[str, Any]:
        container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command)}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container], **more}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}

    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}

    def port(number: int, target: int, **more: Any) -> dict[str, Any]:
        return {"port": number, "targetPort": target, **more}

    return [
        pod("web", "sh", "-c", SERVER),
        # Sends zeros to whoever connects, for ever, one after another.
        pod("flood", "nc", "-ll", "-p", "80", "-e", "cat", "/dev/zero"),
        pod("mute", "nc", "-ll", "-p", "80", "-e", "sleep", "1000"),
        pod("never", "sleep", "100000", nodeSelector={"no": "node"}),
        service("web", selector={"app": "web"}, ports=[port(8080, 80, name="a"), port(8081, 81, name="b")]),
        service("nobody", selector={"app": "nobody"}, ports=[port(80, 80)]),
        service("peers", clusterIP="None", selector={"app": "web"}, ports=[port(80, 80)]),
        service("away", type="ExternalName", externalName="169.254.169.254", ports=[port(80, 80)]),
        service("led", ports=[port(80, 80)]),
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "led-1", "labels": {"kubernetes.io/service-name": "led"}},
            "ports": [{"port": 6443}],
            "endpoints": [{"addresses": ["172.18.0.1"], "targetRef": {"kind": "Pod", "name": "web"}}],
        },
    ]  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A namespace with these Pods, and the platform's way to ask them."""

    access: Access
    namespace: str
    cluster: RealCluster

    def field(self, kind: str, name: str, path: str) -> str:
        """A field of an object."""
        return kubectl(self.cluster.admin, "-n", self.namespace, "get", kind, name, "-o", f"jsonpath={path}").stdout

    def ask(self, **spec: Any) -> Reply:
        """What one probe of one Pod is replied."""
        check = Probe.model_validate({"probe": spec})
        (reply,) = asking.ask(self.access, self.namespace, {"do/0": check})["do/0"].replies
        return reply


@pytest.fixture(scope="module")
def stage(kind_cluster: RealCluster) -> Iterator[Stage]:
    admin, namespace = kind_cluster.admin, f"t-{uuid.uuid4().hex[:8]}"
    kubectl(admin, "create", "namespace", namespace)
    try:
        kubectl(admin, "wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests("busybox:1.37")})
        kubectl(admin, "-n", namespace, "create", "-f", "-", stdin=items)
        ready = ("pod/web", "pod/flood", "pod/mute")
        kubectl(admin, "-n", namespace, "wait", "--for=condition=Ready", *ready, "--timeout=120s", timeout=130)
        yield Stage(Access.from_kubeconfig(admin), namespace, kind_cluster)
    finally:
        kubectl(admin, "delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"http": {"pod": "web", "port": 80}}, {"code": 200, "text": '<a href="/x">page</a>\n', "cut": ""}),
        ({"http": {"service": "web", "port": "a"}}, {"code": 200, "pod": "web", "port": 80}),
        ({"http": {"service": "web", "port": 8080, "path": "/none"}}, {"code": 404}),
        ({"http": {"service": "web", "port": 8081}}, {"reason": "refused"}),  # on its loopback alone
        ({"http": {"service": "web", "port": 80}}, {"reason": "no-port", "said": "it has 8080 (a), 8081 (b)"}),
        ({"http": {"service": "nobody", "port": 80}}, {"reason": "no-endpoints"}),
        ({"http": {"service": "none", "port": 80}}, {"reason": "no-service"}),
        ({"http": {"pod": "web", "port": 82}}, {"reason": "refused"}),
        ({"http": {"pod": "never", "port": 80}}, {"reason": "not-running"}),
        ({"http": {"pod": "web", "port": 80, "path": "/cgi-bin/imitates"}}, {"state": "answered", "code": 403}),
        ({"http": {"pod": "web", "port": 80, "path": "/cgi-bin/slow"}}, {"reason": "silent", "cut": "time"}),
        ({"http": {"pod": "web", "port": 80, "path": "/cgi-bin/endless"}}, {"code": 200, "cut": "size"}),
        ({"http": {"pod": "flood", "port": 80}}, {"reason": "no-http"}),
        ({"http": {"pod": "mute", "port": 80}}, {"reason": "silent"}),
        ({"tcp": {"service": "web", "port": 8080}}, {"state": "answered"}),
        ({"tcp": {"service": "web", "port": 8081}}, {"reason": "refused"}),
        ({"tcp": {"pod": "flood", "port": 80}}, {"state": "answered"}),
        ({"tcp": {"pod": "mute", "port": 80}}, {"state": "answered"}),
        ({"http": {"service": "away", "port": 80}}, {"reason": "external-name", "said": "169.254.169.254"}),
        ({"tcp": {"service": "led", "port": 80}}, {"reason": "foreign-endpoint", "said": "172.18.0.1"}),
        ({"exec": {"pod": "web", "command": ["sh", "-c", "echo out; exit 3"]}}, {"code": 3, "text": "out\n"}),
        ({"exec": {"pod": "web", "command": ["none"]}}, {"reason": "cannot-execute"}),
        ({"exec": {"pod": "never", "command": ["true"]}}, {"reason": "not-running"}),
        ({"logs": {"pod": "web", "contains": "x"}}, {"state": "answered", "text": "the server is ready\n"}),
        ({"logs": {"pod": "never", "contains": "x"}}, {"reason": "not-running"}),
        ({"dns": {"name": "none"}}, {"reason": "no-such-name"}),
        ({"dns": {"name": "none", "pod": "web"}}, {"reason": "no-such-name", "pod": "web"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_probe(stage: Stage, spec: dict[str, Any], expected: dict[str, Any]) -> None:
    reply = stage.ask(**spec)
    assert {name: getattr(reply, name) for name in expected} == expected
    assert told(Probe.model_validate({"probe": {**spec}}).probe, reply)


def test_a_pod_in_its_nodes_network_is_not_asked(stage: Stage) -> None:
    """A student may make none here, so one of the control plane's stands in: its port leads to the API server."""
    labels = ("-n", "kube-system", "get", "pods", "-l", "component=kube-apiserver", "-o", "name")
    pod = kubectl(stage.cluster.admin, *labels).stdout.split()[0].removeprefix("pod/")
    for kind in ("http", "tcp"):
        assert (
            replace(stage, namespace="kube-system").ask(**{kind: {"pod": pod, "port": 6443}}).reason == "host-network"
        )


def test_names(stage: Stage) -> None:
    address = stage.field("service", "web", "{.spec.clusterIP}")
    for name in ("web", f"web.{stage.namespace}", f"web.{stage.namespace}.svc.cluster.local", "web.{}.svc"):
        assert stage.ask(dns={"name": name.format(stage.namespace)}).addresses == (address,)
    own = kubectl(
        stage.cluster.admin, "-n", stage.namespace, "get", "pod", "web", "-o", "jsonpath={.status.podIP}"
    ).stdout
    assert stage.ask(dns={"name": "peers", "pod": "web"}).addresses == (own,)


def running(stage: Stage, words: str) -> bool:
    """Whether a process of these words runs in the Pod web."""
    processes = kubectl(stage.cluster.admin, "-n", stage.namespace, "exec", "web", "--", "ps", "-o", "args").stdout
    return any(line.strip() == words for line in processes.splitlines())


@pytest.mark.parametrize(("command", "cut"), [(["cat", "/dev/zero"], "size"), (["sleep", "4321"], "time")])
def test_a_command_without_end_is_cut_and_nothing_of_it_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, command: list[str], cut: str
) -> None:
    monkeypatch.setattr(limits, "COMMAND", 3.0)
    reply = stage.ask(exec={"pod": "web", "command": command})
    assert (reply.code, reply.cut) == (None, cut)
    assert len(reply.text) <= limits.READ
    until = time.monotonic() + 30
    while running(stage, " ".join(command)) and time.monotonic() < until:
        time.sleep(0.2)
    assert not running(stage, " ".join(command))


def test_the_api_server_stays_small(stage: Stage) -> None:
    """Pods that send for ever fill neither its memory nor ours, and it goes on answering."""
    before = resident(stage)
    checks = {
        f"do/{i}": Probe.model_validate({"probe": spec})
        for i, spec in enumerate(
            (
                {"tcp": {"pod": "flood", "port": 80}},
                {"http": {"pod": "flood", "port": 80}},
                {"http": {"pod": "web", "port": 80, "path": "/cgi-bin/endless"}},
                {"exec": {"pod": "web", "command": ["cat", "/dev/zero"]}},
            )
        )
    }
    for _ in range(3):
        found = asking.ask(stage.access, stage.namespace, checks)
        assert all(reply.state != "error" for probed in found.values() for reply in probed.replies)
    assert resident(stage) < before + (200 << 20)


def resident(stage: Stage) -> float:
    """Bytes of memory that the API server says it holds."""
    metrics = kubectl(stage.cluster.admin, "get", "--raw", "/metrics").stdout
    line = next(line for line in metrics.splitlines() if line.startswith("process_resident_memory_bytes "))
    return float(line.split()[1])


def test_an_identity_that_may_not_is_our_error(stage: Stage) -> None:
    """The default ServiceAccount of the lab's namespace may read nothing and open nothing."""
    made = kubectl(stage.cluster.admin, "-n", stage.namespace, "create", "token", "default").stdout.strip()
    access = Access.from_kubeconfig(stage.cluster.admin)
    bare = Access(replace_identity(access, made))
    check = Probe.model_validate({"probe": {"http": {"pod": "web", "port": 80, "status": 200}}})
    found = asking.ask(bare, stage.namespace, {"do/0": check})["do/0"]
    wrong = lacking(check.probe, found)
    assert wrong is not None and wrong.state == "error" and "403" in wrong.said


def replace_identity(access: Access, token: str) -> Any:
    """The same API server, asked with a token and without a certificate."""
    there = access.kubeconfig
    assert there.tls is not None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return replace(there, tls=context, headers={"Authorization": f"Bearer {token}"})
