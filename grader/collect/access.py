"""Read-only access to one API server, over plain HTTP.

What can go wrong with one request:

    ApiFault            the API server's answer is no use (403, 404, 410, …); `status` says which
    └── NoAnswer        there was none: refused, reset, too slow, or 5xx and 429 until patience ran out

Both become the `error` of a list. Only what makes the whole cluster useless becomes ClusterUnreachable.
"""

from __future__ import annotations

import datetime
import http.client
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from grader.collect.kubeconfig import Kubeconfig, read
from grader.model import ClusterUnreachable, GraderError

# Seconds to wait for a connection, for the next bytes of an answer, and for the whole of it.
CONNECT, READ, WHOLE = 5.0, 20.0, 60.0
# After so many seconds a request is not tried again: a server that says nothing is given up after two attempts.
PATIENCE = 30.0
# Pauses before a request is tried again, in seconds. A server may ask for longer ones (Retry-After), up to the last.
PAUSES = (0.1, 0.3, 0.9)
LONGEST_PAUSE = 5.0
TRANSIENT = frozenset({429, 500, 502, 503, 504})
_AGENT = "seatrial-grader"


class ApiFault(GraderError):
    """An answer that is of no use."""

    def __init__(self, message: str, status: int = 0) -> None:
        """`status` is the answer's HTTP status, 0 where there was no answer."""
        super().__init__(message)
        self.status = status


class NoAnswer(ApiFault):
    """No answer, however often it was asked for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """How a kind is called in a URL, and whether its objects live in namespaces."""

    plural: str
    namespaced: bool


class Access:
    """One identity's way to one API server: one connection, kept open. Not for two threads at once; `another()` is."""

    def __init__(self, kubeconfig: Kubeconfig, *, kubectl: Path | None = None) -> None:
        """`kubectl` is a program that the scripts of a lab may use; looked for on PATH where it is None."""
        self.kubeconfig = kubeconfig
        self.kubectl = kubectl
        # Kinds that discovery has found so far. What it has not found is asked for again: a CRD may come any time.
        self.kinds: dict[tuple[str, str], Resource] = {}
        self._connection: http.client.HTTPConnection | None = None
        # Set once a request failed for good: the next are tried only once, so that a failing server costs seconds.
        self._given_up = False
        # Set once nothing answered at all: the next requests of this look fail at once, with the same sentence.
        self._gone: NoAnswer | None = None

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, *, kubectl: Path | None = None) -> Access:
        """Read a kubeconfig (default ~/.kube/config). Raises ClusterUnreachable where it cannot be used."""
        return cls(read(path), kubectl=kubectl)

    def another(self) -> Access:
        """The same identity with a connection of its own."""
        return Access(self.kubeconfig, kubectl=self.kubectl)

    def __del__(self) -> None:
        """A connection that nobody closed is closed with its Access."""
        self.close()

    def close(self) -> None:
        """Close the connection. The next request opens one again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def afresh(self) -> None:
        """A new look: be patient again with a server that did not answer in the last one."""
        self._given_up, self._gone = False, None

    def unreachable(self, fault: ApiFault) -> ClusterUnreachable:
        """The sentence for a server without which nothing can be graded."""
        return ClusterUnreachable(
            f"No cluster to grade: {fault}; start it (`seatrial cluster list` shows yours), "
            f"or check `server` in {self.kubeconfig.source}."
        )

    def get(self, path: str, /, **query: str | int) -> dict[str, Any]:
        """GET a path and give the JSON object of the answer.

        Connections that fail, 429 and 5xx are tried again a few times. Raises ApiFault, and ClusterUnreachable where
        the server refuses the identity altogether or is not to be trusted.
        """
        if self._gone is not None:
            raise self._gone
        target = f"{path}?{urlencode(query)}" if query else path
        pauses, until = iter(() if self._given_up else PAUSES), time.monotonic() + PATIENCE
        while True:
            asked, answered = 0.0, True
            try:
                status, headers, body = self._once(target)
                if status not in TRANSIENT:
                    return self._object(target, status, body)
                fault = NoAnswer(f"the API server answers {status}{_said(body)} to GET {path}", status)
                asked = _retry_after(headers.get("Retry-After"))
            except ssl.SSLCertVerificationError as wrong:
                raise ClusterUnreachable(self._untrusted(wrong)) from None
            except (OSError, http.client.HTTPException) as wrong:
                fault = NoAnswer(f"the API server at {self.kubeconfig.url} does not answer ({_reason(wrong)})")
                answered = False
            pause = next(pauses, None)
            if pause is None or time.monotonic() > until:
                self._given_up, self._gone = True, None if answered else fault
                raise fault from None
            time.sleep(min(max(pause, asked), LONGEST_PAUSE))

    def _once(self, target: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        until = time.monotonic() + WHOLE
        try:
            with self.answer(target) as response:
                chunks = []
                while chunk := response.read(1 << 20):
                    chunks.append(chunk)
                    if time.monotonic() > until:
                        raise TimeoutError(f"the answer was not complete after {WHOLE:g} s")
                if response.length:  # read(n) takes a connection that breaks off for the end of the answer
                    raise http.client.IncompleteRead(b"", response.length)
                return response.status, response.headers, b"".join(chunks)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def answer(
        self, target: str, extra: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> Iterator[http.client.HTTPResponse]:
        """Send one GET or HEAD and hand out its answer as it comes. Raises OSError and HTTPException as they happen."""
        if self._connection is None:
            self._connection = connect(self.kubeconfig)
        headers = {"Accept": "application/json", "User-Agent": _AGENT, **(extra or {}), **self.kubeconfig.headers}
        self._connection.request(method, self.kubeconfig.server.path.rstrip("/") + target, headers=headers)
        response = self._connection.getresponse()
        try:
            yield response
        finally:
            response.close()

    def patience(self, seconds: float) -> None:
        """Wait no longer than so many seconds for the next bytes of an answer. Raises OSError."""
        if self._connection is None:
            self._connection = connect(self.kubeconfig)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def _object(self, target: str, status: int, body: bytes) -> dict[str, Any]:
        path = target.partition("?")[0]
        if status == 401:
            raise ClusterUnreachable(self._refused(body))
        if status != 200:
            raise ApiFault(f"the API server answers {status}{_said(body)} to GET {path}", status)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise ClusterUnreachable(self.stranger)
        return value

    @property
    def stranger(self) -> str:
        """The sentence for a server that is none of Kubernetes."""
        return (
            f"What answers at {self.kubeconfig.url} is no Kubernetes API server; "
            f"check `server` in {self.kubeconfig.source}."
        )

    def _refused(self, body: bytes) -> str:
        ended = _expired(self.kubeconfig.certificate)
        why = f"its client certificate expired on {ended}" if ended else f"401{_said(body) or ' Unauthorized'}"
        return (
            f"The API server at {self.kubeconfig.url} refuses the identity in {self.kubeconfig.source}: {why}; "
            "get a fresh kubeconfig, for example with `seatrial cluster kubeconfig NAME`."
        )

    def _untrusted(self, wrong: ssl.SSLCertVerificationError) -> str:
        return (
            f"The API server at {self.kubeconfig.url} is not the one that {self.kubeconfig.source} trusts "
            f"({wrong.verify_message}); get a fresh kubeconfig of the cluster."
        )


class _TlsConnection(http.client.HTTPSConnection):
    """HTTPS that can expect another name in the certificate than the one it connects to (`tls-server-name`)."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext, server_name: str | None) -> None:
        super().__init__(host, port, timeout=CONNECT, context=tls)
        self._tls, self._server_name = tls, server_name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name or self._certificate_host())

    def _certificate_host(self) -> str:
        tunnel: str | None = getattr(self, "_tunnel_host", None)
        return tunnel or self.host


