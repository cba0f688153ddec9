"""kubectl against a kubeconfig: for whoever has a file and wants one command run."""

from __future__ import annotations

from pathlib import Path

from clusters.exec import Completed, run
from clusters.tools import program

# How long one command may take by default, in seconds.
TIMEOUT = 60.0


def kubectl(kubeconfig: Path, *args: str | Path, stdin: str | None = None, timeout: float = TIMEOUT) -> Completed:
    """Run the pinned kubectl with `args`; `stdin` is what `-f -` reads, `timeout` is in seconds.

    Raises CommandError with kubectl's own words when it fails, ToolMissing when it is not installed.
    """
    return run([program("kubectl"), "--kubeconfig", kubeconfig, *args], timeout=timeout, stdin=stdin)
