"""The commands `seatrial images …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from proving.cli import told

LABS = click.argument("slugs", nargs=-1, metavar="[LAB]...")
OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)


@click.group()
def images() -> None:
    """The container images that labs run, on this machine: list, fetch, load. Clusters of kind take them from here."""


def _folders(slugs: tuple[str, ...]) -> list[Path]:
    from proving.shelf import chosen

    return chosen(slugs, not slugs)


@images.command("list")
@LABS
@OUTPUT
@told
def list_command(slugs: tuple[str, ...], output: str) -> None:
    """List the images of the labs, all of them or those named, and whether this machine has them."""
    from proving.images import listed

    rows = listed(_folders(slugs))
    if output == "json":
        fields = [{"image": r.reference, "labs": list(r.labs), "here": r.here, "holds": r.holds} for r in rows]
        click.echo(json.dumps(fields, indent=2))
        return
    table = Table("IMAGE", "HERE", "LABS", "HOLDS", box=None, pad_edge=False)
    for row in rows:
        here = {True: "yes", False: "no", None: "?"}[row.here]
        table.add_row(row.reference, here, ", ".join(row.labs), row.holds)
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)


@images.command()
@LABS
@told
def pull(slugs: tuple[str, ...]) -> None:
    """Fetch the images of the labs from their registries, those that this machine lacks."""
    from clusters.tools.watch import watching
    from proving.images import pull as fetch

    with watching(Console(stderr=True)) as watch:
        fetched, there = fetch(_folders(slugs), watch)
    click.echo(f"{len(fetched)} fetched, {len(there)} already there.")


@images.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE.tar...", type=click.Path(path_type=Path, dir_okay=False)
)
@told
def load(files: tuple[Path, ...]) -> None:
    """Take images from files, such as `seatrial node-image build --output` writes."""
    from clusters.tools.watch import watching
    from proving.images import load as take

    with watching(Console(stderr=True)) as watch:
        names = take(files, watch)
    for name in names:
        click.echo(name)
