"""The Hub's way to start a workspace in a container: JupyterLab by DockerSpawner, which outlives the Hub as well."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import Any

import docker.errors
from dockerspawner import DockerSpawner
from traitlets import default

from webapp.errors import PortalError
from webapp.workspaces import homes, places, processes, starting
from webapp.workspaces.containers import container, image, known
from webapp.workspaces.control import poke
from webapp.workspaces.hosting import Workspace, address

# How long a container may take to be gone, and how often it is looked, in seconds.
GONE_WITHIN, LOOK_EVERY = 30.0, 0.1


class ContainerSpawner(Workspace, DockerSpawner):  # type: ignore[misc]
    """Starts, finds again and ends one student's container."""

    # It has no address: its server is reached by a socket.
    use_internal_ip = True
    network_name = "none"
    remove = True
    pull_policy = "never"
    # In place of the notebook server.
    command: tuple[str, ...] = ()

    @default("image")
    def _image_default(self) -> str:
        return image.reference()

    @default("object_name")
    def _object_name_default(self) -> str:
        return known.name(self.settings, self.place)

    @default("extra_create_kwargs")
    def _extra_create_kwargs_default(self) -> dict[str, Any]:
        return container.create_options(self.settings, self.place)

    @default("extra_host_config")
    def _extra_host_config_default(self) -> dict[str, Any]:
        return container.host_options(self.limits)

    @property
    def volume_binds(self) -> dict[str, dict[str, str]]:
        """What of this machine is seen inside."""
        return container.binds(self.place)

    @property
    def volume_mount_points(self) -> list[str]:
        """Where."""
        return [each["bind"] for each in self.volume_binds.values()]

    def inside(self, hub: dict[str, str]) -> dict[str, str]:
        """Every variable inside."""
        return container.environment(hub)

    async def get_command(self) -> list[str]:
        """What is the container's first process."""
        return [*container.first_process(), *self.command]

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Nowhere on any network."""
        return "", 0

    async def start(self) -> str:
        """Start the container and wait until its server answers. Raises PortalError."""
        place = self.place
        await self._cleared()
        await asyncio.to_thread(container.prepare, self.settings, place, self.limits)
        with starting.listening(place.socket) as listening, container.handing(place) as handing:
            try:
                await super().start()
            except docker.errors.ImageNotFound as fault:
                raise PortalError(f"there is no image {self.image}; `seatrial workspace build` makes it") from fault
            except docker.errors.DockerException as fault:
                raise PortalError(f"the container engine does not start the workspace: {fault}") from fault
            await asyncio.to_thread(handing.give, listening)
        pid = ((await self.get_object()) or {}).get("State", {}).get("Pid")
        process = processes.named(pid) if pid else None
        if process is None:
            raise starting.fault(place)
        self.process = process
        places.write(place.state, json.dumps({**process.document(), "limits": asdict(self.limits)}))
        await asyncio.to_thread(poke, self.settings.workspaces, place.user_id)
        await self._answers(process)
        return address(place.door)

    async def _cleared(self) -> None:
        """Remove what is left of an earlier container, and wait until the engine has let go of its name."""
        deadline = time.monotonic() + GONE_WITHIN
        while await self.get_object() is not None:
            try:
                await self.docker("remove_container", self.object_id, v=True, force=True)
            except docker.errors.APIError as fault:
                # It is gone, or being removed.
                if fault.status_code not in (404, 409):
                    raise
            if time.monotonic() > deadline:
                raise PortalError(f"the engine does not remove the container {self.object_name}; remove it by hand")
            await asyncio.sleep(LOOK_EVERY)

    async def poll(self) -> int | str | None:
        """None while the container runs."""
        if self.process is not None and self.process.alive():
            return None
        self.clear_state()
        return 0

    async def stop(self, now: bool = False) -> None:
        """End the container with all that is in it. Returns once it is gone."""
        if self.object_id:
            await super().stop(now)
        elif self.process is not None:
            # A sandbox, of a Hub whose workspaces were no containers.
            await asyncio.to_thread(starting.end, self.process)
            self.clear_state()
        await asyncio.to_thread(homes.unmount, self.place)
        self.forget()
