"""The providers that are installed, found by entry points of the group "seatrial.clusters"."""

from __future__ import annotations

from importlib.metadata import entry_points

from clusters import store
from clusters.errors import PermanentError
from clusters.model import Provider

GROUP = "seatrial.clusters"
# What `auto` takes: the embedded provider, which needs nothing beside the upstream programs.
DEFAULT = "kwok"


def providers() -> list[str]:
    """The names of the providers that can be asked for, sorted."""
    return sorted({e.name for e in entry_points(group=GROUP)})


def provider(name: str = "auto") -> Provider:
    """A provider by its name; "auto" takes the one that works on this machine. Raises PermanentError."""
    wanted = DEFAULT if name == "auto" else name
    for entry in entry_points(group=GROUP):
        if entry.name == wanted:
            made: Provider = entry.load()()
            return made
    raise PermanentError(f"there is no provider {name!r}; there are: auto, {', '.join(providers())}")


def owner(cluster: str) -> Provider:
    """The provider of an existing cluster, whole or half made. Raises PermanentError for an unknown one."""
    record = store.load(cluster)
    return provider(store.ready(cluster).provider if record is None else record.provider)
