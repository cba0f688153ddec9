"""What is left of a kind cluster when it is gone, when its making is cut short, and when the engine ends meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import engine as engines
from clusters import store
from clusters.engine import Engine
from clusters.errors import ClusterError, TransientError
from clusters.exec import CommandError
from clusters.kind import KindProvider, nodes
from clusters.kind.layout import LABEL, Layout
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec

pytestmark = pytest.mark.kind


@pytest.fixture
def kind(engine: Engine, data: Path) -> Iterator[KindProvider]:
    made = KindProvider()
    yield made
    for name in store.names():
        made.delete(name)


def volumes(engine: Engine, layout: Layout) -> list[str]:
    shown = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
    found = nodes.containers(engine, layout)
    return engine.run("inspect", "--format", shown, *found, timeout=60).stdout.split()


def left(engine: Engine, layout: Layout) -> list[str]:
    """Containers and networks of a cluster."""
    named = ("network", "ls", "--filter", f"label={LABEL}={layout.kind_name}", "--format", "{{.Name}}")
    return [*nodes.containers(engine, layout), *engine.run(*named, timeout=60).stdout.split()]


# As runc leaves behind what it was about to make a Pod of.
STANDS_STILL = """
cd /sys/fs/cgroup/freezer && mkdir -p made && cd made
sleep 1000 &
echo $! > cgroup.procs && echo FROZEN > freezer.state
until grep -q FROZEN freezer.state; do sleep 0.1; done
"""


def test_a_round_leaves_no_container_volume_or_network(kind: KindProvider, engine: Engine) -> None:
    kind.create(ClusterSpec("one", "ada@example.org"))
    layout = Layout.of("one")
    disks = volumes(engine, layout)
    assert disks
    assert kind.bring("one", ["busybox:1.37", "no-such-image:1"]) == ("no-such-image:1",)
    assert kind.bring("one", ["busybox:1.37"]) == ()
    whoami = kubectl(kind.kubeconfig("one", "student"), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert whoami.stdout == "ada@example.org"
    # What is killed while it makes a Pod may, on cgroup v1, leave a process that stands still and keeps Docker waiting.
    kubectl(kind.kubeconfig("one", "admin"), "wait", "--for=condition=Ready", "pod", "--all", "-A", "--timeout=120s")
    engine.run("kill", layout.control_plane, timeout=60)
    assert kind.list()[0].state == "stopped"
    kind.start("one")
    assert kind.list()[0].state == "running"
    if Path("/sys/fs/cgroup/freezer").is_dir():  # Of version 1, where what stands still cannot be killed.
        nodes.inside(engine, layout.control_plane, "sh", "-c", STANDS_STILL)
    kind.delete("one")
    assert left(engine, layout) == []
    for disk in disks:
        with pytest.raises(CommandError, match=r"[Nn]o such volume"):
            engine.run("volume", "inspect", disk, timeout=60)
    assert store.names() == []


def lost(engine: Engine, layout: Layout, admin: Path) -> list[str]:
    """Which nodes send what is for another node's Pods anywhere but there."""
    found = json.loads(kubectl(admin, "get", "nodes", "-o", "json").stdout)["items"]
    address = {n["metadata"]["name"]: n["status"]["addresses"][0]["address"] for n in found}
    pod = {n["metadata"]["name"]: n["spec"]["podCIDR"].replace(".0/24", ".9") for n in found}
    assert set(address) == set(nodes.containers(engine, layout))
    return [
        f"{start} to {goal}"
        for start, goal in itertools.permutations(address, 2)
        if f" via {address[goal]} " not in nodes.inside(engine, start, "ip", "-4", "route", "get", pod[goal])
    ]


def test_each_node_knows_the_way_to_every_pod_when_up_and_start_return(kind: KindProvider, engine: Engine) -> None:
    kind.create(ClusterSpec("one", nodes=3))
    layout, admin = Layout.of("one"), kind.kubeconfig("one", "admin")
    assert lost(engine, layout, admin) == []
    # And no node's fence holds back what comes from another one, by its own address or by a Service's.
    kind.bring("one", ["busybox:1.37", "nginx:1.27"])
    first, *_, last = nodes.containers(engine, layout)
    for name, image, node in (("box", "busybox:1.37", first), ("web", "nginx:1.27", last)):
        on = json.dumps({"spec": {"nodeName": node}})
        more = ["--command", "--", "sleep", "3600"] if name == "box" else ["--port=80", "--expose"]
        kubectl(admin, "run", name, f"--image={image}", f"--overrides={on}", *more)
        kubectl(admin, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    address = kubectl(admin, "get", "pod", "web", "-o", "jsonpath={.status.podIP}").stdout
    for goal in (address, "web"):
        asked = f"for try in $(seq 60); do wget -q -T 5 -O- http://{goal} && exit; sleep 1; done; exit 1"
        assert "Welcome to nginx" in kubectl(admin, "exec", "box", "--", "sh", "-c", asked).stdout
    kind.stop("one")
    kind.start("one")
    assert lost(engine, layout, admin) == []


def test_a_cluster_whose_containers_are_gone_is_broken_and_can_be_removed(kind: KindProvider, engine: Engine) -> None:
    kind.create(ClusterSpec("one"))
    nodes.remove(engine, Layout.of("one"))
    assert kind.list()[0].state == "broken"
    with pytest.raises(ClusterError, match="containers of cluster one are gone"):
        kind.start("one")
    kind.delete("one")
    assert store.names() == []


def test_a_killed_up_is_cleared_away_by_down(kind: KindProvider, engine: Engine) -> None:
    command = [str(Path(sys.executable).with_name("seatrial")), "cluster"]
    layout = Layout.of("one")
    with subprocess.Popen([*command, "up", "one", "--provider", "kind"], start_new_session=True) as up:
        end = time.monotonic() + 120
        while not nodes.containers(engine, layout):
            assert time.monotonic() < end
            time.sleep(0.1)
        os.killpg(up.pid, signal.SIGKILL)
    assert left(engine, layout) != []
    subprocess.run([*command, "down", "one"], check=True)
    # kind itself, in a session of its own, may have been at work for a moment longer.
    assert left(engine, layout) == []
    assert store.names() == []


SHIM = """#!/bin/sh
if [ -e "{flag}" ]; then
    echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
    exit 1
fi
"{real}" "$@" || exit
case "$1 $2" in "run "*) touch "{flag}";; esac
"""


def test_an_engine_that_ends_meanwhile_is_told_and_what_it_has_left_is_removed_later(
    kind: KindProvider, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag, place = tmp_path / "gone", tmp_path / "bin"
    place.mkdir()
    shim = place / engine.name
    shim.write_text(SHIM.format(flag=flag, real=shutil.which(engine.name)))
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    assert engines.find().program == shim
    with pytest.raises(TransientError, match="start it again"):
        kind.create(ClusterSpec("one"))
    assert kind.list()[0].state == "broken"
    flag.unlink()
    layout = Layout.of("one")
    assert left(engine, layout) != []
    kind.delete("one")
    assert left(engine, layout) == []
    assert store.names() == []
