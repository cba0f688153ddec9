"""The container images that labs run: which they are, whether this machine has them, and bringing them into a
cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters import engine as engines
from clusters.engine import Engine
from clusters.errors import ClusterError, PermanentError
from clusters.exec import CommandError
from clusters.kind import ingress
from clusters.kind.names import HOLDS
from clusters.model import Provider
from clusters.tools.watch import Watch
from grader import labfile
from grader.labfile import LoadedLab
from proving.demand import needs

# Seconds for one image from a registry or a file, and for asking the engine something.
TIMEOUT, ASK_TIMEOUT = 1800.0, 30.0
# How a command of a solution names an image: `kubectl run --image=…`, `kubectl set image deployment web
# nginx=nginx:1.28`.
_BY_COMMAND = re.compile(r"--image[= ]([^\s'\"]+)|\bset image\b[^\n]*?\s[-\w*]+=([^\s'\"]+)")


class ImageMissing(PermanentError):
    """A lab runs images that are nowhere."""

    def __init__(self, lab: str, cluster: str, images: Sequence[str]) -> None:
        """`images` is read by whoever says it to a student."""
        self.images = tuple(images)
        super().__init__(
            f"lab {lab} runs {', '.join(images)}, which neither cluster {cluster} nor this machine has: "
            f"`seatrial images pull {lab}` fetches from a registry, `seatrial images load FILE.tar` takes a file, "
            "`seatrial node-image build` makes the usual ones"
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """One image: the labs that run it, whether this machine has it (None: nobody can tell), and what ours holds."""

    reference: str
    labs: tuple[str, ...]
    here: bool | None
    holds: str


def wanted(lab: LoadedLab) -> tuple[str, ...]:
    """The images that a lab runs: those that it lists, and those that its setup and its solution name. Raises
    LabFaults."""
    solution = labfile.solution(lab)
    objects = [m.object for m in (*labfile.setup(lab), *solution.manifests)]
    by_command = _BY_COMMAND.findall(solution.script.text) if solution.script else []
    found = [
        *lab.spec.images,
        *(image for thing in objects for image in _of(thing)),
        *("".join(pair) for pair in by_command),
    ]
    return tuple(dict.fromkeys(image for image in found if "$" not in image))


def _of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("containers", "initContainers") and isinstance(item, list):
                yield from (c["image"] for c in item if isinstance(c, dict) and isinstance(c.get("image"), str))
            else:
                yield from _of(item)
    elif isinstance(value, list):
        for item in value:
            yield from _of(item)


def bring(lab: LoadedLab, provider: Provider, cluster: str) -> None:
    """Bring a lab's images into a cluster. Raises ImageMissing, before anything is started, where one is nowhere."""
    missing = provider.bring(cluster, wanted(lab))
    if missing:
        raise ImageMissing(lab.slug, cluster, missing)


def of_labs(folders: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """Each image with the slugs of the labs that run it, both sorted; the Ingress controller's too, where a lab needs
    one."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        lab = labfile.read(folder)
        extras = [ingress.image()] if "ingress" in needs(lab) else []
        for image in (*wanted(lab), *extras):
            found.setdefault(image, set()).add(lab.slug)
    return {image: tuple(sorted(found[image])) for image in sorted(found)}


def listed(folders: Iterable[Path]) -> list[Listed]:
    """Every image of these labs, by name. Without an engine nobody can tell whether it is here."""
    try:
        engine = engines.find()
    except ClusterError:
        engine = None
    return [
        Listed(image, labs, None if engine is None else engine.has(image), _holds(engine, image) if engine else "")
        for image, labs in of_labs(folders).items()
    ]


def _holds(engine: Engine, image: str) -> str:
    shown = f'{{{{index .Config.Labels "{HOLDS}"}}}}'
    try:
        said = engine.run("image", "inspect", "--format", shown, image, timeout=ASK_TIMEOUT).stdout.strip()
    except CommandError:
        return ""
    return "" if said == "<no value>" else said


def pull(folders: Iterable[Path], watch: Watch) -> tuple[list[str], list[str]]:
    """Fetch what this machine lacks. Gives what was fetched and what was there.

    Raises PermanentError, with the images that no registry gave, when the others have been fetched.
    """
    engine = engines.find()
    fetched, there, refused = [], [], []
    for image in of_labs(folders):
        if engine.has(image):
            there.append(image)
            continue
        watch.begin(image, f"Pulling {image}")
        try:
            engine.run("pull", image, timeout=TIMEOUT)
            fetched.append(image)
            watch.end(image, f"Pulled {image}")
        except CommandError as fault:
            refused.append(image)
            watch.end(image, f"{image} cannot be had: {fault.last_line}")
    if refused:
        raise PermanentError(
            f"no registry gives {', '.join(refused)}: see that it exists and that the registry can be reached; "
            "`seatrial images load FILE.tar` takes images from a file, `seatrial node-image build` makes the usual ones"
        )
    return fetched, there


def load(files: Sequence[Path], watch: Watch) -> list[str]:
    """Take images from files of `docker save` or `seatrial node-image build --output`; their names. Raises
    PermanentError."""
    engine = engines.find()
    names: list[str] = []
    for file in files:
        if not file.is_file():
            raise PermanentError(f"there is no file {file}")
        watch.begin(str(file), f"Loading {file}")
        try:
            found = engine.load(file, timeout=TIMEOUT)
        except CommandError as fault:
            raise PermanentError(
                f"{file} is not a whole file of images ({fault.last_line}); nothing was taken from it"
            ) from fault
        watch.end(str(file), f"Loaded {file}: {len(found)} image{'s' * (len(found) != 1)}")
        names += found
    return names
