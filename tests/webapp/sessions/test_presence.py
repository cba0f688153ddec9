"""Ending the workspaces that nobody needs: one that does not end keeps none of the others."""

from __future__ import annotations

import pytest

from tests.fakes.sessions import FakeWorkspaces, Fuse, HandCrew, World
from webapp.errors import PortalError
from webapp.sessions.reconciler.preparing import Doors
from webapp.sessions.reconciler.presence import Presence


class Stuck(FakeWorkspaces):
    """The first workspace that is to end does not, whichever it is."""

    stuck: str | None = None

    def stop(self, user: str) -> None:
        self.stuck = self.stuck or user
        if user == self.stuck:
            raise PortalError(f"the workspace of {user} does not stop")
        super().stop(user)


def test_a_workspace_that_does_not_end_is_told_and_the_others_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    workspaces, crew = Stuck(Fuse()), HandCrew(lambda: seconds)
    seconds = 0.0
    doors = Doors(workspaces, crew.aside)
    presence = Presence(world.database, workspaces, doors, crew, places=4, idle_minutes=30, clock=lambda: seconds)
    workspaces.opened = {"ada", "eve", "mary"}
    presence.look()
    seconds += 31 * 60
    presence.look()
    assert workspaces.opened == {workspaces.stuck}
    assert f"the workspace of {workspaces.stuck} does not stop" in caplog.text
