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
from grader.collect.probes.websocket import NotUpgraded, WebSocket

# Not v5: that one the API server translates itself, and goes on reading when we are gone; v4 it hands through to the
# kubelet, so what we do not read is not read by anybody, and a command that prints is ended by the closed stream.
_PROTOCOLS = ("v4.channel.k8s.io",)
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
    """Run it to its end, or until the time or the bytes are used up; then it is killed, if the container has a shell.

    `pod` is the Pod's path at the API server. Raises CannotExecute, NotUpgraded and OSError: ConnectionError
    where the stream ended and the kubelet had not said how the command did.
    """
    ran = _run(at, pod, container, command, until)
    if ran.code is None:
        _kill(at, pod, container, command)
    return ran


# Closing its stream does not end a command that prints nothing: containerd lets it run on. So it is looked for by its
# words among the processes that came by exec (they have no parent inside), and killed with its children (it leads a
# group). One that has become another program (`sh -c 'sleep 9'` does) has other words, and is not found: exec can give
# a process no other mark that it keeps, and a program that does so would have to be in the image.
_KILL = """
n='
'
for d in /proc/[0-9]*; do
  p=${d#/proc/}; parent=; words=; line=
  [ "$p" = 1 ] || [ "$p" = $$ ] && continue
  while read -r k v; do [ "$k" = PPid: ] && parent=$v && break; done < "$d/status"
  while IFS= read -r line; do words="$words$line$n"; done < "$d/cmdline"
  [ "$parent" = 0 ] && [ "$words$line" = "$1" ] && kill -9 -- -"$p"
done 2> /dev/null
"""
_KILL_TIME = 2.0


def _kill(at: Kubeconfig, pod: str, container: str, command: Sequence[str]) -> None:
    """Nobody relies on it: what a student's container does with it is the student's."""
    try:
        _run(at, pod, container, ["sh", "-c", _KILL, "sh", "".join(command)], Deadline.after(_KILL_TIME))
    except (CannotExecute, NotUpgraded, OSError):
        return


def _run(at: Kubeconfig, pod: str, container: str, command: Sequence[str], until: Deadline) -> Ran:
    query = [("command", word) for word in command]
    query += [("container", container), ("stdout", "true"), ("stderr", "true")]
    output = bytearray()
    with WebSocket.open(at, f"{pod}/exec", query, _PROTOCOLS, until) as stream:
        while True:
            try:
                message = stream.receive(until)
            except TimeoutError:
                return Ran(None, bytes(output), "time")
            if message is None:
                raise ConnectionResetError("the stream of the command broke off")
            channel, data = message[:1], message[1:]
            if channel in (bytes([_OUTPUT]), bytes([_ERRORS])):
                output += data
                if len(output) > READ:
                    return Ran(None, bytes(output[:READ]), "size")
            elif channel == bytes([_STATUS]) and data:
                return Ran(_code(data), bytes(output))


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
    message = str(status.get("message") or "the kubelet gives no reason")
    # Each layer down to runc puts a prefix of its own before it.
    raise CannotExecute(message[max(0, message.rfind('exec: "')) :].strip()[:2000])
