"""A command in a Pod's container, by the API server's `exec`: what it prints, and the exit code, from the kubelet.

Channel 1 is the command's output, 2 its errors, and 3 the kubelet's own word on how it ended, which no command can
write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from grader.collect.kubeconfig import Kubeconfig
from grader.collect.probes.limits import READ, Deadline
from grader.collect.probes.websocket import WebSocket

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3


class CannotExecute(Exception):
    """The command was not started, as the kubelet says."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended. `code` is None where it was cut, for which `cut` says why: "size" or "time"."""

    code: int | None
    output: bytes
    cut: str = ""


def execute(at: Kubeconfig, pod: str, container: str, command: Sequence[str], until: Deadline) -> Ran:
    """Run it to its end, or until the time or the bytes are used up; then the stream is closed, which ends it.

    `pod` is the Pod's path at the API server. Raises CannotExecute, NotUpgraded and OSError.
    """
    query = [("command", word) for word in command]
    query += [("container", container), ("stdout", "true"), ("stderr", "true")]
    output = b""
    with WebSocket.open(at, f"{pod}/exec", query, _PROTOCOLS, until) as stream:
        while True:
            try:
                message = stream.receive(until)
            except TimeoutError:
                return Ran(None, output, "time")
            if message is None:
                raise ConnectionError("the stream of the command broke off")
            channel, data = message[:1], message[1:]
            if channel in (bytes([_OUTPUT]), bytes([_ERRORS])):
                output += data
                if len(output) > READ:
                    return Ran(None, output[:READ], "size")
            elif channel == bytes([_STATUS]) and data:
                return Ran(_code(data), output)


def _code(data: bytes) -> int:
    """The exit code out of a Status object. Raises CannotExecute where there is none."""
    try:
        status: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict):
        raise CannotExecute(data[:500].decode("utf-8", "replace"))
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or ()
    for cause in causes:
        if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdecimal():
            return int(cause["message"])
    raise CannotExecute(str(status.get("message") or "the kubelet gives no reason")[:2000])
