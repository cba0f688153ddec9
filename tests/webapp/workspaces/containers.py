"""A container of the Hub's own spawner, without a Hub."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from webapp.settings import Settings
from webapp.workspaces.containers.spawner import ContainerSpawner
from webapp.workspaces.limits import Limits
from webapp.workspaces.places import Place
from webapp.workspaces.processes import Process


class Alone(ContainerSpawner):  # type: ignore[misc]
    """Starts what it is told in place of the notebook server."""

    hub_says: dict[str, str]

    @classmethod
    def opened(
        cls, settings: Settings, place: Place, limits: Limits, hub: dict[str, str], command: list[str]
    ) -> Process:
        """Start one; the container's first process."""
        made: Any = cls(
            user=SimpleNamespace(name=str(place.user_id), id=place.user_id, settings={}),
            settings=settings,
            limits=limits,
            numbers=int,
        )
        made.hub_says, made.command = hub, tuple(command)
        asyncio.run(made.start())
        assert made.process is not None
        return made.process

    def get_env(self) -> dict[str, str]:
        return self.inside(self.hub_says)

    async def _answers(self, process: Process) -> None:
        """The tests ask it themselves."""
