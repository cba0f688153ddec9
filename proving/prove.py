"""`seatrial lab test`: the trials of labs, shared out among clusters, with progress on stderr."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

from proving.board import Board
from proving.demand import Demand
from proving.stand import ended_in_order
from proving.trials import Proof
from proving.verdict import Verdict
from proving.worker import Worker

# Fresh clusters for each processor: most of a trial is waiting. One takes about 300 MB.
CLUSTERS_PER_PROCESSOR = 2


def prove_all(
    folders: Sequence[Path], *, cluster: str | None, times: int, jobs: int | None, provider: str = "kwok"
) -> list[Verdict]:
    """Prove labs and give their verdicts, in the order of the labs.

    With `cluster` one trial after another in that one. Otherwise in `jobs` fresh ones of `provider`, removed whatever
    happens. Only one lab is in a cluster at a time, because labs see each other's cluster-scoped objects and the
    student's calls. Raises LabError before a cluster is made; ClusterError and GraderError.
    """
    proofs = [Proof(folder, times=times) for folder in folders]
    verdicts = [proof.nothing() for proof in proofs]
    # The lab that waits longest comes first, so that the last trials of all are short ones.
    order = sorted(range(len(proofs)), key=lambda i: -proofs[i].patience)
    waiting = deque((i, n) for i in order for n in range(len(proofs[i].names)))
    usual = CLUSTERS_PER_PROCESSOR * (os.cpu_count() or 1) if provider == "kwok" else 1
    count = 1 if cluster else min(jobs or usual, len(waiting))
    demand = Demand.of(proof.lab for proof in proofs)
    workers: list[Worker] = []
    with ended_in_order():
        try:
            for _ in range(count):
                workers.append(Worker(cluster, times, provider, demand))
            with Board([(proof.folder.name, len(proof.names)) for proof in proofs]) as board:
                _share_out(workers, waiting, proofs, verdicts, board)
        except BaseException:
            for worker in workers:
                worker.stop()
            raise
        finally:
            for worker in workers:
                worker.join()
    return verdicts


def _share_out(
    workers: Sequence[Worker],
    waiting: deque[tuple[int, int]],
    proofs: Sequence[Proof],
    verdicts: Sequence[Verdict],
    board: Board,
) -> None:
    """Give each worker a trial after the other until all are made."""
    busy: dict[Worker, tuple[int, int]] = {}

    def next_trial(worker: Worker) -> None:
        while waiting:
            lab, number = waiting.popleft()
            if verdicts[lab].unsolvable:
                board.skipped(lab)
                continue
            busy[worker] = lab, number
            board.begun(lab, proofs[lab].names[number])
            worker.order((proofs[lab].folder, number))
            return
        worker.order(None)

    for worker in workers:
        next_trial(worker)
    while busy:
        ready = wait([worker.connection for worker in busy])
        for worker in [w for w in busy if w.connection in ready]:
            lab, number = busy.pop(worker)
            verdicts[lab].add(worker.result())
            board.done(lab, proofs[lab].names[number], len(verdicts[lab].faults))
            next_trial(worker)
