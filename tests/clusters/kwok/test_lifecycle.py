"""What becomes of a cluster when processes, ports, disks and other commands do not behave."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from clusters import ports, store
from clusters.errors import PermanentError
from clusters.exec import CommandError
from clusters.kubectl import kubectl
from clusters.kwok import KwokProvider, processes, provider
from clusters.kwok.config import COMPONENTS, PORTS
from clusters.kwok.failure import PortTaken
from clusters.kwok.layout import Layout
from clusters.model import ClusterSpec
from clusters.ports import choose
from clusters.tools import program
from tests.conftest import demand_programs

pytestmark = pytest.mark.cluster

LOOPBACK = ("127.", "::1")
METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"


@pytest.fixture
def kwok(data: Path) -> KwokProvider:
    demand_programs()
    return KwokProvider()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KwokProvider, str]]:
    """One cluster for the tests that leave it whole: the provider and the data directory."""
    demand_programs()
    place = str(tmp_path_factory.mktemp("shared"))
    made = KwokProvider()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", place)
        made.create(ClusterSpec("whole", "ada@example.org"))
    yield made, place
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", place)
        made.delete("whole")


@pytest.fixture
def whole(shared: tuple[KwokProvider, str], monkeypatch: pytest.MonkeyPatch) -> KwokProvider:
    """The provider of the cluster `whole`, running."""
    made, place = shared
    monkeypatch.setenv("XDG_DATA_HOME", place)
    made.start("whole")
    return made


def state(kwok: KwokProvider, name: str) -> str:
    return next(c.state for c in kwok.list() if c.name == name)


def until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def left_of(folder: Path) -> list[str]:
    """The command lines of the programs that were started from a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if line[0].startswith(f"{folder}/") or (Path(line[0]).name == "kwokctl" and str(folder) in " ".join(line)):
                found.append(" ".join(line))
    return found


def child(*args: str, **env: str) -> subprocess.Popen[str]:
    """`seatrial cluster …` as a process of its own."""
    command = [str(Path(sys.executable).with_name("seatrial")), "cluster", *args]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
    )


