"""Where each thing of a workspace lies. Everything here is the platform's, but for what is in the home."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A Unix socket's path, in bytes, at most (sun_path, less its final NUL).
LONGEST = 107


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one user's workspace. The student's sandbox sees `shared`, read-only, and the home."""

    root: Path
    user_id: int

    @property
    def home(self) -> Path:
        """The home, or, where homes are images, the empty folder that the sandbox mounts it on."""
        return self.root / "home"

    @property
    def image(self) -> Path:
        """The file system of a home of fixed size. The platform never looks into it."""
        return self.root / "home.img"

    @property
    def shared(self) -> Path:
        """What is handed into the sandbox; there it is /run/seatrial."""
        return self.root / "shared"

    @property
    def labs(self) -> Path:
        """One folder for each delivered lab: kubeconfig, README.md, steps.ipynb."""
        return self.shared / "labs"

    @property
    def sockets(self) -> Path:
        """hub.sock, and PORT.sock for each API server that is the student's."""
        return self.shared / "sockets"

    @property
    def servers(self) -> Path:
        """One JSON file for each delivered lab, which says where its API server is: the relay's list."""
        return self.root / "servers"

    @property
    def run(self) -> Path:
        """What belongs to the running sandbox."""
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """Where the notebook server is reached. The sandbox holds the listening end, but has no name for it."""
        return self.run / "server.sock"

    @property
    def door(self) -> Path:
        """Where the relay listens before that, and whither the proxy leads."""
        return self.run / "door.sock"

    @property
    def state(self) -> Path:
        """The running sandbox's first process, as JSON."""
        return self.run / "server.json"

    @property
    def fault(self) -> Path:
        """The sentence with which the platform ended the last sandbox, where it did."""
        return self.run / "fault"

    @property
    def log(self) -> Path:
        """What was said before the sandbox stood."""
        return self.run / "launch.log"

    @property
    def bin(self) -> Path:
        """Links to the upstream programs, for a workspace without a sandbox."""
        return self.run / "bin"

    @property
    def etc(self) -> Path:
        """The sandbox's own passwd, group, hosts and nsswitch.conf."""
        return self.run / "etc"

    def make(self) -> None:
        """Make the folders. The root is for the platform alone; within `shared` the student may read."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.parent.chmod(0o700)
        for folder in (self.root, self.run, self.servers):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.shared, self.labs, self.sockets, self.etc):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)


def of(workspaces: Path, user_id: int) -> Place:
    """The place of one user's workspace below Settings.workspaces."""
    return Place(workspaces / str(user_id), user_id)


def every(workspaces: Path) -> Iterator[Place]:
    """The places that there are, by user id."""
    try:
        names = [path.name for path in workspaces.iterdir()]
    except FileNotFoundError:
        return
    for number in sorted(int(name) for name in names if name.isascii() and name.isdigit()):
        yield of(workspaces, number)


def control(workspaces: Path) -> Path:
    """The socket at which the relay takes the id of a workspace that has changed."""
    return workspaces / "relay.sock"


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Put a file in its place whole, so that nobody reads half of it. One that is the same already stays untouched."""
    try:
        if path.read_text() == text:
            return
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, object]:
    """A JSON object of the platform's own, or {} where there is none."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
