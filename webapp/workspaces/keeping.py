"""What keeps a workspace in on this machine: a container where clusters are containers too, else a sandbox, else
nothing.

Whether it is a container, `up` settles for as long as the portal is up: who finds a workspace that runs takes it for
one of its own kind, and an image may be built or an engine come up meanwhile.
"""

from __future__ import annotations

import os

from clusters.engine import Engine, EngineError, find
from clusters.registry import automatic
from webapp.settings import Settings
from webapp.workspaces import programs

SANDBOX = "webapp.workspaces.spawner.WorkspaceSpawner"
CONTAINER = "webapp.workspaces.containers.spawner.ContainerSpawner"
MEND = "seatrial workspace build"
# The environment variable that hands what `up` has settled to the portal's processes: the spawner.
SETTLED = "SEATRIAL_SPAWNER"


def spawner(settings: Settings) -> str:
    """The Hub's spawner class, by its import path."""
    return os.environ.get(SETTLED) or (CONTAINER if _possible(settings) else SANDBOX)


def in_containers(settings: Settings) -> bool:
    """Whether workspaces are containers."""
    return spawner(settings) == CONTAINER


def _possible(settings: Settings) -> bool:
    """Clusters are containers, and there is an image for workspaces."""
    from webapp.workspaces.containers import image

    engine = engine_of(settings)
    return engine is not None and engine.has(image.reference())


def engine_of(settings: Settings) -> Engine | None:
    """The engine that could keep workspaces in, None where clusters are no containers. Podman has no DockerSpawner."""
    wanted = automatic(registries=False)[0] if settings.provider == "auto" else settings.provider
    if wanted != "kind":
        return None
    try:
        engine = find()
    except EngineError:
        return None
    return engine if engine.name == "docker" else None


def fault(settings: Settings) -> str | None:
    """Why nothing keeps workspaces in here, in a few words, or None."""
    found = programs.sandbox_fault()
    return None if found is None or in_containers(settings) else found
