"""kubectl against a kubeconfig: for whoever has a file and wants one command run."""

from __future__ import annotations

import re
from pathlib import Path

from clusters.exec import CommandError, Completed, run
from clusters.tools import program

# How long one command may take by default, in seconds.
TIMEOUT = 60.0
# What kubectl's library logs before its own words, "E1121 12:13:00.979471    9480 memcache.go:265] …".
_LOGGED = re.compile(r"[EWI]\d{4} \d\d:\d\d:\d\d")
# What stands in its last line where there was no answer. "Error from server" is one, such as of a webhook without any.
_NO_SERVER = re.compile(
    r"^(?!Error from server).*(The connection to the server|Unable to connect to the server|connect: connection refused"
    r"|i/o timeout|TLS handshake timeout|connection reset by peer|: unexpected EOF$|\": EOF$)"
)
# What it says where a kubeconfig has no credentials: it has asked for a user's name, and nobody has answered.
_ASKS_FOR_A_USER = "error: EOF"
_REFUSED = "You must be logged in to the server"


class NoServer(CommandError):
    """No API server answers, or it refuses the identity: neither the lab's fault nor the student's."""

    def __init__(self, fault: CommandError, sentence: str) -> None:
        """Keep the command and what it printed, and tell `sentence` instead."""
        super().__init__(fault.argv, fault.output, fault.code)
        self.args = (sentence,)


def kubectl(kubeconfig: Path, *args: str | Path, stdin: str | None = None, timeout: float = TIMEOUT) -> Completed:
    """Run the pinned kubectl with `args`; `stdin` is what `-f -` reads, `timeout` is in seconds.

    Raises NoServer where no API server answers or it refuses the identity, CommandError with kubectl's own words when
    it fails otherwise, ToolMissing when it is not installed.
    """
    try:
        return run([program("kubectl"), "--kubeconfig", kubeconfig, *args], timeout=timeout, stdin=stdin)
    except CommandError as fault:
        raise _plain(fault, kubeconfig) from None


def _plain(fault: CommandError, kubeconfig: Path) -> CommandError:
    said = [line for line in fault.output.strip().splitlines() if line.strip() and not _LOGGED.match(line)]
    last = said[-1].strip() if said else ""
    if last == _ASKS_FOR_A_USER:
        return NoServer(fault, f"{kubeconfig} holds no credentials for its API server; get a fresh kubeconfig")
    if _NO_SERVER.match(last):
        return NoServer(
            fault,
            f"the API server that {kubeconfig} names does not answer ({last}); `seatrial cluster list` shows whether "
            "yours runs, `seatrial cluster start NAME` starts it",
        )
    if _REFUSED in last:
        return NoServer(
            fault,
            f"the API server refuses the identity in {kubeconfig} ({last}); get a fresh kubeconfig of the cluster",
        )
    return CommandError(fault.argv, "\n".join(said), fault.code)
