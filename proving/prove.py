"""`seatrial lab test`: the trials of labs, shared out among clusters, with progress on stderr."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from proving.stand import Stand, ended_in_order, fresh, standing
from proving.start import clear
from proving.trials import Proof, Trial
from proving.verdict import Verdict

# Fresh clusters for each processor: most of a trial is waiting. One takes about 300 MB.
CLUSTERS_PER_PROCESSOR = 2


def prove_all(folders: Sequence[Path], *, cluster: str | None, times: int, jobs: int | None) -> list[Verdict]:
    """Prove labs and give their verdicts, in the order of the labs.

    With `cluster` one trial after another in that one. Otherwise in `jobs` fresh clusters, which are removed whatever
    happens. Only one lab is in a cluster at a time, because labs see each other's cluster-scoped objects and the
    student's calls. Raises LabError before a cluster is made, ClusterError and ClusterUnreachable.
    """
    proofs = [Proof(folder, times=times) for folder in folders]
    # The lab that waits longest comes first, so that the last trials of all are short ones.
    order = sorted(proofs, key=lambda proof: -proof.patience)
    waiting = deque((proof, name, trial) for proof in order for name, trial in proof.trials())
    workers = 1 if cluster else min(jobs or CLUSTERS_PER_PROCESSOR * (os.cpu_count() or 1), len(waiting))
    board = _Board({proof.folder: len(proof.trials()) for proof in proofs})
    stopped = threading.Event()
    with ended_in_order(), board.progress, ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_work, waiting, cluster, board, stopped) for _ in range(workers)]
        try:
            for one in running:
                one.result()
        finally:
            stopped.set()
    for proof in proofs:
        proof.verdict.in_order()
    return [proof.verdict for proof in proofs]


def _work(
    waiting: deque[tuple[Proof, str, Trial]], cluster: str | None, board: _Board, stopped: threading.Event
) -> None:
    """Make trials in one cluster until there are none left, or somebody has had enough."""
    if not waiting:
        return
    with _stand(cluster) as stand:
        before: Proof | None = None
        while not stopped.is_set():
            try:
                proof, name, trial = waiting.popleft()
            except IndexError:
                break
            if before is not None and before is not proof:
                clear(before.lab, stand.admin)
            before = proof
            board.begun(proof.folder, name)
            trial(stand)
            board.done(proof.folder, name, len(proof.verdict.faults))
        if before is not None and cluster is not None:
            clear(before.lab, stand.admin)


@contextlib.contextmanager
def _stand(cluster: str | None) -> Iterator[Stand]:
    if cluster is not None:
        yield standing(cluster)
        return
    with fresh("lab-test") as stand:
        yield stand


@dataclass
class _Board:
    """How far each lab is: moving lines on a terminal, a line for each finished trial in a log."""

    trials: dict[Path, int]
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        """Make a line for each lab."""
        columns = (SpinnerColumn(finished_text="•"), TextColumn("{task.description}"), TimeElapsedColumn())
        self.progress = Progress(*columns, console=Console(stderr=True, highlight=False))
        self._lines = {
            folder: self.progress.add_task(f"{folder.name}: waits", total=total, start=False)
            for folder, total in self.trials.items()
        }
        self._finished = dict.fromkeys(self.trials, 0)
        self._lock = threading.Lock()

    def begun(self, folder: Path, name: str) -> None:
        """A trial has begun."""
        self.progress.start_task(self._lines[folder])
        self._describe(folder, name)

    def done(self, folder: Path, name: str, faults: int) -> None:
        """A trial has ended; `faults` is how many the lab has so far."""
        with self._lock:
            self._finished[folder] += 1
        outcome = f"{faults} fault{'s' if faults != 1 else ''}" if faults else "no fault"
        self._describe(folder, outcome)
        self.progress.advance(self._lines[folder])
        if not self.progress.console.is_terminal:
            self.progress.console.print(self._told(folder, f"{name} done, {outcome}"))

    def _describe(self, folder: Path, what: str) -> None:
        self.progress.update(self._lines[folder], description=self._told(folder, what))

    def _told(self, folder: Path, what: str) -> str:
        return f"{folder.name}: {self._finished[folder]} of {self.trials[folder]} trials, {what}"
