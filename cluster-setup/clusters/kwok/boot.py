"""Start a cluster's processes with kwokctl, watch that none of them ends, and wait until a student can work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

from clusters.exec import run
from clusters.kwok import begin, processes
from clusters.kwok.failure import explain
from clusters.kwok.layout import Layout
from clusters.tools import program

# How long kwokctl may take, in seconds. It gives up on an API server after two minutes itself.
LIMIT = 150.0
# How often the processes are looked at, in seconds.
INTERVAL = 0.1
# What is started once the cluster is usable: metrics-server gives up where the API server does not answer within ten
# seconds, and until then it would only take time from the others.
LATE = ("metrics-server",)


def create(layout: Layout, server: str, nodes: int, metrics_port: int) -> None:
    """Make the cluster that the layout's configuration describes. Raises ClusterError, PortTaken among them."""
    command: list[str | Path] = ["create", "cluster", "--config", layout.config, "--kubeconfig", ""]
    _boot(layout, command, lambda stop: begin.begin(layout, server, nodes, metrics_port, stop))


def start(layout: Layout, server: str) -> None:
    """Start what does not run of a cluster that was made before. Raises ClusterError, PortTaken among them."""
    processes.correct_pid_files(layout)
    _boot(layout, ["start", "cluster"], lambda stop: begin.usable(layout, server, stop))


def _boot(layout: Layout, command: list[str | Path], conditions: Callable[[threading.Event], None]) -> None:
    """Run kwokctl and wait for the conditions side by side, until both are done or a process has ended.

    Late components come after that. A pid file that names a living process makes kwokctl pass over a component, so
    until then theirs name us.
    """
    late = [c for c in LATE if c not in processes.running(layout)]
    processes.pretend(layout, late)
    with ThreadPoolExecutor(1) as pool:
        stop = threading.Event()
        waiting = pool.submit(conditions, stop)

        def watch() -> None:
            _check(layout, late)
            if waiting.done():
                waiting.result()

        try:
            _kwokctl(layout, command, watch)
            while not waiting.done():
                wait_for([waiting], INTERVAL)
                watch()
            waiting.result()
        finally:
            stop.set()
    processes.correct_pid_files(layout)
    if late:
        _kwokctl(layout, ["start", "cluster"], lambda: _check(layout, ()))
    _check(layout, ())


def _kwokctl(layout: Layout, command: list[str | Path], watch: Callable[[], None]) -> None:
    argv = [program("kwokctl"), "--name", layout.name, *command]
    run(argv, timeout=LIMIT, env={"KWOK_WORKDIR": str(layout.workdir)}, watch=watch)


def _check(layout: Layout, late: Sequence[str]) -> None:
    """Raises what explains the end of a component that was started."""
    for component in processes.dead(layout):
        if component not in late:
            raise explain(layout, component)
