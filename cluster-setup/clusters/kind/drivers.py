"""kind's own processes: one whose parent was killed would go on to make what is being removed."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from clusters.kind.layout import Layout

PROC = Path("/proc")


def end(layout: Layout) -> None:
    """End every kind, with all that it has started, that is at work on this cluster. Only where /proc tells of them."""
    if not PROC.is_dir():
        return
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            mine = entry.stat().st_uid == os.geteuid()
        except OSError:  # it ended meanwhile
            continue
        if mine and Path(words[0]).name == "kind" and layout.kind_name in words:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                # We start each in a session of its own, which its engine's clients are in as well.
                os.killpg(int(entry.name), signal.SIGKILL)
