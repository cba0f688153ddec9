"""`seatrial node-image …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from clusters.tools.cli import faults, interruptible


@click.group("node-image")
def node_image() -> None:
    """The image of a kind node, and the labs' images, where no container registry can be reached."""


@node_image.command()
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.tar",
    help="Write all of them into this file too, for `seatrial images load` on another machine.",
)
@click.option("--mirror", metavar="URL", help="Fetch Debian's packages from here.")
@click.option("-o", "--format", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def build(file: Path | None, mirror: str | None, output: str) -> None:
    """Make the node image and the labs' images, from Debian's packages and the pinned Go modules.

    What was made before is found again; a build that was ended goes on where it was.
    """
    from clusters.engine import find
    from clusters.errors import PermanentError
    from clusters.kind.images import write
    from clusters.tools.watch import watching
    from nodeimage.building import build as make

    with faults(), interruptible(), watching(Console(stderr=True)) as watch:
        if file is not None and not file.absolute().parent.is_dir():
            raise PermanentError(f"{file.absolute().parent} is no folder: {file.name} cannot be written there")
        engine = find()
        result = make(engine, watch, mirror=mirror)
        if file is not None:
            watch.begin("save", f"Writing {file}")
            write(engine, [image.reference for image in result.images], file.absolute())
            watch.end("save", f"Wrote {file}: {file.stat().st_size / 1e6:.0f} MB")
    rows = [{"image": i.reference, "bytes": i.size, "holds": i.holds, "made": i.fresh} for i in result.images]
    if output == "json":
        click.echo(json.dumps({"images": rows, "kept": list(result.kept)}, indent=2))
        return
    table = Table("IMAGE", "SIZE", "MADE", "HOLDS", box=None, pad_edge=False)
    for row in result.images:
        table.add_row(row.reference, f"{row.size / 1e6:.0f} MB", "now" if row.fresh else "before", row.holds)
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)
    for reference in result.kept:
        click.echo(f"{reference} was there already, from elsewhere, and was left alone.")
