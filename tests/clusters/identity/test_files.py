"""Certificates and kubeconfigs as files, without a cluster."""

from __future__ import annotations

import base64

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from clusters.identity.certificates import Authority
from clusters.identity.kubeconfig import Entry, extension, render


def test_an_authority_issues_for_a_user_and_a_group_and_nothing_else() -> None:
    authority = Authority("ca")
    issued = x509.load_pem_x509_certificate(authority.issue("ada", ("students",)).certificate.encode())
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.own.certificate.encode()))
    assert [a.value for a in issued.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["ada"]
    assert [a.value for a in issued.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["students"]
    assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert issued.serial_number > 0
    usages = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [u.dotted_string for u in usages] == ["1.3.6.1.5.5.7.3.2"]


def test_a_servers_certificate_names_what_it_serves() -> None:
    issued = Authority("ca").issue("x", (), serves=("localhost", "127.0.0.1"))
    names = x509.load_pem_x509_certificate(issued.certificate.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_kubeconfig_has_everything_in_it_and_the_extension() -> None:
    authority = Authority("ca")
    known = extension("kwok", frozenset({"metrics", "audit"}), "ada", "/log", {"kube-scheduler": "127.0.0.1:2"})
    text = render(Entry("c", "https://127.0.0.1:1", authority.own.certificate, known), "ada", authority.own)
    config = yaml.safe_load(text)
    assert config["current-context"] == "c"
    entry = config["clusters"][0]["cluster"]
    assert base64.b64decode(entry["certificate-authority-data"]).decode() == authority.own.certificate
    assert entry["extensions"] == [
        {
            "name": "seatrial",
            "extension": {
                "provider": "kwok",
                "capabilities": ["audit", "metrics"],
                "student": "ada",
                "components": {"kube-scheduler": "127.0.0.1:2"},
                "auditLog": "/log",
            },
        }
    ]
