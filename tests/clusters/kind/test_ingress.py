"""The Ingress controller of a kind cluster: what Ingresses lead to, and that it is out of the student's reach."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters import engine as engines
from clusters.engine import Engine
from clusters.errors import PermanentError
from clusters.exec import CommandError
from clusters.kind import KindProvider, ingress
from clusters.kind.layout import Layout
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec
from tests.fakes.engine import FakeEngine

# How long anything may take that a busy machine does, in seconds.
PATIENCE = 120.0
NAMES = ("red", "blue")
# How curl ends where nobody listens, and where nobody answers in time.
NO_CONNECTION = (7, 28)


class Harbour:
    """A cluster with an Ingress controller, and in it two Pods that say their names, with a Service each."""

    def __init__(self, student: Path, admin: Path, engine: Engine, layout: Layout) -> None:
        self.student, self.admin, self.engine, self.node = student, admin, engine, layout.control_plane

    def make(self, *things: dict[str, Any]) -> None:
        kubectl(self.student, "apply", "-f", "-", stdin="\n---\n".join(json.dumps(thing) for thing in things))

    def asked(self, host: str, path: str = "/", *, scheme: str = "http") -> str:
        """What the node gets: the status, and what the answer says."""
        address = f"{host}:{443 if scheme == 'https' else 80}:{ingress.ADDRESS}"
        curl = ("curl", "--silent", "--insecure", "--max-time", "5", "--resolve", address)
        told = ("--write-out", " %{http_code}", f"{scheme}://{host}{path}")
        try:
            said = self.engine.run("exec", self.node, *curl, *told, timeout=60).stdout
        except CommandError as fault:
            if fault.code not in NO_CONNECTION:
                raise
            return "no connection"
        body, _, status = said.rpartition(" ")
        return f"{status} {body.strip()}" if status == "200" else status


def until(asked: Callable[[], str], wanted: str) -> None:
    end = time.monotonic() + PATIENCE
    while (found := asked()) != wanted:
        assert time.monotonic() < end, f"{found!r} instead of {wanted!r}"
        time.sleep(0.2)


def server(name: str) -> list[dict[str, Any]]:
    """A Pod whose every page says its name, and its Service on port 8080."""
    page = (
        f"mkdir -p /www/shop /www/shopping; for d in /www /www/shop /www/shopping; do echo {name} > $d/index.html; done"
    )
    container = {
        "name": "web",
        "image": "busybox:1.37",
        "command": ["sh", "-c", f"{page}; exec httpd -f -p 80 -h /www"],
        "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
        },
        service(name),
    ]


def service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "web", "port": 8080, "targetPort": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def leading(name: str, host: str, **paths: str) -> dict[str, Any]:
    """An Ingress by whose host the path /KEY leads to the Service VALUE; `root` is the path /."""
    routes = [
        {
            "path": "/" if key == "root" else f"/{key}",
            "pathType": "Prefix",
            "backend": {"service": {"name": to, "port": {"name": "web"}}},
        }
        for key, to in paths.items()
    ]
    spec = {"rules": [{"host": host, "http": {"paths": routes}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def harbour(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    if not engine.has(ingress.image()):
        reason = f"{engine.name} has no {ingress.image()}; `seatrial node-image build` makes one"
        if "kind" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
            pytest.fail(f"an Ingress controller is required here: {reason}")
        pytest.skip(reason)
    provider = KindProvider()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        try:
            provider.create(ClusterSpec("harbour", extras=frozenset({"ingress"})))
            provider.bring("harbour", ["busybox:1.37"])
            student, admin = (provider.kubeconfig("harbour", identity) for identity in ("student", "admin"))
            made = Harbour(student, admin, engine, Layout.of("harbour"))
            made.make(*(thing for name in NAMES for thing in server(name)))
            ready = ("wait", "--for=condition=Ready", *(f"pod/{name}" for name in NAMES))
            kubectl(student, *ready, f"--timeout={PATIENCE:.0f}s", timeout=PATIENCE + 10)
            yield made
        finally:
            provider.delete("harbour")


@pytest.mark.kind
def test_an_ingress_leads_by_host_and_by_path(harbour: Harbour) -> None:
    assert harbour.asked("shop.example") == "404"
    harbour.make(leading("shop", "shop.example", root="red", shop="blue"), leading("news", "news.example", root="blue"))
    until(lambda: harbour.asked("shop.example"), "200 red")
    until(lambda: harbour.asked("news.example"), "200 blue")
    assert harbour.asked("shop.example", "/shop/") == "200 blue"
    # A path is a prefix by whole elements.
    assert harbour.asked("shop.example", "/shopping/") == "200 red"
    assert harbour.asked("shop.example", scheme="https") == "200 red"
    assert harbour.asked("elsewhere.example") == "404"
    kubectl(harbour.student, "delete", "ingress", "news")
    until(lambda: harbour.asked("news.example"), "404")


@pytest.mark.kind
def test_a_pod_finds_it_by_name_and_the_ingress_tells_its_class_and_address(harbour: Harbour) -> None:
    harbour.make(leading("dock", "dock.example", root="blue"))
    until(lambda: harbour.asked("dock.example"), "200 blue")
    asked = ("wget", "-q", "-T", "5", "-O-", "--header", "Host: dock.example", "http://traefik.kube-system/")
    assert kubectl(harbour.student, "exec", "red", "--", *asked).stdout == "blue\n"
    shown = "{.spec.ingressClassName} {.status.loadBalancer.ingress[0].ip}"
    until(
        lambda: kubectl(harbour.student, "get", "ingress", "dock", "-o", f"jsonpath={shown}").stdout,
        f"traefik {ingress.ADDRESS}",
    )


@pytest.mark.kind
def test_an_ingress_to_nothing_answers_that_there_is_nothing(harbour: Harbour) -> None:
    harbour.make(service("nobody"), leading("lost", "lost.example", root="nowhere", shop="nobody"))
    until(lambda: harbour.asked("lost.example", "/shop/"), "503")  # a Service without Pods
    assert harbour.asked("lost.example") == "404"  # no Service
    harbour.make(*server("nowhere"))
    until(lambda: harbour.asked("lost.example"), "200 nowhere")
    outside = {"type": "ExternalName", "externalName": "localhost", "ports": [{"name": "web", "port": 8080}]}
    away = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "away"}, "spec": outside}
    harbour.make(away, leading("away", "away.example", root="away", shop="red"))
    until(lambda: harbour.asked("away.example", "/shop/"), "200 red")
    assert harbour.asked("away.example") == "404"


@pytest.mark.kind
def test_the_controller_is_out_of_the_students_reach_and_has_no_more_rights_than_it_needs(harbour: Harbour) -> None:
    for args in (
        ("--namespace=kube-system", "delete", "deployment", "traefik"),
        ("--namespace=kube-system", "create", "token", "traefik"),
        ("--namespace=kube-system", "exec", "deployment/traefik", "--", "traefik", "version"),
        ("delete", "clusterrole", "system:traefik"),
    ):
        with pytest.raises(CommandError, match=r"belongs to the platform|forbidden"):
            kubectl(harbour.student, *args)
    account = "--as=system:serviceaccount:kube-system:traefik"
    ask = ("auth", "can-i", account, "--all-namespaces")
    assert kubectl(harbour.admin, *ask, "list", "secrets").stdout == "yes\n"
    for verb, resource in (("create", "pods"), ("list", "configmaps"), ("update", "ingresses"), ("get", "secrets")):
        with pytest.raises(CommandError, match=r"no$"):
            kubectl(harbour.admin, *ask, verb, resource)


@pytest.mark.kind
def test_the_cluster_says_what_it_can_and_still_leads_after_a_restart(harbour: Harbour) -> None:
    config = json.loads(kubectl(harbour.admin, "config", "view", "-o", "json").stdout)
    known = config["clusters"][0]["cluster"]["extensions"][0]["extension"]
    assert known["capabilities"] == ["audit", "ingress", "metrics", "network-policy", "pods"]
    harbour.make(leading("again", "again.example", root="red"))
    until(lambda: harbour.asked("again.example"), "200 red")
    provider = KindProvider()
    provider.stop("harbour")
    provider.start("harbour")
    until(lambda: harbour.asked("again.example"), "200 red")


def test_without_its_image_up_says_how_to_get_one_and_leaves_nothing(bare: Path, data: Path) -> None:
    from clusters.kind import node_image

    fake = FakeEngine(bare)
    fake.has(node_image.published())
    with pytest.raises(PermanentError, match=r"no image of the Ingress controller.*`seatrial node-image build` makes"):
        KindProvider().create(ClusterSpec("one", extras=frozenset({"ingress"})))
    assert not (data / "one").exists()
    fake.registry_has(ingress.image())
    ingress.provide(engines.find())
    ingress.provide(engines.find())
    assert [asked for asked in fake.asked() if asked.startswith("pull")] == [f"pull {ingress.image()}"] * 2
