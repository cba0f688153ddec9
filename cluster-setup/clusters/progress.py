"""Say what is going on when it takes longer than two seconds, and let Ctrl-C end it in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

# After how long a wait is mentioned, and how often again in a log, in seconds.
PATIENCE = 2.0
LOG_EVERY = 10.0


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show on standard error that something is under way: a spinner in a terminal, a line now and then in a log."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(f"{what} …"):
            yield
        return
    done = threading.Event()
    begun = time.monotonic()

    def tell() -> None:
        pause = PATIENCE
        while not done.wait(pause):
            console.print(f"{what} … {time.monotonic() - begun:.0f} s", markup=False, highlight=False)
            pause = LOG_EVERY

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM and a closed terminal for Ctrl-C, and only the first: another would cut the clearing up short."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handled = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup
        handled.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
