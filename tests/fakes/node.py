"""A control plane's container of which there is no more than /var/lib, and an engine that knows this one alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.engine import Engine
from clusters.exec import CommandError, Completed
from clusters.kind.layout import Layout
from clusters.kind.nodes import NODE_FILES

LIB = "/var/lib"


@dataclass(frozen=True, slots=True)
class _Client(Engine):
    node: OneNode

    def run(self, *args: str | Path, timeout: float) -> Completed:
        return self.node.run([str(a) for a in args])


class OneNode:
    """A container that keeps its /var/lib in a folder and runs `exchange` when it starts, with an engine of its own.

    The command that has the number `fails` among all that were given (from 1) raises `fault`, done or not as `done`
    says.
    """

    def __init__(self, layout: Layout, lib: Path) -> None:
        """It runs, and /var/lib is `lib`."""
        self.engine: Engine = _Client("docker", Path("docker"), self)
        self.layout, self.lib, self.running = layout, lib, True
        self.asked, self.fails, self.done = 0, 0, False
        self.fault: BaseException = CommandError(["docker"], "no space left on device", 1)

    def run(self, args: Sequence[str]) -> Completed:
        """What `nodes` asks of an engine for a restore."""
        self.asked += 1
        if self.asked == self.fails and not self.done:
            raise self.fault
        said = self._obey(*args)
        if self.asked == self.fails:
            raise self.fault
        return Completed(said, "")

    def _obey(self, what: str, *args: str) -> str:
        if what == "ps":
            state = "running" if self.running else "exited"
            return self.layout.control_plane if args[-1] == "{{.Names}}" else f"{self.layout.kind_name} {state}"
        if what == "stop":
            self.running = False
        elif what == "start":
            if not self.running:
                self._shell(str(NODE_FILES / "exchange"), str(self.lib))
            self.running = True
        elif what == "cp":
            source, goal = (Path(a.replace(f"{self.layout.control_plane}:{LIB}", str(self.lib))) for a in args)
            # As the engines have it, a folder goes into one that is there.
            if source.is_dir():
                shutil.copytree(source, goal / source.name if goal.exists() else goal)
            else:
                shutil.copy(source, goal)
        elif what == "exec":
            if not self.running:
                raise CommandError(["docker", what], "container is not running", 1)
            # The owner may be anybody here.
            command = (a.replace(LIB, str(self.lib)).replace("0:0", "$(id -u)") for a in args[1:])
            self._shell("-c", '"$@"', "sh", *command)
        else:
            raise CommandError(["docker", what], "this fake does not know it", 1)
        return ""

    def _shell(self, *args: str) -> None:
        done = subprocess.run([str(shutil.which("sh")), *args], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(["sh", *args], done.stderr, done.returncode)
