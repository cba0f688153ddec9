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
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import ClusterError

# How long a child may take to end after SIGTERM before it is killed, in seconds.
GRACE = 5.0
# How often `run` calls `watch`, in seconds.
WATCH_INTERVAL = 0.1


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

    @property
    def last_line(self) -> str:
        """What it said last, for a sentence of the caller's own."""
        nothing = "it did not end in time" if self.code is None else "it printed nothing"
        return (self.output.strip().splitlines() or [nothing])[-1].strip()


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


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off Ctrl-C until the end of the block: between a child's start and our knowing it, nobody would end it.

    Only the main thread hears signals, so elsewhere there is nothing to put off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if callable(signal.getsignal(n))]
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in heard:
            signal.raise_signal(late)


def _start(
    words: Sequence[str], stdin: int, stderr: int, cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[str]:
    """Start a child in a session of its own. Raises CommandError where it cannot be started."""
    try:
        return subprocess.Popen(
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as fault:
        raise CommandError(words, str(fault), 127) from fault


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
    watch: Callable[[], None] | None = None,
) -> Completed:
    """Run a command to its end.

    `timeout` is in seconds, `env` is added to our environment, `stdin` is what it reads (nothing by default).
    `watch`, not together with `stdin`, is called ten times a second meanwhile; what it raises ends the command and is
    raised here.
    Raises CommandError for a non-zero exit, for a timeout, and for a program that cannot be started.
    """
    words = [str(a) for a in argv]
    process = None
    try:
        with _undisturbed():
            source = subprocess.PIPE if stdin is not None else subprocess.DEVNULL
            process = _start(words, source, subprocess.PIPE, cwd, env)
        out, err = _communicate(process, stdin, timeout, watch)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise CommandError(words, "", None) from None
    except BaseException:  # Ctrl-C included: leave no child behind
        _abandon(process)
        raise
    if process.returncode:
        raise CommandError(words, err or out, process.returncode)
    return Completed(out, err)


def _communicate(
    process: subprocess.Popen[str], stdin: str | None, timeout: float, watch: Callable[[], None] | None
) -> tuple[str, str]:
    if watch is None:
        return process.communicate(stdin, timeout)
    if stdin is not None:
        raise ValueError("a watched command cannot be given its input: communicate does not take it up again")
    deadline = time.monotonic() + timeout
    while True:
        try:
            return process.communicate(timeout=WATCH_INTERVAL)
        except subprocess.TimeoutExpired:  # what was read so far is kept for the next call
            if time.monotonic() >= deadline:
                raise
            watch()


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
    last: deque[str] = deque(maxlen=20)
    late = threading.Event()
    process = clock = None
    try:
        with _undisturbed():
            process = _start(words, subprocess.DEVNULL, subprocess.STDOUT, cwd, env)
        clock = threading.Timer(timeout, _expire, (process, late))
        clock.daemon = True
        clock.start()
        with process.stdout or io.StringIO() as printed:
            for line in printed:
                last.append(line)
                on_line(line.rstrip("\n"))
        process.wait()
    except BaseException:  # Ctrl-C included: leave no child behind
        _abandon(process)
        raise
    finally:
        if clock:
            clock.cancel()
    if process.returncode:
        raise CommandError(words, "".join(last), None if late.is_set() else process.returncode)


def _abandon(process: subprocess.Popen[str] | None) -> None:
    """End a child that was started, and let go of its pipes."""
    if process is None:
        return
    end(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _expire(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    end(process)
