"""The command `seatrial`: sub-commands are imported when they are called, so that `seatrial --help` is instant."""

from __future__ import annotations

import importlib

import click

# Sub-command -> where its click command lives.
COMMANDS = {
    "cluster": "clusters.cli:cluster",
    "demo": "proving.cli:demo",
    "doctor": "clusters.tools.cli:doctor",
    "grade": "grader.cli:grade",
    "lab": "proving.cli:lab",
    "regrade": "grader.cli:regrade",
    "tools": "clusters.tools.cli:tools",
}


class LazyGroup(click.Group):
    """A group that imports a sub-command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name every sub-command."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the sub-command, or None where there is no such one."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, attribute = target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{target} is not a click command")
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seatrial", prog_name="seatrial")
def main() -> None:
    """Kubernetes labs: a cluster of one's own, and grades that say why."""
