"""Somebody who looks on and remembers."""

from __future__ import annotations

import errno


class Recorder:
    """Keeps what a Watch is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.parts: list[float | None] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, key: str, text: str) -> None:
        self.begun.append(key)
        self.said.append(text)

    def step(self, key: str, text: str, part: float | None = None) -> None:
        self.parts.append(part)

    def end(self, key: str, text: str) -> None:
        self.ended.append(key)
        self.said.append(text)


class FullDisk(Recorder):
    """Stands for a disk that is full as soon as the first bytes have come."""

    def step(self, key: str, text: str, part: float | None = None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
