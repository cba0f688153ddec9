"""A connection into a Pod by the API server's `portforward`: bytes to and from a port of the Pod's own loopback.

The kubelet sends on two channels: 0 for data, 1 for what went wrong. The first message of each is the port's number.
"""

from __future__ import annotations

from urllib.parse import quote

from grader.collect.kubeconfig import Kubeconfig
from grader.collect.probes.limits import Deadline
from grader.collect.probes.websocket import WebSocket

_PROTOCOLS = ("v4.channel.k8s.io",)
_DATA, _ERROR = 0, 1


class NotConnected(Exception):
    """Nothing took the connection inside the Pod, as the kubelet says."""


class Forwarded:
    """One connection to a port of a Pod."""

    def __init__(self, at: Kubeconfig, namespace: str, pod: str, port: int, until: Deadline) -> None:
        """Open it. Raises NotUpgraded and OSError. Whether something listens is seen when it is read."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/portforward"
        self._stream = WebSocket.open(at, path, [("ports", str(port))], _PROTOCOLS, until)
        self._begun: set[int] = set()
        self._answered = False

    def __enter__(self) -> Forwarded:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._stream.close()

    def send(self, data: bytes, until: Deadline) -> None:
        """Send bytes. Raises OSError."""
        self._stream.send(bytes([_DATA]) + data, until)

    def receive(self, until: Deadline) -> bytes:
        """The next bytes; b"" at the end. Raises NotConnected and OSError, TimeoutError among them.

        What goes wrong once data has come is no NotConnected: ConnectionResetError.
        """
        while True:
            message = self._stream.receive(until)
            if message is None:
                return b""
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel not in self._begun:
                self._begun.add(channel)
                data = data[2:]  # the port's number
            if channel == _ERROR and data:
                said = data[:2000].decode("utf-8", "replace")
                raise ConnectionResetError(said) if self._answered else NotConnected(said)
            if channel == _DATA and data:
                self._answered = True
                return data
