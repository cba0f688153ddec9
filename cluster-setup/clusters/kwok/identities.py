"""The certificates and kubeconfig files of a new KWOK cluster."""

from __future__ import annotations

from collections.abc import Mapping

from clusters import store
from clusters.identity import kubeconfig
from clusters.identity.certificates import Authority
from clusters.identity.files import STUDENTS
from clusters.kwok.layout import Layout

# What the API server and the others are called, for their one certificate.
SERVES = (
    "localhost",
    "127.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def write_identities(
    layout: Layout,
    server: str,
    student: str,
    provider: str,
    capabilities: frozenset[str],
    *,
    components: Mapping[str, str],
) -> None:
    """Write the authority, the platform's and the student's certificates, and the kubeconfig of either."""
    layout.pki.mkdir(parents=True, mode=0o700)
    authority = Authority(f"seatrial-{layout.name}")
    platform = authority.issue("seatrial-admin", ("system:masters",), serves=SERVES)
    person = authority.issue(student, (STUDENTS,))
    for stem, certificate in (("ca", authority.own), ("admin", platform), ("student", person)):
        store.write(layout.pki / f"{stem}.crt", certificate.certificate)
        store.write(layout.pki / f"{stem}.key", certificate.key)
    cluster, signed_by = f"seatrial-{layout.name}", authority.own.certificate
    log = str(layout.audit_log)
    known = kubeconfig.extension(provider, capabilities, student, log, components)
    own = kubeconfig.Entry(cluster, server, signed_by, known)
    store.write(store.kubeconfig_file(layout.name, "admin"), kubeconfig.render(own, "seatrial-admin", platform))
    known = kubeconfig.extension(provider, capabilities, student, None, components)
    theirs = kubeconfig.Entry(cluster, server, signed_by, known)
    store.write(store.kubeconfig_file(layout.name, "student"), kubeconfig.render(theirs, student, person))
