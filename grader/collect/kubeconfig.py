"""Read a kubeconfig: where the API server is, how to know it, and as whom to call it.

`kubernetes.config` reads these files as well, but importing it costs 0.3 s, more than all the rest of a grading run.
So the common ways in (client certificate, token, token file, basic) are read here, and only a user with a plug-in
(`exec`, `auth-provider`) is left to `kubernetes.config`.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

import yaml

from grader.model import ClusterUnreachable

# The name of the extension of a cluster entry in which a provider says what it knows about the cluster.
EXTENSION = "seatrial"
DEFAULT = Path("~/.kube/config")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The current context of a kubeconfig, ready to connect with.

    `extension` is what the provider says about the cluster: {provider, capabilities, student, auditLog}, or empty.
    `certificate` is the client's certificate (PEM), kept only to be able to say that it has expired.
    """

    source: str
    server: SplitResult
    tls: ssl.SSLContext | None
    headers: Mapping[str, str]
    server_name: str | None = None
    proxy: str | None = None
    extension: Mapping[str, Any] = field(default_factory=dict)
    certificate: bytes = b""

    @property
    def url(self) -> str:
        """The API server's address as it stands in the file."""
        return self.server.geturl()


def read(source: str | Path | None) -> Kubeconfig:
    """Read a file, or several joined by ":" as $KUBECONFIG may name them (the first to name a thing wins).

    Raises ClusterUnreachable in one sentence for whatever keeps the file from being used.
    """
    text = str(source) if source else str(DEFAULT)
    paths = [Path(part).expanduser() for part in text.split(os.pathsep) if part]
    present = [path for path in paths if path.exists()] or paths[:1]
    if not present:
        raise ClusterUnreachable("No kubeconfig was given; pass one with --kubeconfig FILE.")
    merged = _merge(present)
    context = merged.one("contexts", "context", merged.current, "its current context is")
    cluster = merged.one("clusters", "cluster", context.get("cluster"), "its current context uses the cluster")
    user = (
        merged.one("users", "user", context["user"], "its current context uses the user") if context.get("user") else {}
    )
    return _assemble(merged, cluster, user)


@dataclass(frozen=True, slots=True)
class _Merged:
    """The files as one. Paths inside an entry have been made absolute by the file that the entry stands in."""

    source: str
    current: Any
    sections: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def fail(self, what: str) -> NoReturn:
        raise ClusterUnreachable(
            f"The kubeconfig {self.source} cannot be used: {what}; write it anew, for example with "
            "`seatrial cluster kubeconfig NAME`."
        )

    def one(self, section: str, inner: str, name: Any, how: str) -> Mapping[str, Any]:
        if not name:
            self.fail("it has no current-context" if section == "contexts" else f"{how} none")
        entry = self.sections[section].get(str(name))
        if entry is None:
            self.fail(f'{how} "{name}", which it does not have')
        value = entry.get(inner)
        if not isinstance(value, dict):
            self.fail(f'"{name}" in {section} has no {inner}')
        return value


_SECTIONS = ("clusters", "contexts", "users")
# Settings that name a file, relative to the kubeconfig's own folder.
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _merge(paths: Sequence[Path]) -> _Merged:
    source = os.pathsep.join(map(str, paths))
    sections: dict[str, dict[str, dict[str, Any]]] = {section: {} for section in _SECTIONS}
    current: Any = None
    for path in paths:
        document = _document(path)
        current = current or document.get("current-context")
        for section, known in sections.items():
            for entry in document.get(section) or ():
                if not isinstance(entry, dict) or "name" not in entry:
                    raise ClusterUnreachable(
                        f"The kubeconfig {path} cannot be used: one of its {section} has no name; write it anew, for "
                        "example with `seatrial cluster kubeconfig NAME`."
                    )
                _absolute(entry, path.parent)
                known.setdefault(str(entry["name"]), entry)
    return _Merged(source, current, sections)


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ClusterUnreachable(
            f"There is no kubeconfig at {path}; name one with --kubeconfig FILE, "
            "or make a cluster with `seatrial cluster up NAME`."
        ) from None
    except OSError as fault:
        raise ClusterUnreachable(
            f"The kubeconfig {path} cannot be read: {fault.strerror}; name a file that can."
        ) from None
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError as fault:
        place = getattr(fault, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        raise ClusterUnreachable(f"The kubeconfig {path} is not YAML{where}; write it anew.") from None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(s) or [], list) for s in ("clusters", "contexts", "users")
    ):
        raise ClusterUnreachable(
            f"The file {path} is not a kubeconfig; it needs clusters, contexts, users and a current-context."
        )
    return document


