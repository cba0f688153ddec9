"""By what the platform's containers are known, also those of which nobody has a record: a Hub may be killed while it
starts one."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from clusters.engine import Engine
from clusters.errors import ClusterError
from webapp.errors import PortalError
from webapp.settings import Settings
from webapp.workspaces.places import Place

# Every workspace's container has this label, with the portal's data folder.
LABEL = "seatrial.workspace"
# For the engine to tell, and to remove, in seconds.
TELLS_WITHIN, REMOVES_WITHIN = 10.0, 60.0
# What it says of a container that it has killed, and is not done with.
GOING = "already in progress"


def name(settings: Settings, place: Place) -> str:
    """The container's name: that of the portal's data folder and of the student in it."""
    portal = hashlib.sha256(os.fsencode(settings.data)).hexdigest()[:8]
    return f"seatrial-{portal}-{place.user_id}"


def remove(settings: Settings, place: Place | None = None) -> None:
    """End and remove the containers of all workspaces, or of one, where Docker answers. Idempotent.

    Raises PortalError for one that stays: it would write into its home beside whoever comes next.
    """
    program = shutil.which("docker")
    if program is None:
        return
    engine = Engine("docker", Path(program))
    asked = ["ps", "--all", "--quiet", "--filter", f"label={LABEL}={settings.data}"]
    if place is not None:
        asked += ["--filter", f"name=^{name(settings, place)}$"]
    try:
        found = engine.run(*asked, timeout=TELLS_WITHIN).stdout.split()
    except ClusterError:
        return  # there is no engine, or it is not ours to ask
    for each in found:
        try:
            engine.run("rm", "--force", "--volumes", each, timeout=REMOVES_WITHIN)
        except ClusterError as fault:
            if GOING not in str(fault):
                raise PortalError(f"the engine does not remove a workspace's container: {fault}") from fault
