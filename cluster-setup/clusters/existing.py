"""The provider `existing`: a cluster that somebody else runs, known by the kubeconfig that was handed in.

It is looked at and never changed: what cannot be done through a kubeconfig, this provider cannot do.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import yaml

from clusters import store
from clusters.errors import PermanentError
from clusters.exec import CommandError
from clusters.identity.kubeconfig import extension
from clusters.kubectl import kubectl
from clusters.model import Cluster, ClusterSpec, Identity, State

# How long the API server may take to answer one question, in seconds.
ANSWERS_WITHIN = 10
# How long a look at its port may take, in seconds.
CONNECTS_WITHIN = 1.0
# What kubectl says of an API server that is not there.
NOWHERE = (
    "was refused",
    "connection refused",
    "no such host",
    "timeout",
    "deadline exceeded",
    "no route to host",
    "unable to connect",
)
# What it says of an identity that is not let in.
REFUSED = ("unauthorized", "you must be logged in", "has expired", "certificate required", "invalid bearer token")
KWOK_NODE = "kwok.x-k8s.io/node"


class ExistingProvider:
    """Clusters of other people. A cluster's capabilities are found out when it is registered."""

    name = "existing"
    capabilities: frozenset[str] = frozenset()
    extras: frozenset[str] = frozenset()
    default_nodes = 0  # It makes none.

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        """Register a cluster; see the protocol. The kubeconfig must work, and is copied with its certificates."""
        spec.check(self)
        if spec.kubeconfig is None:
            raise PermanentError("the provider existing needs the kubeconfig of a cluster: add --kubeconfig FILE")
        with store.lock(spec.name):
            store.refuse_existing(spec.name, self.name)
            files = {"admin": spec.kubeconfig, "student": spec.student_kubeconfig or spec.kubeconfig}
            seen = {identity: _examined(file) for identity, file in files.items()}
            known = extension(self.name, _capabilities(files["admin"]), spec.student)
            server = str(seen["admin"]["clusters"][0]["cluster"]["server"])
            store.remove(spec.name)
            folder = store.make(spec.name)
            try:
                for identity, config in seen.items():
                    config["clusters"][0]["cluster"]["extensions"] = [known]
                    store.write(folder / f"{identity}.yaml", yaml.safe_dump(config, sort_keys=False))
                record = store.Record(spec.name, self.name, spec.student, server, store.now(), ready=True)
                store.save(record)
            except BaseException:
                store.remove(spec.name)
                raise
        return self._seen(record)

    def delete(self, name: str) -> None:
        """Forget a cluster; see the protocol. The cluster itself stays as it is."""
        with store.lock(name):
            store.remove(name)

    def list(self) -> list[Cluster]:
        """Every registered cluster; see the protocol."""
        return [self._seen(record) for record in store.records(self.name)]

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        """The kubeconfig file of an identity; see the protocol."""
        store.ready(name)
        return store.kubeconfig_file(name, identity)

    def bring(self, name: str, references: Iterable[str]) -> tuple[str, ...]:
        """Nothing is known to be missing: whoever runs the cluster sees to its images."""
        store.ready(name)
        return ()

    def stop(self, name: str) -> None:
        """Cannot be done."""
        self._cannot(name, "stop")

    def start(self, name: str) -> None:
        """Cannot be done."""
        self._cannot(name, "start")

    def snapshot(self, name: str, file: Path) -> None:
        """Cannot be done."""
        self._cannot(name, "take a snapshot of")

    def restore(self, name: str, file: Path) -> None:
        """Cannot be done."""
        self._cannot(name, "restore")

    def _cannot(self, name: str, what: str) -> NoReturn:
        store.ready(name)
        raise PermanentError(f"cluster {name} is somebody else's: seatrial can grade it, but cannot {what} it")

    def _seen(self, record: store.Record) -> Cluster:
        folder = store.folder(record.name)
        return Cluster(
            record.name, self.name, _state(record.server), record.server, record.student, folder, record.created
        )


def _state(server: str) -> State:
    """Whether something listens where the API server should."""
    address = urlsplit(server)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), CONNECTS_WITHIN):
            return "running"
    except OSError:
        return "broken"


def _examined(file: Path) -> dict[str, Any]:
    """The kubeconfig's current context by itself, all embedded. Raises PermanentError for one that does not work."""
    if not file.is_file():
        raise PermanentError(f"there is no kubeconfig {file}; name another with --kubeconfig FILE")
    try:
        text = kubectl(file, "config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout
        config: dict[str, Any] = json.loads(text)
        server = config["clusters"][0]["cluster"]["server"]
    except (CommandError, json.JSONDecodeError, KeyError, IndexError, TypeError) as fault:
        raise PermanentError(
            f"{file} is no kubeconfig with a current context and a cluster; name another with --kubeconfig FILE"
        ) from fault
    try:
        kubectl(file, "get", "--raw", "/version", f"--request-timeout={ANSWERS_WITHIN}s")
        kubectl(file, "auth", "whoami", f"--request-timeout={ANSWERS_WITHIN}s")
    except CommandError as fault:
        raise PermanentError(_reason(file, str(server), fault)) from fault
    return config


def _reason(file: Path, server: str, fault: CommandError) -> str:
    said = fault.output.lower()
    if any(words in said for words in REFUSED):
        return f"the API server {server} does not let in the identity of {file}; it may have expired, ask for a new one"
    if fault.code is None or any(words in said for words in NOWHERE):
        return f"no API server answers at {server}, where {file} points; is the cluster up, and this the right file?"
    return f"{file} does not work with {server}: {fault.last_line}"


def _capabilities(file: Path) -> frozenset[str]:
    """What the cluster shows, as far as can be asked: real Pods unless every node is KWOK's; metrics where served."""
    found = set()
    try:
        nodes = json.loads(kubectl(file, "get", "nodes", "-o", "json").stdout)["items"]
    except CommandError:
        nodes = []  # Not everybody may list nodes; a cluster in which one may not is no toy.
    if not nodes or not all(KWOK_NODE in (n["metadata"].get("annotations") or {}) for n in nodes):
        found.add("pods")
    try:
        kubectl(file, "get", "--raw", "/apis/metrics.k8s.io/v1beta1")
        found.add("metrics")
    except CommandError:
        pass  # Not served: a cluster without metrics-server.
    return frozenset(found)
