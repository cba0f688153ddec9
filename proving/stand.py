"""The cluster that labs are proved and shown in: one that is removed whatever happens, or one that is there already."""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from clusters.registry import owner, provider
from proving.demand import USUAL, Demand


@dataclass(frozen=True, slots=True)
class Stand:
    """A cluster as proving sees it: two kubeconfig files and the student's name."""

    cluster: str
    admin: Path
    student: Path
    student_name: str


def standing(name: str) -> Stand:
    """A cluster that is there already. Raises ClusterError for an unknown one."""
    its = owner(name)
    found = next((c for c in its.list() if c.name == name), None)
    student = found.student if found else "student"
    return Stand(name, its.kubeconfig(name, "admin"), its.kubeconfig(name, "student"), student)


@contextlib.contextmanager
def fresh(purpose: str, *, student: str = "student", kind: str = "kwok", demand: Demand = USUAL) -> Iterator[Stand]:
    """A new cluster called `purpose-xxxxxx`, removed in the end, also on Ctrl-C and on SIGTERM. Raises ClusterError.

    Of the capabilities in `demand` it has those that clusters of `kind` can have.
    """
    its = provider(kind)
    name = f"{purpose}-{secrets.token_hex(3)}"
    with ended_in_order():
        try:
            its.create(demand.spec(name, student, its))
            yield Stand(name, its.kubeconfig(name, "admin"), its.kubeconfig(name, "student"), student)
        finally:
            its.delete(name)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end the program as Ctrl-C does, so that everything is put away."""

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        for one in before:  # A second one would interrupt the putting away.
            signal.signal(one, ignore)
        raise KeyboardInterrupt(signal.Signals(signum).name)

    def ignore(_signum: int, _frame: FrameType | None) -> None:
        """Not SIG_IGN, which the children would inherit."""

    before: dict[signal.Signals, Any] = {}
    with contextlib.suppress(ValueError):  # Only the main thread may; elsewhere its owner sees to it.
        before = {s: signal.signal(s, interrupt) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
