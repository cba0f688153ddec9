"""The Hub's way to start a workspace in a sandbox: JupyterLab in bubblewrap."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import default

from webapp.workspaces import processes, starting
from webapp.workspaces.control import poke
from webapp.workspaces.hosting import Workspace, address


class WorkspaceSpawner(Workspace, LocalProcessSpawner):  # type: ignore[misc]
    """Starts, finds again and ends one student's sandbox."""

    @default("interrupt_timeout")
    def _interrupt_timeout(self) -> int:
        return 12  # the sandbox gives its server eight

    # Bubblewrap's outer process, where this Hub started it: it is to be collected.
    _outer: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Start the sandbox and wait until its server answers. Raises PortalError with what was said before."""
        environment, place = self.get_env(), self.place
        started = await asyncio.to_thread(starting.start, self.settings, place, self.limits, environment)
        self.process, self.pid, self._outer = started.process, started.process.pid, started.outer
        await asyncio.to_thread(poke, self.settings.workspaces, place.user_id)
        await self._answers(started.process)
        return address(place.door)

    def load_state(self, state: dict[str, Any]) -> None:
        """Find it again after the Hub was started anew."""
        super().load_state(state)
        self.pid = self.process.pid if self.process else 0

    async def poll(self) -> int | None:
        """None while the sandbox runs; its exit code, or 0 where that is not known, once it does not."""
        if self.process is not None and self.process.alive():
            return None
        code = 0
        if self._outer is not None:
            # Bubblewrap's outer process ends with the inner one, a moment later.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = await asyncio.to_thread(self._outer.wait, 2)
            self._outer = None
        self.clear_state()
        return code

    async def _signal(self, sig: int) -> bool:
        """Signal the sandbox's first process, and never another one that got its pid."""
        if self.process is None or not sig:
            return self.process is not None and self.process.alive()
        return processes.end(self.process) if sig == signal.SIGKILL else self.process.signal(sig)

    async def stop(self, now: bool = False) -> None:
        """End the sandbox with all that is in it. Returns once it is gone."""
        await super().stop(now)
        self.forget()
