"""Start a cluster's processes with kwokctl, watch that none of them ends, and wait until a student can work.

kwokctl starts everything at once. But kube-controller-manager and metrics-server give up where the API server does not
answer within ten seconds, as on a busy machine it may not, and until then all of them only take time from it. So they
are started in three steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

from clusters.exec import CommandError, run
from clusters.kwok import begin, ports, processes
from clusters.kwok.config import COMPONENTS
from clusters.kwok.failure import PortTaken, disk_full_told, explain, refused
from clusters.kwok.layout import Layout
from clusters.readiness import usable
from clusters.tools import program

# How long kwokctl may take, in seconds. It gives up on an API server after two minutes itself.
LIMIT = 150.0
# How often the processes are looked at, in seconds.
INTERVAL = 0.1
# The three steps: what all need, what makes the cluster work, and what nobody waits for.
FIRST = ("etcd", "kube-apiserver")
LAST = ("metrics-server",)
# How often those that are not in FIRST are started again, together, before the cluster is given up.
REVIVALS = 5


def create(layout: Layout, server: str, nodes: int, metrics_port: int) -> None:
    """Make the cluster that the layout's configuration describes. Raises ClusterError, PortTaken among them."""
    command: list[str | Path] = ["create", "cluster", "--config", layout.config, "--kubeconfig", ""]
    with disk_full_told(layout):
        _boot(layout, server, command, lambda stop: begin.begin(layout, server, nodes, metrics_port, stop))


def start(layout: Layout, server: str) -> None:
    """Start what does not run of a cluster that was made before. Raises ClusterError, PortTaken among them."""
    with disk_full_told(layout):
        processes.correct_pid_files(layout)
        _boot(layout, server, ["start", "cluster"], lambda stop: usable(layout.pki, server, fresh=False, stop=stop))


def _boot(
    layout: Layout, server: str, command: list[str | Path], conditions: Callable[[threading.Event], None]
) -> None:
    """Run kwokctl and wait for the conditions side by side, until both are done or something essential has ended."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(conditions, stop)
        try:
            _kwokctl(layout, command, FIRST, waiting)
            _second(layout, server, waiting)
            revivals = 0
            while not waiting.done():
                wait_for([waiting], INTERVAL)
                if ended := _ended(layout):
                    revivals += 1
                    if revivals > REVIVALS:
                        raise explain(layout, ended[0])
                    _second(layout, server, waiting)
            waiting.result()
        finally:
            stop.set()
    _kwokctl(layout, ["start", "cluster"], COMPONENTS)


def _kwokctl(
    layout: Layout, command: list[str | Path], wanted: Collection[str], waiting: Future[None] | None = None
) -> None:
    """Let kwokctl start the wanted components. It passes over one whose pid file names a living process: us."""
    processes.correct_pid_files(layout)
    missing = set(COMPONENTS) - processes.running(layout).keys()
    ports.check(layout, missing & set(wanted))
    processes.pretend(layout, missing - set(wanted))

    def watch() -> None:
        _ended(layout)
        if waiting is not None and waiting.done():
            waiting.result()

    argv = [program("kwokctl"), "--name", layout.name, *command]
    try:
        run(argv, timeout=LIMIT, env={"KWOK_WORKDIR": str(layout.workdir)}, watch=watch)
    except CommandError as fault:
        raise refused(layout, fault) from fault
    finally:
        processes.correct_pid_files(layout, keep=wanted)


def _ended(layout: Layout) -> list[str]:
    """The components that have ended and may be started again. Raises for one whose end is final."""
    ended = processes.dead(layout)
    for component in ended:
        fault = explain(layout, component)
        if component in FIRST or isinstance(fault, PortTaken):
            raise fault
    return ended


def _second(layout: Layout, server: str, waiting: Future[None]) -> None:
    """Start what makes the cluster work, or what of it has ended.

    A KWOK that died leaves its leases of the nodes behind, and the next one, whose name is another, would wait until
    they expire, for minutes in which no Pod starts.
    """
    if "kwok-controller" not in processes.running(layout):
        begin.release_nodes(layout, server)
    _kwokctl(layout, ["start", "cluster"], set(COMPONENTS) - set(LAST), waiting)
