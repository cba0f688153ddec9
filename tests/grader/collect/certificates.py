"""A certificate authority and certificates, for tests that need an expired or a foreign one."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "test-ca") -> None:
        self._key: Any = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key, NOW + DAY).add_extension(x509.BasicConstraints(True, None), True)
        self.certificate = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def become(self, certificate: bytes, key: bytes) -> None:
        """Sign as another authority, whose PEM files these are."""
        self.certificate = certificate
        self._name = x509.load_pem_x509_certificate(certificate).subject
        self._key = serialization.load_pem_private_key(key, None)

    def sign(
        self,
        name: str,
        *,
        until: datetime.datetime = NOW + DAY,
        address: str = "127.0.0.1",
        client_of: str | None = None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        about = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if client_of is not None:
            about.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, client_of))
        subject = x509.Name(about)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(name)])
        made = self._builder(subject, key, until).add_extension(names, False).sign(self._key, hashes.SHA256())
        return Pair(
            made.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(until)
        )


def expired_copy(certificate: Path, key: Path, *, until: datetime.datetime) -> dict[str, str]:
    """A user entry with a certificate of a real authority, for an administrator, that ended at `until`."""
    authority = Authority()
    authority.become(certificate.read_bytes(), key.read_bytes())
    pair = authority.sign("admin", until=until, client_of="system:masters")
    return {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
