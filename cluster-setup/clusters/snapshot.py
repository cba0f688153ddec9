"""Snapshots of a cluster's etcd, in a file of etcd's own: written whole or not at all, and unpacked."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from clusters.errors import ClusterError, PermanentError
from clusters.exec import CommandError, run
from clusters.tools import program

# How long etcd's tools may take, in seconds, for 2 GB at most.
LIMIT = 300.0
# Restored objects get resource versions above any that somebody may have seen, so that a watch from before starts anew.
BUMP = 1_000_000


@contextlib.contextmanager
def written(file: Path) -> Iterator[Path]:
    """A file beside the wanted one, to be written in the block; at its end it takes the wanted one's place.

    Raises ClusterError, also for a command that fails in the block.
    """
    file = file.absolute()
    if not file.parent.is_dir():
        raise PermanentError(f"the snapshot {file} cannot be written: {file.parent} is no folder")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        yield part
        part.chmod(0o600)
        part.replace(file)
    except CommandError as fault:
        if _full(fault):
            raise PermanentError(
                f"the snapshot {file} cannot be written: the disk is full; free some or name another file"
            ) from fault
        raise ClusterError(f"the snapshot {file} cannot be written: {_reason(fault)}") from fault
    except OSError as fault:
        raise PermanentError(f"the snapshot {file} cannot be written: {fault.strerror}") from fault
    finally:
        part.unlink(missing_ok=True)
        # etcdctl writes beside it, too.
        part.with_name(f"{part.name}.part").unlink(missing_ok=True)


def require(file: Path) -> None:
    """Raises PermanentError where there is no such file."""
    if not file.is_file():
        raise PermanentError(f"there is no snapshot {file}")


def unpack(file: Path, goal: Path, *, cluster: str, member: str, peer: str) -> None:
    """Make etcd's folder `goal` out of a snapshot, for the member of that name and peer URL alone.

    `cluster` is for the sentence. Raises PermanentError for a file that is no snapshot, or not whole; then there is no
    `goal`.
    """
    require(file)
    shutil.rmtree(goal, ignore_errors=True)
    command: list[str | Path] = [
        program("etcdutl"), "snapshot", "restore", file, "--data-dir", goal, "--name", member,
        "--initial-cluster", f"{member}={peer}", "--initial-advertise-peer-urls", peer,
        "--bump-revision", str(BUMP), "--mark-compacted",
    ]  # fmt: skip
    try:
        run(command, timeout=LIMIT)
    except CommandError as fault:
        shutil.rmtree(goal, ignore_errors=True)
        if _full(fault):
            raise PermanentError(
                f"the snapshot {file} cannot be restored: the disk is full; nothing changed"
            ) from fault
        raise PermanentError(
            f"{file} is not a whole snapshot of a cluster ({_reason(fault)}); cluster {cluster} is as it was"
        ) from fault


def _full(fault: CommandError) -> bool:
    return "no space left" in fault.output


def _reason(fault: CommandError) -> str:
    return fault.last_line.removeprefix("Error: ")
