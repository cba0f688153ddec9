"""The command `seatrial`: sub-commands are imported when they are called, so that `seatrial --help` is instant."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

# What the system says of a full disk, and of a user who may have no more of it.
FULL = (errno.ENOSPC, errno.EDQUOT)

# Sub-command -> where its click command lives, and what `seatrial --help` says of it without importing it.
COMMANDS = {
    "audit": ("webapp.platform.cli:audit", "The portal's record of who did what."),
    "cluster": ("clusters.cli:cluster", "Clusters of your own: make, stop, restore and remove them."),
    "down": ("webapp.platform.cli:down", "End the portal and everything that it started."),
    "demo": ("proving.cli:demo", "The main job from end to end, in a cluster that is gone afterwards."),
    "doctor": ("clusters.tools.cli:doctor", "Check what each feature needs, and how to mend what is missing."),
    "grade": ("grader.cli:grade", "Grade a lab on a cluster."),
    "images": ("proving.images_cli:images", "The container images that labs run: list, fetch, load."),
    "lab": ("proving.cli:lab", "Find, start, write and prove labs."),
    "node-image": ("nodeimage.cli:node_image", "Make the image of kind nodes, and the labs', without a registry."),
    "regrade": ("grader.cli:regrade", "Grade once more from an evidence file, without a cluster."),
    "status": ("webapp.platform.cli:status", "Tell how the portal and its processes do."),
    "tools": ("clusters.tools.cli:tools", "Install and list the upstream programs."),
    "user": ("webapp.accounts.cli:user", "The portal's users: add, import a class, new passwords."),
    "up": ("webapp.platform.cli:up", "Start the portal: labs in the browser."),
    "workspace": ("webapp.workspaces.cli:workspace", "The image of what students work in, where that is a container."),
}


class LazyGroup(click.Group):
    """A group that imports a sub-command only when it is asked for."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and tell a disk that is full under standard output in one sentence; exit code 2."""
        try:
            return super().main(*args, **kwargs)
        except OSError as fault:
            if fault.errno not in FULL:
                raise
            what = fault.filename or "what this command prints"
            click.echo(f"seatrial: the disk is full and does not take {what}; free some and run it again", err=True)
            # What is left in the buffer would be tried once more at the end, and make that a fault of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(2)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every sub-command."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the sub-command, or None where there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        target, _ = COMMANDS[cmd_name]
        module, attribute = target.split(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as fault:
            if not module.startswith("webapp.") or (fault.name or "").startswith("webapp"):
                raise
            raise click.ClickException(
                f"`seatrial {cmd_name}` needs the portal's packages ({fault.name} is missing): "
                "pip install 'seatrial[portal]'"
            ) from fault
        if not isinstance(command, click.Command):
            raise TypeError(f"{target} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in sorted(COMMANDS.items())])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seatrial", prog_name="seatrial")
def main() -> None:
    """Kubernetes labs: a cluster of one's own, and grades that say why."""
