"""A cluster's whole state, which is what etcd holds: saved to a file, and exchanged for what a file holds.

etcd         what runs
etcd.new     unpacked from a snapshot, not in use yet
etcd.before  what ran until a restore, kept until the restored cluster has answered
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clusters.errors import ClusterError, PermanentError
from clusters.exec import CommandError, run
from clusters.kwok.config import ETCD, ETCD_PEER
from clusters.kwok.layout import Layout
from clusters.tools import program

# How long etcd's tools may take, in seconds, for 2 GB at most.
LIMIT = 300.0
# Restored objects get resource versions above any that somebody may have seen, so that a watch from before starts anew.
BUMP = 1_000_000


def save(layout: Layout, file: Path) -> None:
    """Write etcd's state into a file, at once or not at all."""
    file = file.absolute()
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if not file.parent.is_dir():
            raise PermanentError(f"{file.parent} is no folder: a snapshot cannot be written there")
        command: list[str | Path] = [program("etcdctl"), "--endpoints", ETCD, "snapshot", "save", part]
        run(command, timeout=LIMIT, cwd=layout.home)
        part.replace(file)
    except CommandError as fault:
        if "no space left" in fault.output:
            raise PermanentError(
                f"the snapshot {file} cannot be written: the disk is full; free some or name another file"
            ) from fault
        raise ClusterError(f"the snapshot {file} cannot be written: {_last(fault)}") from fault
    except OSError as fault:
        raise PermanentError(f"the snapshot {file} cannot be written: {fault.strerror}") from fault
    finally:
        part.unlink(missing_ok=True)
        part.with_name(part.name + ".part").unlink(missing_ok=True)


def _last(fault: CommandError) -> str:
    return (fault.output.strip().splitlines() or ["it printed nothing"])[-1].removeprefix("Error: ")


def _new(layout: Layout) -> Path:
    return layout.home / "etcd.new"


def _before(layout: Layout) -> Path:
    return layout.home / "etcd.before"


def settle(layout: Layout) -> None:
    """Bring a restore that was cut short to one of its two ends. Nothing is touched where none was under way."""
    if not layout.etcd.exists() and _before(layout).exists():
        _before(layout).rename(layout.etcd)
    shutil.rmtree(_new(layout), ignore_errors=True)
    shutil.rmtree(_before(layout), ignore_errors=True)


def prepare(layout: Layout, file: Path) -> None:
    """Unpack a snapshot beside the state in use. Raises PermanentError for a file that is none, or not whole."""
    if not file.is_file():
        raise PermanentError(f"there is no snapshot {file}")
    command: list[str | Path] = [
        program("etcdutl"), "snapshot", "restore", file, "--data-dir", _new(layout), "--name", "node0",
        "--initial-cluster", f"node0={ETCD_PEER}", "--initial-advertise-peer-urls", ETCD_PEER,
        "--bump-revision", str(BUMP), "--mark-compacted",
    ]  # fmt: skip
    try:
        run(command, timeout=LIMIT)
    except CommandError as fault:
        shutil.rmtree(_new(layout), ignore_errors=True)
        if "no space left" in fault.output:
            raise PermanentError(
                f"the snapshot {file} cannot be restored: the disk is full; nothing changed"
            ) from fault
        raise PermanentError(
            f"{file} is not a whole snapshot of a cluster ({_last(fault)}); cluster {layout.name} is as it was"
        ) from fault


def exchange(layout: Layout) -> None:
    """Take what was prepared into use. etcd must not run."""
    layout.etcd.rename(_before(layout))
    _new(layout).rename(layout.etcd)


def undo(layout: Layout) -> None:
    """Go back to the state before the exchange. etcd must not run."""
    shutil.rmtree(layout.etcd)
    _before(layout).rename(layout.etcd)


def commit(layout: Layout) -> None:
    """Forget the state before the exchange."""
    shutil.rmtree(_before(layout))
