"""The clusters: making them, keeping some ready, handing them out, deleting them, and what belongs to nobody."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clusters.errors import ClusterError, TransientError
from clusters.kubectl import kubectl
from clusters.model import Provider
from proving.demand import Demand
from webapp.database import Database
from webapp.sessions.access import STUDENT
from webapp.sessions.models import LabSession, PoolCluster, PoolState
from webapp.sessions.reconciler.crew import Crew
from webapp.sessions.reconciler.facts import Facts
from webapp.sessions.reconciler.pause import Clock, Rest

LOG = logging.getLogger(__name__)


def warm_up(admin: Path) -> None:
    """Discovery and schemas of an API server, without changing anything. Raises ClusterError.

    First the aggregated APIs have to be there: with each that comes an API server puts its schemas together anew.
    """
    kubectl(admin, "wait", "apiservices", "--all", "--for=condition=Available", "--timeout=30s")
    note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "warm-up", "namespace": "default"}}
    for way in ((), ("--server-side",)):
        kubectl(admin, "apply", "--dry-run=server", *way, "--filename=-", stdin=json.dumps(note))


def family(portal: str) -> str:
    """What the names of this portal's clusters begin with, so that two portals of one user leave each other's alone."""
    return f"seat-{hashlib.sha256(portal.encode()).hexdigest()[:4]}-"


def claim(db: Session, session: LabSession) -> str | None:
    """Give a ready cluster to a session, the oldest first; its name, or None where none is ready.

    One statement, so that no two get the same one, whoever else claims at this moment.
    """
    oldest = select(PoolCluster.name).where(PoolCluster.state == PoolState.READY)
    oldest = oldest.order_by(PoolCluster.made_at, PoolCluster.name).limit(1)
    taken = db.execute(
        update(PoolCluster)
        .where(PoolCluster.name == oldest.scalar_subquery(), PoolCluster.state == PoolState.READY)
        .values(state=PoolState.CLAIMED, session_id=session.id, generation=0)
        .returning(PoolCluster.name)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if taken is not None:
        db.expire(session, ["cluster"])
    return taken


class Pool:
    """The steps of clusters. Each may be begun again at any point."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        facts: Facts,
        crew: Crew,
        *,
        prefix: str,
        clock: Clock = time.monotonic,
        warm_up: Callable[[Path], None] = warm_up,
        demand: Callable[[], Demand] = Demand,
    ) -> None:
        """`prefix` is what `family` gives. A cluster is for any lab, and so as each of them needs it: `demand`."""
        self._database, self._provider, self._facts, self._crew = database, provider, facts, crew
        self._prefix, self._warm_up, self._demand = prefix, warm_up, demand
        self.rest = Rest(clock=clock)
        self.fault: str | None = None
        self._cold: set[str] = set()

    def make(self, number: int) -> None:
        """Begin to make so many clusters. Their rows are there before they are."""
        for _ in range(number):
            name = f"{self._prefix}{secrets.token_hex(3)}"
            with self._database.transaction() as db:
                db.add(PoolCluster(name=name, provider=self._provider.name))
            self._crew.start(("cluster", name), lambda name=name: self._make(name))  # type: ignore[misc]

    def _make(self, name: str) -> None:
        try:
            self._provider.create(self._demand().spec(name, STUDENT, self._provider))
        except (ClusterError, OSError) as fault:
            self.fault = str(fault)
            self.rest.fail(fault.retry_after if isinstance(fault, TransientError) else 0.0)
            self._facts.note(name, None)
            self._turn(name, PoolState.MAKING, PoolState.REMOVING, self.fault)
            LOG.warning("cluster %s was not made: %s", name, fault)
            return
        self.fault = None
        self.rest.recover()
        self._facts.note(name, "running")
        self._cold.add(name)
        self._turn(name, PoolState.MAKING, PoolState.READY)

    def _again(self, name: str) -> None:
        try:
            self._provider.start(name)
        except ClusterError as fault:
            self._facts.note(name, "broken")
            self._turn(name, PoolState.MAKING, PoolState.REMOVING, str(fault))
            raise
        self._facts.note(name, "running")
        self._turn(name, PoolState.MAKING, PoolState.READY)

    def prime(self, clusters: list[PoolCluster]) -> None:
        """Begin to warm up what was made and is nobody's. For when nobody waits: it takes as much as half a start."""
        ready = {cluster.name for cluster in clusters if cluster.state is PoolState.READY}
        for name in self._cold & ready:
            self._cold.discard(name)
            self._crew.aside(lambda name=name: self._prime(name))  # type: ignore[misc]
        self._cold &= {cluster.name for cluster in clusters}

    def _prime(self, name: str) -> None:
        """Ask for what the first lab will ask for: an API server computes its schemas when they are first wanted."""
        try:
            self._warm_up(self._provider.kubeconfig(name, "admin"))
        except (ClusterError, OSError) as fault:
            LOG.warning("cluster %s is not warmed up: %s", name, fault)

    def _turn(self, name: str, before: PoolState, after: PoolState, fault: str | None = None) -> None:
        change = update(PoolCluster).where(PoolCluster.name == name, PoolCluster.state == before)
        with self._database.transaction() as db:
            db.execute(change.values(state=after, fault=fault))

    def tend(self, clusters: list[PoolCluster]) -> None:
        """Look after those that are nobody's: what was cut off while it was made, what has died, what is to go."""
        for cluster in clusters:
            if self._crew.busy("cluster", cluster.name):
                continue
            seen = self._facts.seen(cluster.name)
            if seen is None:
                continue
            if cluster.state is PoolState.MAKING:
                # Nobody makes it any more. One that was whole before we were cut off is as good as any.
                after = PoolState.READY if seen == "running" else PoolState.REMOVING
                self._turn(cluster.name, PoolState.MAKING, after)
            elif cluster.state is PoolState.READY and seen == "stopped":
                # Stopped as a whole, by `seatrial down` or with the machine: back in a few seconds.
                self._turn(cluster.name, PoolState.READY, PoolState.MAKING)
                self._crew.start(("cluster", cluster.name), lambda name=cluster.name: self._again(name))  # type: ignore[misc]
            elif cluster.state is PoolState.READY and seen != "running":
                self._turn(cluster.name, PoolState.READY, PoolState.REMOVING, f"it was {seen} before anybody had it")
            elif cluster.state in (PoolState.CLAIMED, PoolState.STOPPED) and cluster.session_id is None:
                self._turn(cluster.name, cluster.state, PoolState.REMOVING)  # Its owner's account was deleted.
            elif cluster.state is PoolState.REMOVING:
                self.remove(cluster.name)
        self._strays({c.name for c in clusters})

    def _strays(self, known: set[str]) -> None:
        """Delete what is ours by its name and in no row: the database was put back from a copy, or begun anew."""
        for name in self._facts.names() - known:
            if name.startswith(self._prefix) and self._facts.seen(name) != "gone":
                LOG.warning("cluster %s belongs to nobody and is deleted", name)
                self.remove(name)

    def remove(self, name: str) -> None:
        """Begin to delete a cluster; its row goes last."""
        self._crew.start(("cluster", name), lambda: self._remove(name))

    def _remove(self, name: str) -> None:
        self._provider.delete(name)
        self._facts.note(name, "gone")
        with self._database.transaction() as db:
            row = db.get(PoolCluster, name)
            if row is not None and row.state is PoolState.REMOVING:
                db.delete(row)

    def evict(self, number: int) -> None:
        """Let so many ready clusters go, the newest first, to make room or because there are more than enough."""
        newest = select(PoolCluster).where(PoolCluster.state == PoolState.READY)
        with self._database.transaction() as db:
            for row in db.scalars(newest.order_by(PoolCluster.made_at.desc()).limit(number)).unique():
                row.state = PoolState.REMOVING


def detach(db: Session, cluster: PoolCluster) -> None:
    """Take a cluster from its session, to be deleted."""
    session = cluster.session
    cluster.state, cluster.session_id, cluster.session = PoolState.REMOVING, None, None
    if session is not None:
        session.cluster = None
    db.flush()
