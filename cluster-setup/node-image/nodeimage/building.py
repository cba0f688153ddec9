"""The whole build: programs, images, the node, and the file that a school carries home. Each step is found where it
was done."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clusters.engine import Engine
from clusters.kind.names import HOLDS, INPUTS, NODE
from clusters.kind.names import built as built_node
from clusters.tools.watch import Watch
from nodeimage import archive, debian, images, layers, node, programs, recipe, upstream
from nodeimage.assembling import LOAD_TIMEOUT, assemble
from nodeimage.images import Made
from nodeimage.recipe import Recipe
from nodeimage.upstream import Upstream
from nodeimage.workshop import Workshop, digest, opened

INSPECT_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Built:
    """One image in the engine: its name, its size in bytes there, what it holds, and whether it was made anew."""

    reference: str
    size: int
    holds: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a build has made, the node first, and what it left alone: the user's own images under such a name."""

    images: tuple[Built, ...]
    kept: tuple[str, ...]


def build(engine: Engine, watch: Watch, *, mirror: str | None = None, root: Path | None = None) -> Result:
    """Make the node image, the extras' and the labs', and load them into the engine. Raises ClusterError in one
    sentence."""
    with opened(watch, root) as workshop:
        found = programs.loadable(upstream.provide(watch), workshop)
        plan = recipe.read(found.names, mirror=mirror)
        system = [images.make(workshop, plan.debian, image, found.programs, found.versions) for image in plan.system]
        reference = built_node(found.versions["kube-apiserver"])
        built = [_node(engine, workshop, plan, found, system=system, reference=reference)]
        kept = []
        for image in (*plan.extras, *plan.labs):
            made = images.make(workshop, plan.debian_of_labs, image, found.programs, found.versions)
            loaded = _load(engine, watch, made)
            if loaded is None:
                kept.append(made.reference)
            else:
                built.append(loaded)
    return Result(tuple(built), tuple(kept))


def _node(
    engine: Engine, workshop: Workshop, plan: Recipe, found: Upstream, *, system: list[Made], reference: str
) -> Built:
    below = debian.installed(workshop, plan.debian, plan.node_packages)
    files = [p for p in sorted(node.FILES.iterdir()) if p.is_file()] + [node.MANIFESTS / "network.yaml"]
    its = replace(plan, extras=(), labs=())  # whose images are not in it
    inputs = [node.version(), json.dumps(asdict(its)), below.name, *(p.read_text() for p in files)]
    inputs += [f"{name} {found.versions[name]}" for name in its.programs()] + [found.kind.name]
    base = workshop.made(
        "node-base", "Making the file system of the node", inputs, lambda goal: _base(goal, below, plan, found)
    )
    wanted = digest(base.name, *(made.file.name for made in system))
    holds = f"Kubernetes {found.versions['kube-apiserver']}, containerd {found.versions['containerd']}"
    if inspected(engine, reference).get(INPUTS) == wanted:
        return Built(reference, _size(engine, reference), holds, False)
    watch = workshop.watch
    watch.begin("node", f"Making {reference}: {len(system)} images into its containerd")
    engine.load(base, timeout=LOAD_TIMEOUT)
    labels = {INPUTS: wanted, HOLDS: f'"{holds}"'}
    assemble(engine, NODE_BASE, [made.file for made in system], reference, labels=labels, watch=watch)
    engine.run("rmi", NODE_BASE, timeout=INSPECT_TIMEOUT)
    size = _size(engine, reference)
    watch.end("node", f"Made {reference}: {size / 1e6:.0f} MB")
    return Built(reference, size, holds, True)


# What the node is called before its images are in it.
NODE_BASE = f"{NODE}-base:latest"


def _base(goal: Path, below: Path, plan: Recipe, found: Upstream) -> None:
    with tempfile.TemporaryDirectory(dir=goal.parent) as scratch:
        lower, upper = Path(scratch) / "debian.tar", Path(scratch) / "own.tar"
        with layers.Layer(lower) as layer:
            layer.copy(below, node.debian)
        with layers.Layer(upper) as layer:
            node.fill(layer, plan, found)
        archive.write(goal, [NODE_BASE], [lower, upper], archive.Settings())


def _load(engine: Engine, watch: Watch, made: Made) -> Built | None:
    """Load an image into the engine; None where somebody has one of another origin under that name."""
    known = inspected(engine, made.reference)
    there = engine.image_id(made.reference)
    if there is not None and INPUTS not in known:
        return None
    fresh = known.get(INPUTS) != made.inputs
    if fresh:
        watch.begin(made.reference, f"Loading {made.reference}")
        engine.load(made.file, timeout=LOAD_TIMEOUT)
        watch.end(made.reference, f"Loaded {made.reference}")
    return Built(made.reference, _size(engine, made.reference), made.holds, fresh)


def inspected(engine: Engine, reference: str) -> Mapping[str, str]:
    """The labels of an image in the engine; none where it is not there."""
    if not engine.has(reference):
        return {}
    said = engine.run("image", "inspect", "--format", "{{json .Config.Labels}}", reference, timeout=INSPECT_TIMEOUT)
    return dict(json.loads(said.stdout) or {})


def _size(engine: Engine, reference: str) -> int:
    said = engine.run("image", "inspect", "--format", "{{.Size}}", reference, timeout=INSPECT_TIMEOUT)
    return int(said.stdout)
