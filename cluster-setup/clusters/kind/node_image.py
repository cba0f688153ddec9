"""Which image the nodes of a cluster are made of: the one that was built here, else kind's own, else one from a
registry."""

from __future__ import annotations

import time
import tomllib
from dataclasses import dataclass

from clusters.engine import Engine
from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.exec import CommandError
from clusters.kind.names import built
from clusters.tools import VERSIONS, pins

# Seconds in which a registry says whether it has an image, and in which it gives it: 400 MB.
ASK_TIMEOUT, PULL_TIMEOUT = 8.0, 1800.0
# How long it is remembered that no registry answered, in seconds: where the network swallows requests, asking takes its
# time.
REMEMBERED = 60.0
_unreachable: dict[str, float] = {}


def forget() -> None:
    """Ask the registries again."""
    _unreachable.clear()


@dataclass(frozen=True, slots=True)
class NodeImage:
    """An image for nodes. `here` tells whether it is on this machine; otherwise a registry has it."""

    reference: str
    here: bool


def published() -> str:
    """kind's own image for the Kubernetes that is pinned, by the digest that stands beside the pins."""
    content = tomllib.loads((pins.folder() / "node-image.toml").read_text())
    pinned = content["kindest"]
    version = VERSIONS["kube-apiserver"]
    return f"{pinned['repository']}:{version}@{pinned['digests'][version]}"


def on_machine(engine: Engine) -> NodeImage | None:
    """The image that is here already: one that was built goes before one that was pulled."""
    for reference in (built(VERSIONS["kube-apiserver"]), published()):
        if engine.has(reference):
            return NodeImage(reference, True)
    return None


def found(engine: Engine) -> NodeImage | None:
    """The image here, or at a registry that answers now; None where there is neither."""
    here = on_machine(engine)
    if here is not None:
        return here
    reference = published()
    if time.monotonic() - _unreachable.get(reference, -REMEMBERED) < REMEMBERED:
        return None
    try:
        engine.run("manifest", "inspect", reference, timeout=ASK_TIMEOUT)
    except ClusterError:
        _unreachable[reference] = time.monotonic()
        return None
    return NodeImage(reference, False)


def provide(engine: Engine) -> str:
    """The image to make nodes of, brought to this machine if a registry has it. Raises ClusterError."""
    here = on_machine(engine)
    if here is not None:
        return here.reference
    reference = published()
    try:
        engine.run("pull", reference, timeout=PULL_TIMEOUT)
    except CommandError as fault:
        if fault.code is None:
            raise TransientError(
                f"{reference} does not arrive within {PULL_TIMEOUT / 60:.0f} minutes; try again"
            ) from fault
        raise PermanentError(
            f"{engine.name} has no image for nodes, and no registry gives {reference}: `seatrial node-image build` "
            "makes one here, `seatrial images load FILE.tar` takes one from another machine"
        ) from fault
    return reference
