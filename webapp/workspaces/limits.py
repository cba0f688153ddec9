"""What one workspace may use."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass, fields

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """All sizes are in bytes. JupyterLab with one notebook and some terminals needs about a third of them."""

    memory: int = 1024 * MIB
    """Of all processes together (the relay's watchdog), and of each one's own data (the kernel)."""
    processes: int = 256
    """Processes and threads."""
    disk: int = 1024 * MIB
    """The home."""
    file: int = 512 * MIB
    """One file, wherever it is."""
    temporary: int = 128 * MIB
    """The folder for temporary files, which is memory."""
    shared_memory: int = 64 * MIB
    """What programs share; memory too."""
    open_files: int = 1024
    """Of one process."""

    def resources(self) -> dict[int, int]:
        """What the kernel keeps each process to, by the number of setrlimit."""
        return {
            resource.RLIMIT_DATA: self.memory,
            resource.RLIMIT_NPROC: self.processes,
            resource.RLIMIT_FSIZE: self.file,
            resource.RLIMIT_NOFILE: self.open_files,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 64 * 1024,
            resource.RLIMIT_MSGQUEUE: 64 * 1024,
        }


LIMITS = Limits()


def recorded(document: Mapping[str, object]) -> Limits:
    """The limits that a sandbox was started with, by the document of it; what that does not name is as usual."""
    written = document.get("limits")
    known = written if isinstance(written, dict) else {}
    return Limits(**{each.name: known[each.name] for each in fields(Limits) if isinstance(known.get(each.name), int)})
