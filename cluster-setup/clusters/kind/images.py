"""Images of this machine: what there is, and bringing it into a cluster's nodes."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from clusters.engine import Engine, full
from clusters.errors import PermanentError
from clusters.exec import CommandError, run
from clusters.kind import nodes
from clusters.kind.layout import Layout
from clusters.tools import program

# Seconds for saving, loading or pulling one image.
TIMEOUT = 1800.0
CTR = ("ctr", "--namespace=k8s.io")


def of_cluster(engine: Engine, layout: Layout) -> dict[str, set[str]]:
    """The full names of the images in each node."""
    return {
        node: set(nodes.inside(engine, node, *CTR, "images", "list", "--quiet").split())
        for node in nodes.containers(engine, layout)
    }


def bring(engine: Engine, layout: Layout, references: Iterable[str]) -> tuple[str, ...]:
    """Bring images into every node that lacks them; return those that neither the nodes nor this machine have.

    Each is saved to a file once, for all clusters of this user. Raises ClusterError.
    """
    there = of_cluster(engine, layout)
    missing = []
    for reference in dict.fromkeys(references):
        lacking = [node for node, images in there.items() if full(reference) not in images]
        if not lacking:
            continue
        identity = engine.image_id(reference)
        if identity is None:
            missing.append(reference)
            continue
        _into(engine, layout, saved(engine, reference, identity), lacking)
    return tuple(missing)


def _into(engine: Engine, layout: Layout, archive: Path, lacking: list[str]) -> None:
    argv: list[str | Path] = [program("kind"), "load", "image-archive", archive, "--name", layout.kind_name]
    argv += ["--nodes", ",".join(lacking)]
    try:
        run(argv, timeout=TIMEOUT, env={"KIND_EXPERIMENTAL_PROVIDER": engine.name})
    except CommandError as fault:
        told = engine.told(fault)
        if told is fault:
            said = [line for line in fault.output.splitlines() if line.startswith("ERROR: ")] or [str(fault)]
            told = PermanentError(f"kind cannot bring {archive.name} into cluster {layout.name}: {said[-1]}")
        raise told from fault


def saved(engine: Engine, reference: str, identity: str) -> Path:
    """An image as a file in the user's cache, written once for what the name means now."""
    folder = Path(platformdirs.user_cache_dir("seatrial")) / "images"
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", reference)
    goal = folder / f"{stem}-{identity.removeprefix('sha256:')[:12]}.tar"
    if goal.is_file():
        return goal
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{stem}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of a class whose clusters start together one saves, and the rest wait
            if not goal.is_file():
                write(engine, [reference], goal)
        for older in folder.glob(f"{stem}-*.tar"):
            if older != goal and re.fullmatch(rf"{re.escape(stem)}-[0-9a-f]{{12}}", older.stem):
                older.unlink(missing_ok=True)
    except OSError as fault:
        raise PermanentError(f"{folder} cannot be written: {fault.strerror}; mend that and try again") from fault
    return goal


def write(engine: Engine, references: list[str], goal: Path) -> None:
    """Write images into one file, whole or not at all. Raises ClusterError."""
    part = goal.with_name(f".{goal.name}.part")
    try:
        engine.run("save", "--output", part, *references, timeout=TIMEOUT)
        part.replace(goal)
    except OSError as fault:
        raise PermanentError(f"{goal} cannot be written: {fault.strerror}; mend that and try again") from fault
    finally:
        part.unlink(missing_ok=True)
