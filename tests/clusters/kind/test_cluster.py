"""What a kind cluster shows, and what its Pods and its student are kept from. One cluster serves all of these."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from clusters.engine import Engine
from clusters.exec import CommandError
from clusters.kubectl import kubectl
from tests.conftest import RealCluster
from tests.fakes.serving import served

pytestmark = pytest.mark.kind

# How long anything may take that a busy machine does, in seconds.
PATIENCE = 120.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.3)


def pod(name: str, *command: str, image: str = "busybox:1.37", **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, **({"command": list(command)} if command else {})}
    labels = {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }


class Student:
    """kubectl as the student, in a namespace."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        return kubectl(self.cluster.student, "--namespace", self.namespace, *args, stdin=stdin).stdout

    def make(self, *things: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin="\n---\n".join(json.dumps(thing) for thing in things))

    def ready(self, name: str) -> None:
        self("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={PATIENCE:.0f}s")

    def reaches(self, address: str, port: int) -> bool:
        """Whether the Pod `box` gets a connection."""
        try:
            self("exec", "box", "--", "sh", "-c", f"nc -w 3 {address} {port} </dev/null")
        except CommandError:
            return False
        return True


@pytest.fixture
def student(kind_cluster: RealCluster) -> Iterator[Student]:
    name = f"t-{os.urandom(4).hex()}"
    kubectl(kind_cluster.admin, "create", "namespace", name)
    kubectl(kind_cluster.admin, "wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=60s")
    yield Student(kind_cluster, name)
    kubectl(kind_cluster.admin, "delete", "namespace", name, "--wait=false")


def node_of(cluster: RealCluster) -> str:
    return json.loads(kubectl(cluster.admin, "get", "nodes", "-o", "json").stdout)["items"][0]["metadata"]["name"]


def test_pods_run_and_find_each_other_by_name(student: Student) -> None:
    student.make(pod("web", image="nginx:1.27"), pod("box", "sleep", "3600"))
    student("expose", "pod", "web", "--port=80")
    student.ready("web")
    student.ready("box")
    until(lambda: student.reaches("web", 80))
    assert "Welcome to nginx" in student("exec", "box", "--", "wget", "-q", "-T", "5", "-O-", "http://web")
    until(lambda: "GET / HTTP/1.1" in student("logs", "web"))


def test_a_policy_closes_what_it_says_and_nothing_else(student: Student) -> None:
    student.make(pod("web", image="nginx:1.27"), pod("other", image="nginx:1.27"), pod("box", "sleep", "3600"))
    for name in ("web", "other", "box"):
        student.ready(name)
    address = {n: student("get", "pod", n, "-o", "jsonpath={.status.podIP}") for n in ("web", "other")}
    until(lambda: student.reaches(address["web"], 80))
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    student.make(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "shut"}, "spec": spec}
    )
    until(lambda: not student.reaches(address["web"], 80))
    assert student.reaches(address["other"], 80)
    student("delete", "networkpolicy", "shut")
    until(lambda: student.reaches(address["web"], 80))


def test_a_claim_holds_what_is_written_beyond_its_pod(student: Student) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]
    student.make(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}, "spec": claim},
        mounted(pod("first", "sh", "-c", "echo kept > /disk/file", volumes=volumes, restartPolicy="Never")),
    )
    student("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/first", f"--timeout={PATIENCE:.0f}s")
    student("delete", "pod", "first")
    student.make(mounted(pod("second", "sleep", "3600", volumes=volumes)))
    student.ready("second")
    assert student("exec", "second", "--", "cat", "/disk/file") == "kept\n"


def mounted(thing: dict[str, Any]) -> dict[str, Any]:
    thing["spec"]["containers"][0]["volumeMounts"] = [{"name": "disk", "mountPath": "/disk"}]
    return thing


def test_load_is_measured(student: Student) -> None:
    student.make(pod("busy", "sh", "-c", "while :; do :; done"))
    student.ready("busy")

    def seen() -> bool:
        try:
            return int(student("top", "pod", "busy", "--no-headers").split()[1].removesuffix("m")) > 50
        except (CommandError, IndexError):
            return False

    until(seen)


