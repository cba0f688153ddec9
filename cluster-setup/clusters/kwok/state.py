"""A cluster's whole state, which is what etcd holds: saved to a file, and exchanged for what a file holds.

etcd         what runs
etcd.new     unpacked from a snapshot, not in use yet
etcd.before  what ran until a restore, kept until the restored cluster has answered
etcd.undone  what was restored and did not answer
"""

from __future__ import annotations

import shutil
from pathlib import Path

from clusters import snapshot
from clusters.exec import run
from clusters.kwok.config import ETCD, ETCD_PEER
from clusters.kwok.layout import Layout
from clusters.tools import program


def save(layout: Layout, file: Path) -> None:
    """Write etcd's state into a file, at once or not at all."""
    with snapshot.written(file) as part:
        command: list[str | Path] = [program("etcdctl"), "--endpoints", ETCD, "snapshot", "save", part]
        run(command, timeout=snapshot.LIMIT, cwd=layout.home)


def _new(layout: Layout) -> Path:
    return layout.home / "etcd.new"


def _before(layout: Layout) -> Path:
    return layout.home / "etcd.before"


def _undone(layout: Layout) -> Path:
    return layout.home / "etcd.undone"


def settle(layout: Layout) -> None:
    """Bring a restore that was cut short to one of its two ends. Nothing is touched where none was under way."""
    if not layout.etcd.exists() and _before(layout).exists():
        _before(layout).rename(layout.etcd)
    for rest in (_new(layout), _before(layout), _undone(layout)):
        shutil.rmtree(rest, ignore_errors=True)


def prepare(layout: Layout, file: Path) -> None:
    """Unpack a snapshot beside the state in use. Raises PermanentError for a file that is none, or not whole."""
    snapshot.unpack(file, _new(layout), cluster=layout.name, member="node0", peer=ETCD_PEER)


def exchange(layout: Layout) -> None:
    """Take what was prepared into use. etcd must not run."""
    layout.etcd.rename(_before(layout))
    _new(layout).rename(layout.etcd)


def undo(layout: Layout) -> None:
    """Go back to the state before the exchange. etcd must not run."""
    layout.etcd.rename(_undone(layout))
    _before(layout).rename(layout.etcd)
    shutil.rmtree(_undone(layout))


def commit(layout: Layout) -> None:
    """Forget the state before the exchange."""
    shutil.rmtree(_before(layout))