def listeners(pids: set[int]) -> set[tuple[IPv4Address | IPv6Address, int]]:
    """The addresses and ports on which these processes listen for TCP, out of /proc."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                host, port = fields[1].split(":")
                words = [int(host[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(host), 8)]
                found.add((ip_address(b"".join(words)), int(port, 16)))
    return found


def test_everything_listens_on_the_loopback_interface_only(whole: KwokProvider) -> None:
    pids = set(processes.running(Layout.of("whole")).values())
    assert len(pids) == len(COMPONENTS)
    found = listeners(pids)
    assert len(found) >= len(PORTS)
    for address, port in found:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        assert (mapped or address).is_loopback, (address, port)


def test_etcd_is_not_on_the_network_and_the_folder_is_shut(whole: KwokProvider) -> None:
    layout = Layout.of("whole")
    assert listeners({processes.running(layout)["etcd"]}) == set()
    assert stat.S_IMODE(layout.folder.stat().st_mode) == 0o700
    for key in layout.pki.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_one_students_certificate_is_refused_by_another_cluster(kwok: KwokProvider, tmp_path: Path) -> None:
    kwok.create(ClusterSpec("one", "ada"))
    kwok.create(ClusterSpec("two", "ada"))
    ada = json.loads(kubectl(kwok.kubeconfig("one", "student"), "config", "view", "--raw", "-o", "json").stdout)
    two = json.loads(kubectl(kwok.kubeconfig("two", "student"), "config", "view", "--raw", "-o", "json").stdout)
    mixed = tmp_path / "mixed.yaml"
    mixed.write_text(json.dumps({**two, "users": [{"name": "ada", "user": ada["users"][0]["user"]}]}))
    assert kubectl(kwok.kubeconfig("two", "student"), "auth", "whoami").stdout
    for question in (["get", "pods"], ["get", "--raw", "/api"], ["auth", "whoami"]):
        with pytest.raises(CommandError) as caught:
            kubectl(mixed, *question)
        assert "unauthorized" in caught.value.output.lower() or "logged in" in caught.value.output.lower()
    token = kubectl(kwok.kubeconfig("one", "student"), "create", "token", "default").stdout.strip()
    mixed.write_text(json.dumps({**two, "users": [{"name": "ada", "user": {"token": token}}]}))
    with pytest.raises(CommandError, match=r"[Uu]nauthorized|logged in"):
        kubectl(mixed, "get", "pods")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_process_is_seen_and_mended_and_nothing_is_lost(whole: KwokProvider, component: str) -> None:
    student, admin = whole.kubeconfig("whole", "student"), whole.kubeconfig("whole", "admin")
    kept = f"kept-{component}"
    kubectl(student, "create", "configmap", kept)
    os.kill(processes.running(Layout.of("whole"))[component], signal.SIGKILL)
    until(lambda: component not in processes.running(Layout.of("whole")))
    assert state(whole, "whole") == "broken"
    whole.start("whole")
    assert state(whole, "whole") == "running"
    assert kubectl(student, "get", "configmap", kept, "-o", "name").stdout.strip() == f"configmap/{kept}"
    kubectl(student, "create", "deployment", kept, "--image=nginx:1.27")
    kubectl(student, "rollout", "status", f"deployment/{kept}", "--timeout=120s", timeout=130)
    kubectl(admin, "get", "nodes")


def test_all_processes_killed_is_a_stopped_cluster_that_starts(whole: KwokProvider) -> None:
    for pid in processes.running(Layout.of("whole")).values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes.running(Layout.of("whole")))
    assert state(whole, "whole") == "stopped"
    whole.start("whole")
    assert state(whole, "whole") == "running"


def test_a_pid_file_that_names_somebody_else_harms_nobody(whole: KwokProvider) -> None:
    layout = Layout.of("whole")
    whole.stop("whole")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        for component in COMPONENTS:
            (layout.pids / f"{component}.pid").write_text(str(stranger.pid))
        assert state(whole, "whole") == "stopped"
        whole.start("whole")
        assert state(whole, "whole") == "running"
        (layout.pids / "etcd.pid").write_text(str(stranger.pid))
        whole.stop("whole")
        assert stranger.poll() is None
        stranger.kill()
    assert state(whole, "whole") == "stopped"


@pytest.mark.parametrize("component", COMPONENTS)
def test_down_works_whatever_was_killed(kwok: KwokProvider, component: str) -> None:
    if component not in ("etcd", "kube-apiserver"):
        pytest.skip("removal is the same for every component; two are tried")
    made = kwok.create(ClusterSpec("one"))
    os.kill(processes.running(Layout.of("one"))[component], signal.SIGKILL)
    kwok.delete("one")
    assert left_of(made.folder) == []
    assert not made.folder.exists()


@pytest.mark.parametrize("moment", ["kwokctl", "kube-apiserver", "kube-scheduler"])
@pytest.mark.parametrize("then", ["up", "down"])
def test_up_that_is_killed_half_way_leaves_nothing_that_the_next_command_does_not_clear(
    kwok: KwokProvider, moment: str, then: str
) -> None:
    layout = Layout.of("one")
    with child("up", "one", "--provider", "kwok") as up:
        if moment == "kwokctl":
            until(lambda: processes.drivers(layout))
        else:
            until(lambda: moment in processes.running(layout))
        up.kill()
    before = set(processes.running(layout).values()) | set(processes.drivers(layout))
    if then == "up":
        kwok.create(ClusterSpec("one"))
        assert state(kwok, "one") == "running"
        assert not before & set(processes.running(layout).values())
    kwok.delete("one")
    assert left_of(layout.folder) == []
    assert kwok.list() == []
    assert not layout.folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_clears_up_after_itself(kwok: KwokProvider, number: signal.Signals) -> None:
    layout = Layout.of("one")
    with child("up", "one", "--provider", "kwok") as up:
        until(lambda: "kube-apiserver" in processes.running(layout))
        up.send_signal(number)
        _, said = up.communicate(timeout=120)
    assert up.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert left_of(layout.folder) == []
    assert not layout.folder.exists()


def test_four_clusters_made_at_one_moment_do_not_collide(kwok: KwokProvider) -> None:
    with ThreadPoolExecutor(4) as pool:
        children = [child("up", f"c{n}", "--provider", "kwok", "-o", "json") for n in range(4)]
        ended = list(pool.map(lambda c: c.communicate(timeout=400), children))
    assert [c.returncode for c in children] == [0, 0, 0, 0], [said for _, said in ended]
    assert [c.state for c in kwok.list()] == ["running"] * 4
    assert len({json.loads(out)["server"] for out, _ in ended}) == 4
    for n in range(4):
        student = kwok.kubeconfig(f"c{n}", "student")
        kubectl(student, "create", "configmap", f"only-in-c{n}")
        names = kubectl(student, "get", "configmaps", "-o", "name").stdout
        assert [m for m in range(4) if f"only-in-c{m}" in names] == [n]
        kwok.delete(f"c{n}")


def test_two_ups_of_one_name_are_one_cluster_and_one_sentence(kwok: KwokProvider) -> None:
    with child("up", "one", "--provider", "kwok") as first:
        until(lambda: store.load("one") is not None)
        with child("up", "one", "--provider", "kwok") as second:
            _, said = second.communicate(timeout=120)
        assert second.returncode == 3
        assert said.strip().splitlines()[-1] == (
            "seatrial: cluster one is being changed by another command; try again when that has ended"
        )
        assert kwok.list() == []
        first.communicate(timeout=300)
    assert first.returncode == 0
    assert state(kwok, "one") == "running"
    kwok.delete("one")


def test_a_port_that_is_taken_after_it_was_chosen_is_replaced(
    kwok: KwokProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        chosen: list[dict[str, int]] = []

        def unlucky(wanted: tuple[str, ...]) -> dict[str, int]:
            drawn = choose(wanted)
            if not chosen:
                drawn["kubeApiserverPort"] = taken.getsockname()[1]
            chosen.append(drawn)
            return drawn

        monkeypatch.setattr(ports, "choose", unlucky)
        kwok.create(ClusterSpec("one"))
        assert len(chosen) == 2
        assert state(kwok, "one") == "running"
        kwok.delete("one")


@pytest.mark.parametrize("port", ["kubeApiserverPort", "kubeSchedulerPort", "metricsServerPort"])
def test_a_port_that_stays_taken_is_one_sentence_and_no_cluster(
    kwok: KwokProvider, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(ports, "choose", lambda wanted: {**choose(wanted), port: taken.getsockname()[1]})
        monkeypatch.setattr(provider, "ATTEMPTS", 1)
        with pytest.raises(PortTaken, match="is taken by another process"):
            kwok.create(ClusterSpec("one"))
    assert store.names() == []


def test_a_port_taken_while_the_cluster_was_stopped_is_one_sentence_and_nothing_is_lost(whole: KwokProvider) -> None:
    whole.stop("whole")
    server = next(c.server for c in whole.list())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(server.rsplit(":", 1)[1])))
        taken.listen()
        with pytest.raises(PortTaken, match="is taken by another process"):
            whole.start("whole")
    whole.start("whole")
    assert state(whole, "whole") == "running"


def test_another_clusters_snapshot_brings_its_objects_and_leaves_the_metrics_here(
    whole: KwokProvider, tmp_path: Path
) -> None:
    kubectl(whole.kubeconfig("whole", "student"), "create", "configmap", "from-elsewhere")
    whole.snapshot("whole", tmp_path / "snapshot")
    whole.create(ClusterSpec("other"))
    try:
        whole.restore("other", tmp_path / "snapshot")
        admin = whole.kubeconfig("other", "admin")
        assert kubectl(admin, "get", "configmap", "from-elsewhere", "-o", "name").stdout

        def served() -> bool:
            try:
                return "NodeMetricsList" in kubectl(admin, "get", "--raw", METRICS).stdout
            except CommandError:
                return False

        until(served)
    finally:
        whole.delete("other")


def test_a_restore_that_was_cut_short_ends_in_one_of_its_two_states(whole: KwokProvider, tmp_path: Path) -> None:
    layout = Layout.of("whole")
    student = whole.kubeconfig("whole", "student")
    kubectl(student, "create", "configmap", "before-the-cut")
    whole.stop("whole")
    layout.etcd.rename(layout.home / "etcd.before")
    whole.start("whole")
    assert kubectl(student, "get", "configmap", "before-the-cut", "-o", "name").stdout
    assert not (layout.home / "etcd.before").exists()


def test_a_component_that_cannot_start_is_told_in_a_sentence_and_kept_when_asked(
    kwok: KwokProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {**provider.kwokctl_configuration(Layout.of("one"), choose(PORTS))}
    broken["componentsPatches"][1]["extraArgs"].append({"key": "no-such-flag", "value": "1"})
    monkeypatch.setattr(provider, "kwokctl_configuration", lambda *_: broken)
    with pytest.raises(PermanentError, match=r"kube-apiserver of cluster one ended: .*no-such-flag"):
        kwok.create(ClusterSpec("one"), keep_on_failure=True)
    assert state(kwok, "one") == "broken"
    with pytest.raises(PermanentError, match="only half made"):
        kwok.start("one")
    kwok.delete("one")
    assert left_of(store.folder("one")) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(kwok: KwokProvider, tmp_path: Path) -> None:
    """On a file system of 8 MB, mounted where only the child sees it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    seatrial = Path(sys.executable).with_name("seatrial")
    mount = f"mount -t tmpfs -o size=8m tmpfs {disk}"
    up = f"{seatrial} cluster up one --provider kwok; code=$?; ls -A {disk}/seatrial/clusters; exit $code"
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*apart, mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    places = {"XDG_DATA_HOME": str(disk), "XDG_CACHE_HOME": str(Path(program("kwokctl")).parents[3])}
    done = subprocess.run(
        [*apart, f"{mount} && {up}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **places},
    )
    assert done.returncode == 3, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("seatrial: ")
    assert "full" in last or "No space left" in last
    assert "Traceback" not in done.stderr
    assert done.stdout.split() in ([], [".one.lock"])
    assert left_of(disk) == []


def test_a_cluster_whose_record_cannot_be_read_can_still_be_removed(kwok: KwokProvider) -> None:
    made = kwok.create(ClusterSpec("one"))
    (made.folder / "cluster.json").write_text('{"name": "on')
    with child("list") as listed:
        _, said = listed.communicate(timeout=60)
    assert listed.returncode == 3
    assert "seatrial cluster down one" in said
    with child("down", "one") as down:
        down.communicate(timeout=60)
    assert down.returncode == 0
    assert left_of(made.folder) == []
    assert not made.folder.exists()
