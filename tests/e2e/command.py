"""The command as a person runs it: a process of its own, what it prints, and how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

SEATRIAL = Path(sys.executable).with_name("seatrial")
# "Starting lab lamp … 2 s": said while something takes long, beside the one sentence.
_PROGRESS = re.compile(r" … \d+ s$")
# How long a command may take before the test gives it up, in seconds.
LONGEST = 300.0


def seatrial(
    *words: str | Path, data: Path | None = None, stdout: IO[str] | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end. `data` is where clusters are kept, `stdout` a file in place of what is captured."""
    place = {"XDG_DATA_HOME": str(data)} if data else {}
    return subprocess.run(
        [str(SEATRIAL), *map(str, words)],
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=LONGEST,
        env={**os.environ, **place, **(env or {})},
    )


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence on standard error of a command that ended with this code."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + (done.stdout or "")
    said = [line for line in done.stderr.splitlines() if not _PROGRESS.search(line)]
    assert len(said) == 1, done.stderr
    return said[0]
