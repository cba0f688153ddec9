"""The provider `kwok`: create, stop, start, snapshot, restore and delete clusters by driving kwokctl."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from clusters import store
from clusters.errors import PermanentError
from clusters.exec import run
from clusters.identity import kubeconfig
from clusters.identity.certificates import Authority
from clusters.kubectl import kubectl
from clusters.kwok.config import LOOPBACK, PORTS, kwokctl_configuration
from clusters.kwok.nodes import node
from clusters.kwok.ports import choose
from clusters.kwok.stages import stages
from clusters.model import Cluster, ClusterSpec, Identity
from clusters.tools import program

MANIFESTS = Path(__file__).parent / "manifests"
STUDENTS = "seatrial:students"
# What the API server and the rest are called, for their one certificate.
SERVES = ("localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
          "kubernetes.default.svc.cluster.local")  # fmt: skip


def _kwokctl(name: str, *args: str | Path, timeout: float = 120.0) -> None:
    run(
        [program("kwokctl"), "--name", name, *args],
        timeout=timeout,
        env={"KWOK_WORKDIR": str(store.folder(name) / "kwok")},
    )


def _home(name: str) -> Path:
    return store.folder(name) / "kwok" / "clusters" / name


class KwokProvider:
    """Clusters of the embedded kind."""

    name = "kwok"
    capabilities = frozenset({"metrics", "audit"})

    def create(self, spec: ClusterSpec, *, keep_on_failure: bool = False) -> Cluster:
        """Make a cluster; see the protocol."""
        with store.lock(spec.name):
            record = store.load(spec.name)
            if record is not None and record.ready:
                raise PermanentError(
                    f"cluster {spec.name} exists already; `seatrial cluster down {spec.name}` removes it"
                )
            self._remove(spec.name)
            try:
                return self._make(spec)
            except BaseException:
                if not keep_on_failure:
                    self._remove(spec.name)
                raise

    def _make(self, spec: ClusterSpec) -> Cluster:
        folder = store.make(spec.name)
        ports = choose(PORTS)
        server = f"https://{LOOPBACK}:{ports['kubeApiserverPort']}"
        record = store.Record(spec.name, self.name, spec.student, server, store.now(), ready=False)
        store.save(record)
        config = kwokctl_configuration(ports, MANIFESTS / "audit-policy.yaml", MANIFESTS / "metrics-server")
        store.write(folder / "kwokctl.yaml", json.dumps(config) + "\n---\n" + stages())
        self._identities(spec, server)
        _kwokctl(spec.name, "create", "cluster", "--config", folder / "kwokctl.yaml", "--kubeconfig", "")
        objects = [node(n + 1) for n in range(spec.nodes)]
        rights = [p.read_text() for p in sorted((Path(kubeconfig.__file__).parent / "manifests").glob("*.yaml"))]
        text = "\n---\n".join(
            [(MANIFESTS / "cluster.yaml").read_text(), *rights, *(yaml.safe_dump(o) for o in objects)]
        )
        admin = store.kubeconfig_file(spec.name, "admin")
        kubectl(admin, "apply", "--server-side", "-f", "-", stdin=text)
        kubectl(admin, "wait", "--for=create", "serviceaccount/default", "-n", "default", "--timeout=30s")
        done = store.Record(spec.name, self.name, spec.student, server, record.created, ready=True)
        store.save(done)
        return self._cluster(done)

    def _identities(self, spec: ClusterSpec, server: str) -> None:
        home = _home(spec.name)
        pki = home / "pki"
        pki.mkdir(parents=True, mode=0o700)
        authority = Authority(f"seatrial-{spec.name}")
        admin = authority.issue("seatrial-admin", ("system:masters",), serves=SERVES)
        student = authority.issue(spec.student, (STUDENTS,))
        for stem, cert in (("ca", authority.own), ("admin", admin)):
            store.write(pki / f"{stem}.crt", cert.certificate)
            store.write(pki / f"{stem}.key", cert.key)
        log = str(home / "logs" / "audit.log")
        for identity, cert, user, audit in (("admin", admin, "admin", log), ("student", student, spec.student, None)):
            known = kubeconfig.extension(self.name, self.capabilities, spec.student, audit)
            text = kubeconfig.render(f"seatrial-{spec.name}", server, authority.own.certificate, user, cert, known)
            store.write(store.folder(spec.name) / f"{identity}.yaml", text)

    def _cluster(self, record: store.Record) -> Cluster:
        state = "running" if record.ready else "broken"
        return Cluster(
            record.name, self.name, state, record.server, record.student, store.folder(record.name), record.created
        )

    def _remove(self, name: str) -> None:
        if _home(name).exists():
            _kwokctl(name, "delete", "cluster")
        store.remove(name)

    def delete(self, name: str) -> None:
        """Remove a cluster; see the protocol."""
        with store.lock(name):
            self._remove(name)

    def list(self) -> list[Cluster]:
        """Every KWOK cluster."""
        records = [store.load(n) for n in store.names()]
        return [self._cluster(r) for r in records if r is not None and r.provider == self.name]

    def kubeconfig(self, name: str, identity: Identity) -> Path:
        """The kubeconfig file of an identity."""
        path = store.kubeconfig_file(name, identity)
        if not path.exists():
            raise PermanentError(f"there is no cluster {name!r}")
        return path

    def stop(self, name: str) -> None:
        """End its processes and keep its state."""
        _kwokctl(name, "stop", "cluster")

    def start(self, name: str) -> None:
        """Run a stopped cluster again."""
        _kwokctl(name, "start", "cluster", "--wait", "60s")

    def snapshot(self, name: str, file: Path) -> None:
        """Write the cluster's whole state into a file."""
        _kwokctl(name, "snapshot", "save", "--format", "etcd", "--path", file)

    def restore(self, name: str, file: Path) -> None:
        """Put the cluster into the state of a snapshot."""
        _kwokctl(name, "snapshot", "restore", "--format", "etcd", "--path", file)
