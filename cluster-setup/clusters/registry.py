"""The providers that are installed, found by entry points of the group "seatrial.clusters"."""

from __future__ import annotations

from importlib.metadata import entry_points

from clusters import engine as engines
from clusters import store
from clusters.engine import EngineError
from clusters.errors import PermanentError
from clusters.model import Provider

GROUP = "seatrial.clusters"
# The providers that make clusters of their own. The first needs nothing beside the upstream programs.
OWN = ("kwok", "kind")


def providers() -> list[str]:
    """The names of the providers that can be asked for, sorted."""
    return sorted({e.name for e in entry_points(group=GROUP)})


def automatic(*, registries: bool = True) -> tuple[str, str]:
    """The provider that `auto` takes on this machine, and why: kind where a container engine answers and there is an
    image
    for nodes, here or at a registry that answers; kwok elsewhere. `registries=False` asks nobody but this machine."""
    from clusters.kind import node_image

    try:
        engine = engines.find()
    except EngineError as fault:
        return "kwok", str(fault)
    found = node_image.found(engine) if registries else node_image.on_machine(engine)
    if found is None:
        nowhere = ", and no registry answers" if registries else ""
        return "kwok", f"{engine.name} has no image for nodes{nowhere}; `seatrial node-image build` makes one"
    return "kind", f"{engine.name} answers, and {'has' if found.here else 'a registry has'} {found.reference}"


def provider(name: str = "auto") -> Provider:
    """A provider by its name; "auto" takes the one that works on this machine. Raises PermanentError."""
    wanted = automatic()[0] if name == "auto" else name
    for entry in entry_points(group=GROUP):
        if entry.name == wanted:
            made: Provider = entry.load()()
            return made
    raise PermanentError(f"there is no provider {name!r}; there are: auto, {', '.join(providers())}")


def owner(cluster: str) -> Provider:
    """The provider of an existing cluster, whole or half made. Raises PermanentError for an unknown one."""
    record = store.load(cluster)
    return provider(store.ready(cluster).provider if record is None else record.provider)
