"""What every package's tests share: a real cluster a session (and a worker of pytest-xdist), and a namespace a test."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from clusters import engine as engines
from clusters.engine import Engine, EngineError
from clusters.errors import ToolMissing
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec
from clusters.registry import provider
from clusters.tools import VERSIONS, program

if TYPE_CHECKING:  # Only the suites with a browser need it.
    from playwright.sync_api import Playwright

# How long something takes says nothing here: a machine that does other things as well is no fault of the code's.
settings.register_profile("seatrial", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seatrial")

# A shell's background job ignores Ctrl-C, and under nohup the hang-up; so would what the tests of interruption start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Where an engine answers, portals would make clusters of containers; only the tests marked `kind` do.
os.environ.setdefault("SEATRIAL_PROVIDER", "kwok")


@dataclass(frozen=True)
class RealCluster:
    """A running cluster: its name, the kubeconfig of either identity, and the XDG_DATA_HOME that knows it."""

    name: str
    admin: Path
    student: Path
    data: Path


def unmet() -> str | None:
    """Why no real cluster can be made here, or None."""
    try:
        for name in VERSIONS:
            program(name)
    except ToolMissing as missing:
        return str(missing)
    return None


def demand_programs() -> None:
    """Skip the test where the upstream programs are missing; fail it where SEATRIAL_REQUIRE names `cluster`."""
    reason = unmet()
    if reason is None:
        return
    if "cluster" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(f"a real cluster is required here: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The container engine, with an image for kind's nodes; skips, or fails where SEATRIAL_REQUIRE names `kind`."""
    from clusters.kind import node_image

    reason, found = unmet(), None
    if reason is None:
        try:
            found = engines.find()
            if node_image.on_machine(found) is None:
                reason = f"{found.name} has no image for nodes; `seatrial node-image build` makes one"
        except EngineError as fault:
            reason = str(fault)
    if reason is None and found is not None:
        return found
    if "kind" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(f"a real kind cluster is required here: {reason}")
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def workspace_image(engine: Engine) -> str:
    """The image of workspaces that are containers; made, where it is not there."""
    from tests.fakes.watch import Recorder
    from webapp.workspaces.containers import image

    return image.build(engine, Recorder())


@contextmanager
def real_cluster(of: str, data: Path, images: Sequence[str] = ()) -> Iterator[RealCluster]:
    """A cluster of a provider, with images of this machine in it, until the block ends; its files are below `data`."""
    its = provider(of)
    try:
        with _home(data):
            its.create(ClusterSpec("tests"))
            real = RealCluster("tests", its.kubeconfig("tests", "admin"), its.kubeconfig("tests", "student"), data)
            its.bring("tests", images)
        yield real
    finally:
        with _home(data):
            its.delete("tests")


@contextmanager
def _home(data: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(data))
        yield


@pytest.fixture(scope="session")
def kind_cluster(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """One real kind cluster for the whole session. Tests keep to namespaces of their own."""
    with real_cluster("kind", tmp_path_factory.mktemp("data"), ("busybox:1.37", "nginx:1.27")) as real:
        yield real


@pytest.fixture(scope="session")
def programs() -> None:
    """The upstream programs are installed."""
    demand_programs()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """One real KWOK cluster for the whole session. Tests keep to namespaces of their own."""
    demand_programs()
    with real_cluster("kwok", tmp_path_factory.mktemp("data")) as real:
        yield real


@pytest.fixture
def namespace(cluster: RealCluster) -> Iterator[str]:
    """A fresh namespace that the student owns; it is deleted after the test, without waiting for the end of it."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    kubectl(cluster.admin, "create", "namespace", name)
    kubectl(cluster.admin, "wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    yield name
    kubectl(cluster.admin, "delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def playing() -> Iterator[Playwright]:
    """Playwright's driver. A process can have only one, so every suite with a browser shares it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver
