"""The one door to the operating system: every process of the package `clusters` is started here.

A child runs in a session of its own, so that Ctrl-C reaches only us, and we end the whole group in order.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import ClusterError

# How long a child may take to end after SIGTERM before it is killed, in seconds.
GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command printed."""

    stdout: str
    stderr: str


class CommandError(ClusterError):
    """A command failed. The text shows the command and the last lines of its output."""

    def __init__(self, argv: Sequence[str], output: str, code: int | None) -> None:
        """`code` is None where the command ran out of time."""
        self.argv, self.output, self.code = list(argv), output, code
        said = " / ".join(line.strip() for line in output.strip().splitlines()[-5:]) or "(it printed nothing)"
        how = "did not finish in time" if code is None else f"failed with exit code {code}"
        super().__init__(f"`{shlex.join(self.argv)}` {how}: {said}")


def end(process: subprocess.Popen[str]) -> None:
    """End a child and everything it started: SIGTERM to the group, SIGKILL after `GRACE` seconds."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
        break
    process.wait()


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run a command to its end.

    `timeout` is in seconds, `env` is added to our environment, `stdin` is what it reads (nothing by default).
    Raises CommandError for a non-zero exit, for a timeout, and for a program that cannot be started.
    """
    words = [str(a) for a in argv]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as fault:
        raise CommandError(words, str(fault), 127) from fault
    try:
        out, err = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise CommandError(words, "", None) from None
    except BaseException:  # Ctrl-C included: leave no child behind
        end(process)
        raise
    if process.returncode:
        raise CommandError(words, err or out, process.returncode)
    return Completed(out, err)
