"""The one door to the operating system: every process of the package `clusters` is started here.

A child runs in a session of its own, so that Ctrl-C reaches only us, and we end the whole group in order.
"""

from __future__ import annotations

import io
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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


def stream(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command to its end and hand over each line it prints, on either stream, as it comes.

    Parameters and errors as for `run`; the error's text shows the last lines.
    """
    words = [str(a) for a in argv]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as fault:
        raise CommandError(words, str(fault), 127) from fault
    last: deque[str] = deque(maxlen=20)
    late = threading.Event()

    def expire() -> None:
        late.set()
        end(process)

    clock = threading.Timer(timeout, expire)
    clock.daemon = True
    clock.start()
    try:
        with process.stdout or io.StringIO() as printed:
            for line in printed:
                last.append(line)
                on_line(line.rstrip("\n"))
        process.wait()
    except BaseException:  # Ctrl-C included: leave no child behind
        end(process)
        raise
    finally:
        clock.cancel()
    if process.returncode:
        raise CommandError(words, "".join(last), None if late.is_set() else process.returncode)
