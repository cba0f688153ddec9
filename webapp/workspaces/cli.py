"""`seatrial workspace …`."""

from __future__ import annotations

import json

import click
from rich.console import Console

from clusters.tools.cli import faults, interruptible


@click.group()
def workspace() -> None:
    """What students work in, where it is a container."""


@workspace.command()
@click.option(
    "--base", metavar="IMAGE", help="Make it from this image, of a Debian with apt, in place of Debian's own."
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def build(base: str | None, output: str) -> None:
    """Make the image of the workspaces' programs, unless it is there.

    Where no registry answers, the Debian that it is made from is made of Debian's packages.
    """
    from clusters.engine import find
    from clusters.tools.watch import watching
    from webapp.workspaces.containers import image

    with faults(), interruptible(), watching(Console(stderr=True)) as watch:
        made = image.build(find(), watch, base)
    click.echo(json.dumps({"image": made}, indent=2) if output == "json" else f"Workspaces run {made}.")
