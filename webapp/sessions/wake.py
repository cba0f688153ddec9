"""Waking the reconciler: a datagram to a Unix socket, sent once a change is committed.

Only a hint. Whoever is not woken finds the change in its next pass, so nobody waits for it and no failure is told.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

NAME = "reconciler.sock"
# Where this process's reconciler listens: a process belongs to one portal. Set by `at`.
_folders: list[Path] = []


def at(folder: Path) -> None:
    """Say where the reconciler listens that this process's changes are for: `Settings.run`."""
    _folders[:] = [folder]


def after_commit(db: Session) -> None:
    """Wake the reconciler once the transaction of `db` is committed."""
    if not db.info.get("wakes"):
        db.info["wakes"] = True
        event.listen(db, "after_commit", _ring_all)


def _ring_all(_: Any) -> None:
    for folder in _folders:
        ring(folder)


def ring(folder: Path) -> None:
    """Wake the reconciler that listens in this folder, if there is one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with _address(folder) as address:
            sender.sendto(b"!", address)


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The socket's path in fewer than the 108 bytes that the kernel takes, however deep the folder lies."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)


class Bell:
    """Where the reconciler waits: for a service's datagram, for one of its own threads, or for the next pass."""

    def __init__(self, folder: Path) -> None:
        """Take the socket over from whoever had it before, as only one reconciler runs."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        (folder / NAME).unlink(missing_ok=True)
        with _address(folder) as address:
            self._socket.bind(address)
        (folder / NAME).chmod(0o600)

    def ring(self) -> None:
        """Wake whoever waits; from any thread, and from a signal's handler."""
        with contextlib.suppress(OSError):  # Closed already: nobody waits any more.
            os.eventfd_write(self._own, 1)

    def wait(self, seconds: float) -> bool:
        """Wait until somebody rings, for `seconds` at most. Whether somebody did. Rings before the call count."""
        listening = select.poll()
        for one in (self._own, self._socket.fileno()):
            listening.register(one, select.POLLIN)
        ready = {number for number, _ in listening.poll(max(seconds, 0.0) * 1000)}
        if self._own in ready:
            os.eventfd_read(self._own)
        if self._socket.fileno() in ready:
            # One pass answers every ring so far.
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(16):
                    continue
        return bool(ready)

    def close(self) -> None:
        """Give the socket up. Its file stays, for the next one to replace."""
        self._socket.close()
        os.close(self._own)