def _absolute(entry: Mapping[str, Any], folder: Path) -> None:
    for inner in ("cluster", "user"):
        value = entry.get(inner)
        if isinstance(value, dict):
            for key in _PATHS:
                if isinstance(value.get(key), str) and value[key]:
                    value[key] = str(folder.absolute() / value[key])


def _assemble(merged: _Merged, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Kubeconfig:
    server = urlsplit(str(cluster.get("server") or ""))
    try:
        usable = server.scheme in ("http", "https") and bool(server.hostname) and server.port != 0
    except ValueError:  # a port that is no port
        usable = False
    if not usable:
        merged.fail(f'its server is "{cluster.get("server", "")}", which is no address of an API server')
    if urlsplit(str(cluster.get("proxy-url") or "http:")).scheme != "http":
        merged.fail(f'its proxy-url is "{cluster["proxy-url"]}", and only proxies at http:// are spoken to')
    if "exec" in user or "auth-provider" in user:
        user = _plugin(merged)
    tls, certificate = None, b""
    if server.scheme == "https":
        certificate = _bytes(merged, user, "client-certificate")
        tls = _tls(merged, cluster, certificate, _bytes(merged, user, "client-key"))
    return Kubeconfig(
        source=merged.source,
        server=server,
        tls=tls,
        headers=_authorization(merged, user),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        extension=_extension(cluster),
        certificate=certificate,
    )


def _bytes(merged: _Merged, entry: Mapping[str, Any], key: str) -> bytes:
    """What stands in `KEY-data` (base64) or in the file that `KEY` names; empty where there is neither."""
    try:
        if entry.get(f"{key}-data"):
            return base64.b64decode(str(entry[f"{key}-data"]), validate=True)
        return Path(entry[key]).read_bytes() if entry.get(key) else b""
    except (binascii.Error, ValueError):
        merged.fail(f"{key}-data is not base64")
    except OSError as fault:
        merged.fail(f"{key} is {entry[key]}, which cannot be read ({fault.strerror})")


def _tls(merged: _Merged, cluster: Mapping[str, Any], certificate: bytes, key: bytes) -> ssl.SSLContext:
    authority = _bytes(merged, cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") or None)
    except (ssl.SSLError, ValueError):
        merged.fail("its certificate-authority is not a PEM certificate")
    # Since 3.13 Python asks for key identifiers that the certificates of many clusters lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        # OpenSSL takes a client's certificate from a file only: one in memory, so that the key is never on a disk.
        handle = os.memfd_create("client-certificate")
        try:
            os.write(handle, certificate + b"\n" + key)
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=b"")
        except (ssl.SSLError, ValueError, OSError):
            merged.fail("its client-certificate and client-key are not a PEM certificate and the key that goes with it")
        finally:
            os.close(handle)
    return context


def _authorization(merged: _Merged, user: Mapping[str, Any]) -> dict[str, str]:
    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = _bytes(merged, {"token": user["tokenFile"]}, "token").decode("utf-8", "replace").strip()
    if not token and user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if not token:
        return {}
    if not str(token).isprintable() or not str(token).isascii():
        merged.fail("its token holds characters that no token has")
    return {"Authorization": f"Bearer {token}"}


def _extension(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in cluster.get("extensions") or ():
        if isinstance(one, dict) and one.get("name") == EXTENSION and isinstance(one.get("extension"), dict):
            return dict(one["extension"])
    return {}


class _Heard(logging.Handler):
    """What `kubernetes.config` has to say: it logs the fault of a plug-in instead of raising it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.extend(record.getMessage().strip().splitlines())


def _plugin(merged: _Merged) -> Mapping[str, Any]:
    """What a credential plug-in gives, in the shape of a user entry."""
    # 0.3 s, and only here.
    from kubernetes.client import Configuration
    from kubernetes.config import load_kube_config

    settings, heard = Configuration(), _Heard()
    logging.getLogger().addHandler(heard)
    try:
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=merged.source, client_configuration=settings, persist_config=False
        )
    except Exception as fault:  # noqa: BLE001 - whatever a foreign plug-in raises is told in one sentence
        heard.lines.append(str(fault).strip() or type(fault).__name__)
    finally:
        logging.getLogger().removeHandler(heard)
    token = str((settings.api_key or {}).get("BearerToken") or "").removeprefix("Bearer ")
    if not token and not settings.cert_file:
        said = heard.lines[-1] if heard.lines else "it gave neither a token nor a certificate"
        raise ClusterUnreachable(
            f"The kubeconfig {merged.source} gets its credentials from a plug-in, which failed ({said}); "
            "see what `kubectl version` says with it."
        )
    return {"client-certificate": settings.cert_file, "client-key": settings.key_file, "token": token}
