"""The provider `kind`: clusters whose nodes are containers, in which Pods really run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from clusters import engine as engines
from clusters import ports, store
from clusters.engine import Engine, EngineError, EngineGone
from clusters.errors import ClusterError, PermanentError
from clusters.kind import begin, config, images, ingress, node_image, nodes, state
from clusters.kind.identities import write_identities
from clusters.kind.layout import Layout
from clusters.model import Cluster, ClusterSpec, Identity, State

# A moment before everything that a cluster can remember.
BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


class KindProvider:
    """Clusters of containers. Each change of a cluster holds the lock of its name."""

    name = "kind"
    capabilities = frozenset({"pods", "metrics", "audit", "network-policy"})
    extras = frozenset({"ingress"})
    default_nodes = 1

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        """Make a cluster; see the protocol. What a killed `create` has left is removed first."""
        spec.check_new(self)
        with store.lock(spec.name):
            store.refuse_existing(spec.name, self.name)
            engine = self._engine(spec.name)
            image = node_image.provide(engine)
            if "ingress" in spec.extras:
                ingress.provide(engine)
            self._remove(engine, spec.name)
            try:
                return self._make(engine, image, spec)
            except BaseException:
                if not keep_on_failure:
                    # What the engine cannot remove as it is gone, the record keeps in mind for the next `up` or `down`.
                    with contextlib.suppress(ClusterError):
                        self._remove(engine, spec.name)
                raise

    def _make(self, engine: Engine, image: str, spec: ClusterSpec) -> Cluster:
        layout = Layout.of(spec.name)
        (port,) = ports.choose(["api"]).values()
        server = f"https://{ports.LOOPBACK}:{port}"
        store.make(spec.name)
        store.save(
            store.Record(
                spec.name, self.name, spec.student, server, store.now(), ready=False, ports=(port,), engine=engine.name
            )
        )
        write_identities(layout, server, spec.student, self.name, self.capabilities | spec.extras)
        count = spec.nodes or self.default_nodes
        store.write(layout.config, config.kind_configuration(layout, count, port))
        nodes.create(engine, layout, image)
        nodes.equip(engine, layout)
        begin.begin(layout, server, count)
        begin.until("the Pods of all nodes reach each other", lambda: nodes.routed(engine, layout))
        if "ingress" in spec.extras:
            ingress.install(engine, layout, server)
        (layout.folder / "kind.kubeconfig").unlink(missing_ok=True)
        return self._seen(store.hand_over(spec.name), ["running"])

    def _engine(self, name: str) -> Engine:
        """The engine that has the cluster's nodes, be they half made; else the one that answers. Raises EngineError."""
        record = store.readable(name)
        return engines.find(record.engine if record else "")

    def _remove(self, engine: Engine | None, name: str) -> None:
        layout = Layout.of(name)
        if engine is not None:
            nodes.remove(engine, layout)
        store.remove(name)

    def delete(self, name: str) -> None:
        """Remove a cluster, its volumes and its network; see the protocol. Needs the engine and no record."""
        with store.lock(name):
            try:
                engine: Engine | None = self._engine(name)
            except EngineError:
                if store.folder(name).exists():
                    raise
                engine = None
            self._remove(engine, name)

    def list(self) -> list[Cluster]:
        """Every kind cluster. Where the engine does not answer, all of them are broken."""
        records = store.records(self.name)
        if not records:
            return []
        known: dict[str, dict[str, list[str]]] = {}
        for name in {record.engine for record in records}:
            try:
                known[name] = nodes.states(engines.find(name))
            except (EngineError, EngineGone):
                known[name] = {}
        return [self._seen(one, known[one.engine].get(Layout.of(one.name).kind_name, [])) for one in records]

    def _seen(self, record: store.Record, states: Iterable[str]) -> Cluster:
        folder = store.folder(record.name)
        return Cluster(
            record.name, self.name, _state(record, set(states)), record.server, record.student, folder, record.created
        )

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        """The kubeconfig file of an identity; see the protocol."""
        store.ready(name)
        return store.kubeconfig_file(name, identity)

    def bring(self, name: str, references: Iterable[str]) -> tuple[str, ...]:
        """Bring images of this machine into the cluster; see the protocol."""
        store.ready(name)
        return images.bring(self._engine(name), Layout.of(name), references)

    def stop(self, name: str) -> None:
        """End its containers and keep its state; see the protocol."""
        with store.lock(name):
            store.ready(name)
            nodes.stop(self._engine(name), Layout.of(name))

    def start(self, name: str) -> None:
        """Run its containers again; see the protocol."""
        with store.lock(name):
            record = store.ready(name)
            self._start(self._engine(name), Layout.of(name), record)

    def _start(self, engine: Engine, layout: Layout, record: store.Record) -> None:
        if not nodes.containers(engine, layout):
            raise PermanentError(
                f"the containers of cluster {record.name} are gone, and its state with them; "
                f"`seatrial cluster down {record.name}` removes the rest"
            )
        since = datetime.now(UTC)
        started = nodes.start(engine, layout)
        begin.usable(layout, record.server, since if started else BEFORE)
        begin.until("the Pods of all nodes reach each other", lambda: nodes.routed(engine, layout))

    def snapshot(self, name: str, file: Path) -> None:
        """Write the cluster's state into a file; see the protocol."""
        with store.lock(name):
            store.ready(name)
            engine, layout = self._engine(name), Layout.of(name)
            if set(nodes.states(engine).get(layout.kind_name, ())) != {"running"}:
                raise PermanentError(f"cluster {name} does not run; start it with `seatrial cluster start {name}`")
            state.save(engine, layout, file)

    def restore(self, name: str, file: Path) -> None:
        """Put the cluster into a snapshot's state; see the protocol. A file that is not whole changes nothing."""
        with store.lock(name):
            record = store.ready(name)
            engine, layout = self._engine(name), Layout.of(name)
            prepared = state.prepare(engine, layout, file)
            try:
                state.lay(engine, layout, prepared)
                self._start(engine, layout, record)
            except BaseException:
                state.undo(engine, layout)
                self._start(engine, layout, record)
                raise
            finally:
                shutil.rmtree(prepared, ignore_errors=True)
            state.commit(engine, layout)


def _state(record: store.Record, states: set[str]) -> State:
    if not record.ready or not states:
        return "broken"
    if states == {"running"}:
        return "running"
    return "stopped" if states <= {"exited", "created", "stopped"} else "broken"
