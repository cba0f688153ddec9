"""A process that makes trials in a cluster of its own.

A process rather than a thread, so that it can be stopped in the middle of a trial and still put its cluster away.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from clusters.errors import ClusterError
from clusters.registry import owner
from grader.model import ClusterUnreachable, GraderError
from proving import images
from proving.demand import USUAL, Demand
from proving.stand import Stand, ended_in_order, fresh, standing
from proving.start import clear
from proving.trials import Proof
from proving.verdict import Verdict

# "Make this trial of this lab", and None for "that was all".
Order = tuple[Path, int] | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a worker gave up: what it is told as, and the sentence."""

    kind: type[Exception]
    sentence: str


class Worker:
    """The parent's side of one worker."""

    def __init__(self, cluster: str | None, times: int, provider: str = "kwok", demand: Demand = USUAL) -> None:
        """Start the process; with `cluster` it works in that one, otherwise in a fresh one of `provider`, which has of
        what the labs ask for all that it can have."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_main, args=(theirs, cluster, times, provider, demand))
        self.process.start()
        theirs.close()

    def order(self, order: Order) -> None:
        """Ask for a trial, or for the end. A worker that is gone is found out by `result`."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(order)

    def result(self) -> Verdict:
        """What the ordered trial showed. Raises what made the worker give up."""
        try:
            found: Verdict | Failure = self.connection.recv()
        except EOFError:
            raise ClusterError(f"a worker ended by itself, with exit code {self.process.exitcode}; try again") from None
        if isinstance(found, Failure):
            raise found.kind(found.sentence)
        return found

    def stop(self) -> None:
        """Ask it to end in order: its cluster is removed. Does not wait for that."""
        if self.process.is_alive():
            self.process.terminate()

    def join(self) -> None:
        """Wait until it has ended."""
        self.process.join()
        self.connection.close()


def _main(connection: Connection, cluster: str | None, times: int, provider: str, demand: Demand) -> None:
    # Ctrl-C reaches the whole group, and then the parent ends us. SIG_IGN would be inherited by the cluster.
    signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError), ended_in_order():
        try:
            _work(connection, cluster, times, provider, demand)
        except EOFError:
            return  # The parent is gone.
        except (ClusterError, ClusterUnreachable) as fault:
            connection.send(Failure(ClusterError, str(fault)))
        except GraderError as fault:
            connection.send(Failure(GraderError, str(fault)))
        except Exception:  # noqa: BLE001 - a fault of ours: told by the parent, with its traceback
            connection.send(Failure(RuntimeError, traceback.format_exc()))


def _work(connection: Connection, cluster: str | None, times: int, provider: str, demand: Demand) -> None:
    proofs: dict[Path, Proof] = {}
    before: Proof | None = None
    with _stand(cluster, provider, demand) as stand:
        order: Order
        while (order := connection.recv()) is not None:
            folder, number = order
            proof = proofs.get(folder) or proofs.setdefault(folder, Proof(folder, times=times))
            if before is not None and before is not proof:
                clear(before.lab, stand.admin)
            if before is not proof and stand.cluster:
                images.bring(proof.lab, owner(stand.cluster), stand.cluster)
            before = proof
            connection.send(proof.run(number, stand))
        if before is not None and cluster is not None:
            clear(before.lab, stand.admin)


@contextlib.contextmanager
def _stand(cluster: str | None, provider: str, demand: Demand) -> Iterator[Stand]:
    if cluster is not None:
        yield standing(cluster)
        return
    with fresh("lab-test", kind=provider, demand=demand) as stand:
        yield stand
