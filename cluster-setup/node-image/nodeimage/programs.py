"""Programs that run in a container. What was built elsewhere may want libraries that an image of one file does not
have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clusters.tools import build, cache
from clusters.tools import pins as pinning
from nodeimage.upstream import Upstream
from nodeimage.workshop import Workshop

# Of the ELF format: where the program headers are told of, and the type of the one that names a dynamic loader.
_MAGIC, _INTERPRETER = b"\x7fELF", 3


def loadable(found: Upstream, workshop: Workshop) -> Upstream:
    """The same, with a program of our own building in place of each that is linked dynamically."""
    root = workshop.root / "programs"
    pins = pinning.pinned()
    dynamic = [
        p for p in pins.programs.values() if p.name not in NOT_INSIDE and linked_dynamically(found.programs[p.name])
    ]
    missing = [p for p in dynamic if not cache.place(root, p).is_file()]
    if missing:
        with cache.locked(root, workshop.watch.say):
            build.build(missing, root, pins, workshop.watch)
    return replace(found, programs={**found.programs, **{p.name: cache.place(root, p) for p in dynamic}})


# Programs that no image holds.
NOT_INSIDE = ("kind", "kwok", "kwokctl")


def linked_dynamically(program: Path) -> bool:
    """Whether an ELF program (64 bit, little endian) asks for a loader; False for anything else."""
    with program.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or not head.startswith(_MAGIC) or head[4] != 2:
            return False
        offset = int.from_bytes(head[32:40], "little")
        size, count = int.from_bytes(head[54:56], "little"), int.from_bytes(head[56:58], "little")
        file.seek(offset)
        table = file.read(size * count)
    return any(int.from_bytes(table[i * size : i * size + 4], "little") == _INTERPRETER for i in range(count))
