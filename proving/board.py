"""How far the labs under test are: moving lines on a terminal, a line for each finished trial in a log."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Board:
    """A line for each lab on stderr. Labs are named by their index."""

    def __init__(self, labs: Sequence[tuple[str, int]]) -> None:
        """`labs` are names and how many trials each takes."""
        columns = (SpinnerColumn(finished_text="•"), TextColumn("{task.description}"), TimeElapsedColumn())
        console = Console(stderr=True, highlight=False)
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._console = console
        self._labs = labs
        self._finished = [0] * len(labs)
        self._lines: list[TaskID] = [
            self._progress.add_task(f"{name}: waits", total=total, start=False) for name, total in labs
        ]

    def __enter__(self) -> Board:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Leave the last state standing."""
        self._progress.stop()

    def begun(self, lab: int, trial: str) -> None:
        """A trial has begun."""
        self._progress.start_task(self._lines[lab])
        self._progress.update(self._lines[lab], description=self._told(lab, trial))

    def done(self, lab: int, trial: str, faults: int) -> None:
        """A trial has ended; `faults` is how many the lab has so far."""
        outcome = f"{faults} fault{'s' if faults != 1 else ''}" if faults else "no fault"
        self._advance(lab, f"{trial} done, {outcome}")

    def skipped(self, lab: int) -> None:
        """A trial is left out, because the lab cannot be solved."""
        self._advance(lab, "left out, the lab cannot be solved")

    def _advance(self, lab: int, what: str) -> None:
        self._finished[lab] += 1
        self._progress.start_task(self._lines[lab])
        self._progress.update(self._lines[lab], advance=1, description=self._told(lab, what))
        if not self._console.is_terminal:
            self._console.print(self._told(lab, what))

    def _told(self, lab: int, what: str) -> str:
        name, total = self._labs[lab]
        return f"{name}: {self._finished[lab]} of {total} trials, {what}"