class Hello(BaseHTTPRequestHandler):
    """Answers whoever gets through."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


def test_a_pod_reaches_nothing_but_its_own_cluster(student: Student, engine: Engine) -> None:
    node = node_of(student.cluster)
    gateway = engine.run("exec", node, "sh", "-c", "ip -4 route show default", timeout=60).stdout.split()[2]
    student.make(pod("box", "sleep", "3600"))
    student.ready("box")
    with served(Hello, gateway) as url:
        # The machine's service is there for the node, which is why the Pod has to be kept from it.
        engine.run("exec", node, "curl", "--silent", "--fail", "--max-time", "5", url, timeout=60)
        assert not student.reaches(gateway, int(url.rpartition(":")[2]))
    # The address by which clouds hand out their secrets.
    assert not student.reaches("169.254.169.254", 80)
    assert student.reaches("10.96.0.1", 443)


# Send a word to $3 from the network of the Pod with the address $1, as if it came from $2. Where the kernel compares a
# source with the way that leads there (rp_filter), it goes no further anyway; the fence has to do without.
FORGED = """
before=$(grep . /proc/sys/net/ipv4/conf/*/rp_filter)
for setting in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $setting; done
for process in $(pgrep -x sleep); do
    net="nsenter --net --target=$process"
    if $net ip -4 address show dev eth0 | grep -qF " $1/"; then
        $net ip address replace "$2/32" dev eth0
        echo forged | $net socat - "UDP4-SENDTO:$3,bind=$2"
        sent=yes
    fi
done
echo "$before" | while IFS=: read -r setting value; do echo $value > $setting; done
[ "$sent" = yes ]
"""


def test_a_pod_that_forges_its_address_gets_no_further(student: Student, engine: Engine) -> None:
    node = node_of(student.cluster)
    routes = engine.run("exec", node, "ip", "-4", "-json", "route", timeout=60).stdout
    gateway = next(r["gateway"] for r in json.loads(routes) if r["dst"] == "default")
    network = next(r["dst"] for r in json.loads(routes) if r.get("dev") == "eth0" and r["dst"] != "default")
    # The last one of the cluster's own network, which no node has: the machine takes this for a neighbour.
    forged = str(ipaddress.ip_network(network)[-2])
    student.make(pod("box", "sleep", "3600"))
    student.ready("box")
    address = student("get", "pod", "box", "-o", "jsonpath={.status.podIP}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind((gateway, 0))
        heard.settimeout(PATIENCE)
        goal = f"{gateway}:{heard.getsockname()[1]}"
        engine.run("exec", node, "sh", "-c", FORGED, "sh", address, forged, goal, timeout=60)
        engine.run("exec", node, "sh", "-c", f"echo own | socat - UDP4-SENDTO:{goal}", timeout=60)
        assert heard.recv(100) == b"own\n"


def test_the_fence_stands_again_after_a_restart_of_the_node(student: Student, engine: Engine) -> None:
    enabled = "systemctl is-enabled seatrial-fence.service seatrial-exchange.service"
    said = engine.run("exec", node_of(student.cluster), "sh", "-c", enabled, timeout=60).stdout.split()
    assert said == ["enabled", "enabled"]


SECURITY = "securityContext"
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the node's network": ({"hostNetwork": True}, {}),
    "the node's processes": ({"hostPID": True}, {}),
    "the node's memory": ({"hostIPC": True}, {}),
    "the node's files": ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, {}),
    "a privileged container": ({}, {SECURITY: {"privileged": True}}),
    "a capability": ({}, {SECURITY: {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    "an unmasked /proc": ({"hostUsers": False}, {SECURITY: {"procMount": "Unmasked"}}),
    "no seccomp": ({SECURITY: {"seccompProfile": {"type": "Unconfined"}}}, {}),
    "no seccomp in a container": ({}, {SECURITY: {"seccompProfile": {"type": "Unconfined"}}}),
    "a port of the node": ({}, {"ports": [{"containerPort": 80, "hostPort": 80}]}),
    "files of another machine": ({"volumes": [{"name": "x", "nfs": {"server": "192.0.2.1", "path": "/"}}]}, {}),
    "a disk of another machine": (
        {"volumes": [{"name": "x", "iscsi": {"targetPortal": "192.0.2.1", "iqn": "iqn.2000-01.x:y", "lun": 0}}]},
        {},
    ),
    "a disk on a wire": ({"volumes": [{"name": "x", "fc": {"wwids": ["1"]}}]}, {}),
    "a program of the node's": ({"volumes": [{"name": "x", "flexVolume": {"driver": "x/y"}}]}, {}),
    "a question of the node's": ({}, {"livenessProbe": {"httpGet": {"host": "192.0.2.1", "port": 80}}}),
    "another question of the node's": ({}, {"readinessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": 80}}}),
    "a question when it starts": ({}, {"startupProbe": {"tcpSocket": {"host": "192.0.2.1", "port": 80}}}),
    "a question once it runs": ({}, {"lifecycle": {"postStart": {"httpGet": {"host": "192.0.2.1", "port": 80}}}}),
    "a question at its end": ({}, {"lifecycle": {"preStop": {"httpGet": {"host": "192.0.2.1", "port": 80}}}}),
    "a sysctl of the machine": ({SECURITY: {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_pod_that_leads_out_of_itself_is_refused(student: Student, what: str) -> None:
    spec, container = REFUSED[what]
    thing = pod("out", "sleep", "1", **spec)
    thing["spec"]["containers"][0].update(container)
    with pytest.raises(CommandError, match="seatrial-pods"):
        student.make(thing)


@pytest.mark.parametrize("what", [what for what, (_, container) in REFUSED.items() if container])
def test_nor_does_a_container_that_goes_before(student: Student, what: str) -> None:
    spec, container = REFUSED[what]
    first = {"name": "first", "image": "busybox:1.37", "restartPolicy": "Always", **container}
    with pytest.raises(CommandError, match="seatrial-pods"):
        student.make(pod("out", "sleep", "1", **spec, initContainers=[first]))


def test_a_pod_may_have_its_own_volumes_and_be_asked_itself(student: Student) -> None:
    token = {"serviceAccountToken": {"path": "token"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    volumes: list[dict[str, Any]] = [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "configMap": {"name": "kube-root-ca.crt"}},
        {"name": "c", "projected": {"sources": [token]}},
        {"name": "d", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}},
        {"name": "f", "secret": {"secretName": "x", "optional": True}},
    ]
    web = pod("web", image="nginx:1.27", volumes=volumes)
    web["spec"]["containers"][0] |= {
        "readinessProbe": {"httpGet": {"port": 80}},
        "livenessProbe": {"tcpSocket": {"port": 80}},
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
    }
    student.make(web)
    student.ready("web")


def test_a_controller_makes_no_such_pod_either(student: Student) -> None:
    template = pod("out", "sleep", "1", hostNetwork=True)
    spec = {
        "selector": {"matchLabels": {"app": "out"}},
        "template": {"metadata": template["metadata"], "spec": template["spec"]},
    }
    student.make({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "out"}, "spec": spec})
    until(lambda: "seatrial-pods" in student("get", "events", "-o", "jsonpath={.items[*].message}"))
    assert student("get", "pods", "-o", "name") == ""


@pytest.mark.parametrize("path", ["/etc/kubernetes", "/", "/mnt", "/mnt/../etc", "/mnt/a/b", "/var/lib/kubelet"])
def test_a_volume_leads_nowhere_but_to_its_own_folder(student: Student, path: str) -> None:
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": path},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": student.namespace}, "spec": spec}
    with pytest.raises(CommandError, match=r"seatrial-volume-paths|must not contain"):
        student.make(volume)


def test_nobody_can_join_as_a_node_and_no_secret_of_the_system_is_left(student: Student) -> None:
    secrets = json.loads(student("get", "secrets", "--all-namespaces", "-o", "json"))["items"]
    assert [s["metadata"]["name"] for s in secrets if s["type"] == "bootstrap.kubernetes.io/token"] == []
    for args in (
        ("create", "token", "generic-garbage-collector", "--namespace=kube-system"),
        ("run", "x", "--image=busybox:1.37", "--namespace=local-path-storage"),
        ("exec", "--namespace=kube-system", f"etcd-{node_of(student.cluster)}", "--", "etcdctl", "version"),
    ):
        with pytest.raises(CommandError, match=r"belongs to the platform|forbidden"):
            student(*args)


def test_the_audit_log_is_the_platforms_to_read(student: Student) -> None:
    student("create", "configmap", "noted")
    config = json.loads(kubectl(student.cluster.admin, "config", "view", "-o", "json").stdout)
    known = config["clusters"][0]["cluster"]["extensions"][0]["extension"]
    log = Path(known["auditLog"])
    assert log.stat().st_uid == os.geteuid()
    assert known["capabilities"] == ["audit", "metrics", "network-policy", "pods"]

    def noted() -> bool:
        events = [json.loads(line) for line in log.read_text().splitlines() if '"noted"' in line]
        return any(e["user"]["username"] == "student" and e["verb"] == "create" for e in events)

    until(noted)
    assert "system:kube-scheduler" not in log.read_text()
