"""Providers without a cluster behind them: files and states are real, the control plane is not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from clusters import store
from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.identity.kubeconfig import extension
from clusters.model import Cluster, ClusterSpec, Identity, State

# An address that answers nobody: RFC 5737 keeps it for documentation.
SERVER = "https://192.0.2.1:6443"


class FakeProvider:
    """Keeps the protocol's promises with files alone. A cluster's state is the text of the file `state`."""

    name = "fake"
    capabilities = frozenset({"metrics", "audit"})
    extras = frozenset({"ingress"})
    default_nodes = 1
    lacks: tuple[str, ...] = ()  # images that are nowhere
    brought: Sequence[str] = ()  # what was asked for last
    asked: ClusterSpec | None = None  # the last that was made

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        spec.check(self)
        with store.lock(spec.name):
            store.refuse_existing(spec.name, self.name)
            store.remove(spec.name)
            try:
                return self._make(spec)
            except BaseException:
                if not keep_on_failure:
                    store.remove(spec.name)
                raise

    def _make(self, spec: ClusterSpec) -> Cluster:
        self.asked = spec
        folder = store.make(spec.name)
        store.save(store.Record(spec.name, self.name, spec.student, SERVER, store.now(), ready=False))
        for identity in ("admin", "student"):
            log = str(folder / "audit.log") if identity == "admin" else None
            known = extension(self.name, self.capabilities | spec.extras, spec.student, log)
            entry = {"name": spec.name, "cluster": {"server": SERVER, "extensions": [known]}}
            store.write(folder / f"{identity}.yaml", yaml.safe_dump({"kind": "Config", "clusters": [entry]}))
        self._work(spec)
        store.write(folder / "state", "nothing yet")
        store.write(folder / "alive", "")
        return self._seen(store.hand_over(spec.name))

    def _work(self, spec: ClusterSpec) -> None:
        """What takes a real provider its time."""

    def _seen(self, record: store.Record) -> Cluster:
        folder = store.folder(record.name)
        state: State = "running" if (folder / "alive").exists() else "stopped"
        if not record.ready:
            state = "broken"
        return Cluster(record.name, self.name, state, record.server, record.student, folder, record.created)

    def delete(self, name: str) -> None:
        with store.lock(name):
            store.remove(name)

    def list(self) -> list[Cluster]:
        return [self._seen(r) for r in store.records(self.name)]

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        store.ready(name)
        return store.kubeconfig_file(name, identity)

    def bring(self, name: str, references: Iterable[str]) -> tuple[str, ...]:
        store.ready(name)
        self.brought = list(references)
        return tuple(r for r in self.brought if r in self.lacks)

    def stop(self, name: str) -> None:
        with store.lock(name):
            store.ready(name)
            (store.folder(name) / "alive").unlink(missing_ok=True)

    def start(self, name: str) -> None:
        with store.lock(name):
            store.ready(name)
            (store.folder(name) / "alive").touch()

    def snapshot(self, name: str, file: Path) -> None:
        store.ready(name)
        if not (store.folder(name) / "alive").exists():
            raise PermanentError(f"cluster {name} does not run; start it first")
        if not file.parent.is_dir():
            raise PermanentError(f"the snapshot {file} cannot be written: {file.parent} is no folder")
        store.write(file, f"snapshot:{(store.folder(name) / 'state').read_text()}:whole")

    def restore(self, name: str, file: Path) -> None:
        store.ready(name)
        if not file.is_file():
            raise PermanentError(f"there is no snapshot {file}")
        text = file.read_text()
        if not (text.startswith("snapshot:") and text.endswith(":whole")):
            raise PermanentError(f"{file} is not a whole snapshot of a cluster; cluster {name} is as it was")
        store.write(store.folder(name) / "state", text.removeprefix("snapshot:").removesuffix(":whole"))
        self.start(name)


class SlowProvider(FakeProvider):
    """Takes `seconds` to make a cluster."""

    name = "slow"
    seconds = 3.0

    def _work(self, spec: ClusterSpec) -> None:
        time.sleep(self.seconds)


class BrokenProvider(FakeProvider):
    """Fails half-way, for good or only for now."""

    name = "broken"
    fault: ClusterError = PermanentError("the control plane ended: the disk is full")

    def _work(self, spec: ClusterSpec) -> None:
        raise self.fault


class BusyProvider(BrokenProvider):
    """Fails in a way that is worth another try."""

    name = "busy"
    fault = TransientError("a port is taken; try again")
