"""A word to the relay that something changed, so that nobody waits for its next look."""

from __future__ import annotations

import socket
from pathlib import Path

from webapp.workspaces import places

# In seconds. A relay that does not answer finds the change by itself.
PATIENCE = 2.0


def poke(workspaces: Path, user_id: int) -> bool:
    """Have the relay look at one workspace now. False where it does not answer; then it looks by itself later."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(str(places.control(workspaces)))
            asking.sendall(f"{user_id}\n".encode())
            return asking.recv(16) == b"done\n"
    except OSError:
        return False
