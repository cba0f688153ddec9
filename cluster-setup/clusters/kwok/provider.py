"""The provider `kwok`: create, stop, start, snapshot, restore and delete clusters by driving kwokctl and etcdctl."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clusters import ports, store
from clusters.errors import PermanentError
from clusters.kwok import begin, boot, processes, state
from clusters.kwok.config import COMPONENTS, PORTS, kwokctl_configuration
from clusters.kwok.failure import PortTaken
from clusters.kwok.identities import write_identities
from clusters.kwok.layout import Layout
from clusters.kwok.ports import of_cluster
from clusters.kwok.stages import stages
from clusters.model import Cluster, ClusterSpec, Identity, State

# How often other ports are tried where one was taken between our choice and the start.
ATTEMPTS = 4


class KwokProvider:
    """Clusters of the embedded kind. Each change of a cluster holds the lock of its name."""

    name = "kwok"
    capabilities = frozenset({"metrics", "audit"})
    extras: frozenset[str] = frozenset()
    default_nodes = 3  # as many as there are zones

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        """Make a cluster; see the protocol. What a killed `create` has left is removed first."""
        spec.check_new(self)
        with store.lock(spec.name):
            store.refuse_existing(spec.name, self.name)
            for attempt in range(1, ATTEMPTS + 1):
                self._remove(spec.name)
                try:
                    return self._make(spec)
                except PortTaken:
                    if attempt == ATTEMPTS:
                        self._clean_up(spec.name, keep=keep_on_failure)
                        raise
                except BaseException:
                    self._clean_up(spec.name, keep=keep_on_failure)
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _make(self, spec: ClusterSpec) -> Cluster:
        layout = Layout.of(spec.name)
        chosen = ports.choose(PORTS)
        server = f"https://{ports.LOOPBACK}:{chosen['kubeApiserverPort']}"
        store.make(spec.name)
        owned = tuple(chosen.values())
        store.save(store.Record(spec.name, self.name, spec.student, server, store.now(), ready=False, ports=owned))
        components = {PORTS[option]: f"{ports.LOOPBACK}:{port}" for option, port in chosen.items()}
        del components["kube-apiserver"]
        write_identities(layout, server, spec.student, self.name, self.capabilities, components=components)
        config = kwokctl_configuration(layout, chosen)
        store.write(layout.config, json.dumps(config) + "\n---\n" + stages())
        boot.create(layout, server, spec.nodes or self.default_nodes, chosen["metricsServerPort"])
        return self._seen(store.hand_over(spec.name))

    def _clean_up(self, name: str, *, keep: bool) -> None:
        if not keep:
            self._remove(name)

    def _remove(self, name: str) -> None:
        processes.end(Layout.of(name))
        store.remove(name)

    def delete(self, name: str) -> None:
        """Remove a cluster; see the protocol. Needs no upstream program and no record."""
        with store.lock(name):
            self._remove(name)

    def list(self) -> list[Cluster]:
        """Every KWOK cluster."""
        return [self._seen(record) for record in store.records(self.name)]

    def _seen(self, record: store.Record) -> Cluster:
        folder = store.folder(record.name)
        return Cluster(
            record.name, self.name, self._state(record), record.server, record.student, folder, record.created
        )

    def _state(self, record: store.Record) -> State:
        alive = processes.running(Layout.of(record.name)).keys()
        if record.ready and not alive:
            return "stopped"
        return "running" if record.ready and alive >= set(COMPONENTS) else "broken"

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        """The kubeconfig file of an identity; see the protocol."""
        store.ready(name)
        return store.kubeconfig_file(name, identity)

    def bring(self, name: str, references: Iterable[str]) -> tuple[str, ...]:
        """Nothing is missing: no container runs."""
        store.ready(name)
        return ()

    def stop(self, name: str) -> None:
        """End its processes and keep its state; see the protocol."""
        with store.lock(name):
            store.ready(name)
            processes.end(Layout.of(name))

    def start(self, name: str) -> None:
        """Run what does not run; see the protocol."""
        with store.lock(name):
            record = store.ready(name)
            layout = Layout.of(name)
            state.settle(layout)
            boot.start(layout, record.server)

    def snapshot(self, name: str, file: Path) -> None:
        """Write the cluster's state into a file; see the protocol."""
        with store.lock(name):
            record = store.ready(name)
            if self._state(record) != "running":
                raise PermanentError(f"cluster {name} does not run; start it with `seatrial cluster start {name}`")
            state.save(Layout.of(name), file)

    def restore(self, name: str, file: Path) -> None:
        """Put the cluster into a snapshot's state; see the protocol. A file that is not whole changes nothing."""
        with store.lock(name):
            record = store.ready(name)
            layout = Layout.of(name)
            state.settle(layout)
            state.prepare(layout, file)
            processes.end(layout)
            state.exchange(layout)
            try:
                boot.start(layout, record.server)
                begin.route_metrics(layout, record.server, of_cluster(layout)["metricsServerPort"])
            except BaseException:
                processes.end(layout)
                state.undo(layout)
                boot.start(layout, record.server)
                raise
            state.commit(layout)
