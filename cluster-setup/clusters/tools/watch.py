"""Showing how an install gets on: live bars in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

# How often a log hears of something that takes long, in seconds.
LOG_EVERY = 10.0


class Watch(Protocol):
    """Somebody who looks on. `key` names one piece of work from `begin` to `end`."""

    def say(self, text: str) -> None:
        """One line that stays."""
        ...

    def begin(self, key: str, text: str) -> None:
        """A piece of work starts."""
        ...

    def step(self, key: str, text: str, part: float | None = None) -> None:
        """It got on; `part` is how much is done, 0 to 1, None where nobody knows."""
        ...

    def end(self, key: str, text: str) -> None:
        """It is over; the text stays."""
        ...


class Log:
    """For files and pipes: a line at the start, at the end, and now and then between."""

    def __init__(self, console: Console) -> None:
        """Write to this console."""
        self._console = console
        self._heard: dict[str, float] = {}

    def say(self, text: str) -> None:
        """See Watch."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, key: str, text: str) -> None:
        """See Watch."""
        self._heard[key] = time.monotonic()
        self.say(text)

    def step(self, key: str, text: str, part: float | None = None) -> None:
        """See Watch."""
        if time.monotonic() - self._heard[key] >= LOG_EVERY:
            self._heard[key] = time.monotonic()
            self.say(f"  {key}: {text}" + (f" ({part:.0%})" if part is not None else ""))

    def end(self, key: str, text: str) -> None:
        """See Watch."""
        del self._heard[key]
        self.say(text)


class Live:
    """For a terminal: a bar for each piece of work that is under way."""

    def __init__(self, progress: Progress) -> None:
        """Draw on this display."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        """See Watch."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, key: str, text: str) -> None:
        """See Watch."""
        self._tasks[key] = self._progress.add_task(text, total=None, said="")

    def step(self, key: str, text: str, part: float | None = None) -> None:
        """See Watch."""
        total = None if part is None else 1.0
        self._progress.update(self._tasks[key], completed=part or 0.0, total=total, said=text)

    def end(self, key: str, text: str) -> None:
        """See Watch."""
        self._progress.remove_task(self._tasks.pop(key))
        self.say(text)


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """The right Watch for a console."""
    if not console.is_terminal:
        yield Log(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Live(progress)
