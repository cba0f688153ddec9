"""The certificates of a new kind cluster, and its two kubeconfigs. The authority is ours: kubeadm takes what lies in
its place."""

from __future__ import annotations

from pathlib import Path

from clusters import store
from clusters.identity import kubeconfig
from clusters.identity.certificates import Authority
from clusters.identity.files import STUDENTS
from clusters.kind.layout import Layout


def write_identities(layout: Layout, server: str, student: str, provider: str, capabilities: frozenset[str]) -> None:
    """Write the authority, the platform's and the student's certificates, and the kubeconfig of either."""
    layout.pki.mkdir(parents=True, mode=0o700)
    name = f"seatrial-{layout.name}"
    authority = Authority(name)
    platform = authority.issue("seatrial-admin", ("system:masters",))
    person = authority.issue(student, (STUDENTS,))
    for stem, certificate in (("ca", authority.own), ("admin", platform), ("student", person)):
        store.write(layout.pki / f"{stem}.crt", certificate.certificate)
        store.write(layout.pki / f"{stem}.key", certificate.key)
    signed_by = authority.own.certificate
    for identity, user, certificate in (("admin", "seatrial-admin", platform), ("student", student, person)):
        log = str(layout.audit_log) if identity == "admin" else None
        entry = kubeconfig.Entry(name, server, signed_by, kubeconfig.extension(provider, capabilities, student, log))
        file: Path = layout.folder / f"{identity}.yaml"
        store.write(file, kubeconfig.render(entry, user, certificate))
    # Made here, so that it is ours although root writes it in the container, and stays so when it is rotated.
    layout.audit_log.parent.mkdir(mode=0o700)
    store.write(layout.audit_log, "")
