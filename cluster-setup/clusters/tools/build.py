"""Build the programs that the network does not give us, from the Go modules pinned beside the pins."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from clusters import exec as processes
from clusters.errors import PermanentError
from clusters.tools import cache, golang
from clusters.tools.pins import Pins, Program
from clusters.tools.watch import Watch

# Seconds for one program. The first one, with everything to download and compile, takes two minutes on two cores.
BUILD_TIMEOUT = 3600.0
# Upstream builds its releases without C as well. GOTOOLCHAIN lets Go fetch the version that go.mod names.
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod", "GOWORK": "off"}


class BuildError(PermanentError):
    """A program cannot be built here."""


def build(programs: Sequence[Program], root: Path, pins: Pins, watch: Watch) -> None:
    """Build and install the programs, one after another: each is there as soon as it is done.

    The cache must be locked. Raises BuildError, ToolMissing; what was done before stays.
    """
    go = golang.provide(root, pins, watch)
    modules = {gomod: _module(root, pins, gomod) for gomod in {program.gomod for program in programs}}
    for number, program in enumerate(programs, 1):
        watch.begin(program.name, f"Building {program.name} {program.version} ({number} of {len(programs)})")
        began = time.monotonic()
        cache.put(root, program, _built(go, modules[program.gomod], program, watch))
        took = time.monotonic() - began
        watch.end(program.name, f"Built {program.name} {program.version} in {took:.0f} s ({number} of {len(programs)})")


def command(go: Path, program: Program, made: Path) -> list[str]:
    """The command that builds a program into `made`."""
    flags = " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in program.stamps)])
    return [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(made), program.package]


def _module(root: Path, pins: Pins, gomod: str) -> Path:
    """A copy of a go.mod with its go.sum to build from: go writes to them, and the originals may be read-only."""
    module = cache.staging(root) / f"module-{gomod}"
    module.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(pins.folder / gomod / name, module / name)
    return module


def _built(go: Path, module: Path, program: Program, watch: Watch) -> Path:
    made = module / program.name
    compiled = 0

    def heard(line: str) -> None:  # `-v` prints each package as it is compiled
        nonlocal compiled
        compiled += not line.startswith("go: ")
        watch.step(program.name, f"{compiled} packages compiled, {line}")

    try:
        argv = command(go, program, made)
        processes.stream(argv, heard, timeout=BUILD_TIMEOUT, env=GO_ENVIRONMENT, cwd=module)
    except processes.CommandError as fault:
        raise BuildError(
            f"{program.name} {program.version} cannot be built ({fault.last_line}): see that the Go module proxy "
            "can be reached and that the disk is not full, then run `seatrial tools install` again"
        ) from fault
    return made
