"""What is on disk of every cluster: a folder each (0700), its record, and a lock for each name.

clusters/NAME/cluster.json      the record; `ready` is False while the cluster is being made
clusters/NAME/admin.yaml        kubeconfig of the platform
clusters/NAME/student.yaml      kubeconfig of the student
clusters/.NAME.lock             held by whoever changes the cluster; a dead process holds nothing
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.model import Identity

# A DNS label, and short enough that the paths below it stay readable.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
RECORD = "cluster.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a cluster. `ready` is False until it has been handed over once.

    `ports` are those of the loopback interface that belong to it, also while it is stopped; `engine` is the container
    engine that has its nodes, where they are containers.
    """

    name: str
    provider: str
    student: str
    server: str
    created: str  # RFC 3339
    ready: bool
    ports: tuple[int, ...] = ()
    engine: str = ""


def root() -> Path:
    """The folder of all clusters; it need not exist."""
    return Path(platformdirs.user_data_dir("seatrial")) / "clusters"


def folder(name: str) -> Path:
    """The folder of one cluster; it need not exist. Raises PermanentError for what cannot be a cluster's name."""
    if not NAME.fullmatch(name):
        raise PermanentError(
            f"{name!r} cannot be a cluster's name: use up to 40 lower-case letters, digits and dashes, "
            "beginning and ending with a letter or digit"
        )
    return root() / name


def kubeconfig_file(name: str, identity: Identity) -> Path:
    """Where an identity's kubeconfig is kept."""
    return folder(name) / f"{identity}.yaml"


def now() -> str:
    """This moment, RFC 3339 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, at once or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise PermanentError(f"{path} cannot be written: {fault.strerror}; mend that and try again") from fault


def save(record: Record) -> None:
    """Remember a cluster."""
    write(folder(record.name) / RECORD, json.dumps(asdict(record), indent=2) + "\n")


def load(name: str) -> Record | None:
    """What is remembered of a cluster; None for an unknown one and for one that was never begun properly."""
    try:
        known = json.loads((folder(name) / RECORD).read_text())
        return Record(**{**known, "ports": tuple(known.get("ports", ()))})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, AttributeError) as fault:
        raise PermanentError(
            f"{folder(name) / RECORD} cannot be read; remove the cluster with `seatrial cluster down {name}`"
        ) from fault


def records(provider: str) -> list[Record]:
    """Every cluster of a provider that is there, by name; not one that somebody is making at this moment.

    A record that cannot be read is passed over: it must not hide all others.
    """
    return [r for r in map(readable, names()) if r and r.provider == provider and (r.ready or not held(r.name))]


def unreadable() -> list[PermanentError]:
    """For each cluster whose record cannot be read, what to do about it."""
    faults = []
    for name in names():
        try:
            load(name)
        except PermanentError as fault:
            faults.append(fault)
    return faults


def ports() -> set[int]:
    """The ports of every cluster, whoever provides it."""
    return {port for name in names() if (record := readable(name)) for port in record.ports}


def readable(name: str) -> Record | None:
    """The same as `load`, and None for a record that is damaged."""
    try:
        return load(name)
    except PermanentError:
        return None


def ready(name: str) -> Record:
    """The record of a cluster that was handed over. Raises PermanentError for any other."""
    record = load(name)
    if record is None:
        known = ", ".join(names())
        raise PermanentError(
            f"there is no cluster {name!r}; "
            + (f"there are: {known}" if known else f"make it with `seatrial cluster up {name}`")
        )
    if not record.ready:
        raise PermanentError(
            f"cluster {name} is only half made; `seatrial cluster up {name}` makes it anew, "
            f"`seatrial cluster down {name}` removes it"
        )
    return record


def refuse_existing(name: str, provider: str) -> None:
    """Raises PermanentError where the name is taken: by a whole cluster, or by what another provider has half made,
    whose processes only that one would end. A half-made one of the same provider may be replaced."""
    record = load(name)
    if record is None:
        return
    if record.ready:
        raise PermanentError(f"cluster {name} exists already; `seatrial cluster down {name}` removes it")
    if record.provider != provider:
        raise PermanentError(
            f"cluster {name} was begun with the provider {record.provider} and is only half made; "
            f"`seatrial cluster down {name}` removes it"
        )


def hand_over(name: str) -> Record:
    """Note that a cluster is whole."""
    record = load(name)
    if record is None:
        raise ClusterError(f"the folder of cluster {name} was removed while it was made")
    done = replace(record, ready=True)
    save(done)
    return done


def names() -> list[str]:
    """Every name that has a folder, sorted."""
    if not root().is_dir():
        return []
    return sorted(p.name for p in root().iterdir() if p.is_dir() and NAME.fullmatch(p.name))


def make(name: str) -> Path:
    """Make a cluster's folder, 0700."""
    path = folder(name)
    try:
        root().mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)
    except OSError as fault:
        raise PermanentError(f"{path} cannot be made: {fault.strerror}") from fault
    return path


def remove(name: str) -> None:
    """Remove a cluster's folder. The record goes last, so that a removal that was cut short is seen and taken up."""
    path = folder(name)
    if not path.exists():
        return
    for child in path.iterdir():
        if child.name != RECORD:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    shutil.rmtree(path)


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a cluster's name. Raises TransientError where somebody else is at it."""
    folder(name)
    try:
        root().mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(_lock_file(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise PermanentError(f"{root()} cannot be written: {fault.strerror}; mend that and try again") from fault
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise TransientError(
                f"cluster {name} is being changed by another command; try again when that has ended"
            ) from fault
        yield
    finally:
        os.close(descriptor)


def held(name: str) -> bool:
    """Whether somebody is changing a cluster at this moment."""
    try:
        descriptor = os.open(_lock_file(name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_file(name: str) -> Path:
    return root() / f".{name}.lock"
