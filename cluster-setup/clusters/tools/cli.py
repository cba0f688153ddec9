"""`seatrial tools …` and `seatrial doctor`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from clusters.errors import ClusterError, PermanentError
from clusters.tools import cache
from clusters.tools.pins import pinned

OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
# What a shell says of a command that was interrupted.
INTERRUPTED = 130


@click.group()
def tools() -> None:
    """The upstream programs that seatrial runs: pinned, and kept in your cache directory."""


@tools.command("install")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--from",
    "way",
    type=click.Choice(["auto", "download", "build"]),
    default="auto",
    show_default=True,
    help="Official releases, or built with Go; auto builds what the network does not reach.",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="HOST=URL",
    help="Ask URL instead of https://HOST, e.g. dl.k8s.io=https://mirror.example/k8s.",
)
@click.option(
    "--github-token",
    envvar="GITHUB_TOKEN",
    help="Shown to api.github.com alone, which limits how often strangers may ask.  [env: GITHUB_TOKEN]",
)
def install_command(names: tuple[str, ...], way: Any, mirrors: tuple[str, ...], github_token: str | None) -> None:
    """Install the pinned programs, all of them or those named. What is there already is left alone."""
    from clusters.tools.download import Source
    from clusters.tools.install import install
    from clusters.tools.watch import watching

    console = Console(stderr=True)
    root = cache.folder()
    with faults(), interruptible(), watching(console) as watch:
        try:
            pins = pinned()
            pins.choose(names)
        except PermanentError as fault:
            raise click.UsageError(str(fault)) from fault
        source = Source(mirrors=dict(map(_mirror, mirrors)), github_token=github_token)
        done = install(names, way, pins=pins, root=root, source=source, watch=watch)
    parts = [(done.present, "already there"), (done.downloaded, "downloaded"), (done.built, "built")]
    told = ", ".join(f"{len(some)} {how}" for some, how in parts if some)
    count = sum(len(some) for some, _ in parts)
    click.echo(f"{count} program{'s' * (count != 1)} in {root}: {told}.")


@tools.command("list")
@OUTPUT
def list_command(output: str) -> None:
    """List the pinned programs, their versions, and where they lie."""
    with faults():
        root = cache.folder()
        rows: list[dict[str, Any]] = []
        for program in pinned().programs.values():
            path = cache.place(root, program)
            rows.append(
                {
                    "name": program.name,
                    "version": program.version,
                    "installed": path.is_file(),
                    "path": str(path),
                    "release": program.asset.url if program.asset else None,
                }
            )
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("NAME", "VERSION", "INSTALLED", "PATH", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["version"], "yes" if row["installed"] else "no", str(_home(Path(row["path"]))))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@click.command()
@OUTPUT
@click.option("--network", is_flag=True, help="Also ask each host of the releases whether it answers.")
def doctor(output: str, network: bool) -> None:
    """Check every need of every feature, and print the one command that mends each.

    Exit code 0 where everything required is there, 1 otherwise.
    """
    from clusters.tools.doctor import examine

    with faults():
        rows = examine(network=network)
    lacking = [row for row in rows if row.outcome == "missing"]
    if output == "json":
        fields = ("need", "feature", "outcome", "found", "mend")
        click.echo(json.dumps([{field: getattr(row, field) for field in fields} for row in rows], indent=2))
    else:
        for row in rows:
            sign = {"ok": "✓", "missing": "✗", "optional": "-"}[row.outcome]
            click.echo(f"{sign} {row.need}: {row.found}")
            if row.outcome != "ok":
                click.echo(f"    needed for {row.feature}; {row.outcome}. To mend it:\n    $ {row.mend}")
        optional = sum(row.outcome == "optional" for row in rows)
        verdict = f"{len(lacking)} required missing" if lacking else "Everything required is there"
        click.echo(f"{verdict}; {optional} optional not there." if optional else f"{verdict}.")
    sys.exit(1 if lacking else 0)


@contextmanager
def faults() -> Iterator[None]:
    """Tell a ClusterError in its one sentence, with exit code 1."""
    try:
        yield
    except ClusterError as fault:
        click.echo(f"seatrial: {fault}", err=True)
        sys.exit(1)


@contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM and a closed terminal for Ctrl-C, and end in a sentence with everything cleared away."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)  # which asyncio knows how to take

    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: interrupt}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under nohup
        handlers[signal.SIGHUP] = interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nseatrial: interrupted; what was finished stays, and the next run goes on from there", err=True)
        sys.exit(INTERRUPTED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mirror(text: str) -> tuple[str, str]:
    host, equals, url = text.partition("=")
    if not (equals and host and url.startswith(("http://", "https://"))):
        raise click.UsageError(f"--mirror {text}: write HOST=URL, as in dl.k8s.io=https://mirror.example/k8s")
    return host, url


def _home(path: Path) -> Path:
    return Path("~") / path.relative_to(Path.home()) if path.is_relative_to(Path.home()) else path