def connect(kubeconfig: Kubeconfig) -> http.client.HTTPConnection:
    """A connection of one's own, for one who waits on many at once. Raises OSError."""
    server, proxy = kubeconfig.server, urlsplit(kubeconfig.proxy or "")
    host, port = server.hostname or "", server.port or (443 if kubeconfig.tls else 80)
    at, at_port = (proxy.hostname, proxy.port or 80) if proxy.hostname else (host, port)
    if kubeconfig.tls is not None:
        connection: http.client.HTTPConnection = _TlsConnection(at, at_port, kubeconfig.tls, kubeconfig.server_name)
    else:
        connection = http.client.HTTPConnection(at, at_port, timeout=CONNECT)
    if proxy.hostname:
        connection.set_tunnel(host, port)
    try:
        connection.connect()
    except BaseException:
        connection.close()
        raise
    connection.sock.settimeout(READ)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _retry_after(value: str | None) -> float:
    """Seconds that a server asks to be left alone. It may also be a date, which is not worth its reading here."""
    return float(value) if value and value.isdecimal() else 0.0


def _said(body: bytes) -> str:
    """The message of a Status object, in brackets."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    message = status.get("message") if isinstance(status, dict) else None
    return f" ({message})" if isinstance(message, str) and message else ""


def _reason(wrong: OSError | http.client.HTTPException) -> str:
    if isinstance(wrong, TimeoutError):
        return str(wrong) or "timed out"
    if isinstance(wrong, http.client.IncompleteRead):
        return "its answer broke off"
    if isinstance(wrong, ssl.SSLError):
        return f"TLS: {wrong.reason or wrong}"
    if isinstance(wrong, OSError) and wrong.strerror:
        return wrong.strerror
    return str(wrong) or type(wrong).__name__


# A certificate's validity in DER: a SEQUENCE of two times, each UTCTime (two digits of the year) or GeneralizedTime.
_VALIDITY = re.compile(rb"\x30[\x1e\x20\x22](?:\x17\x0d|\x18\x0f)\d{12,14}Z(\x17\x0d|\x18\x0f)(\d{12,14})Z", re.DOTALL)


def _expired(pem: bytes) -> str | None:
    """The day on which a client certificate expired; None where it has not, or cannot be told."""
    try:
        found = _VALIDITY.search(
            ssl.PEM_cert_to_DER_cert(pem.decode("ascii").partition("-----END")[0] + "-----END CERTIFICATE-----")
        )
    except ValueError:
        return None
    if found is None:
        return None
    digits = found[2].decode()
    ends = datetime.datetime.strptime(digits if len(digits) == 14 else f"20{digits}", "%Y%m%d%H%M%S").replace(
        tzinfo=datetime.UTC
    )
    return ends.date().isoformat() if ends < datetime.datetime.now(datetime.UTC) else None
