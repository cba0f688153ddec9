"""`seatrial cluster …`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from clusters import registry, store
from clusters.errors import ClusterError, PermanentError
from clusters.model import Cluster, ClusterSpec, Identity
from clusters.progress import interruptible, shown

# Exit codes: no cluster, and what a shell says of a command that was interrupted.
NO_CLUSTER = 3
INTERRUPTED = 130


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        store.folder(value)
    except PermanentError as fault:
        raise click.BadParameter(str(fault)) from fault
    return value


NAME = click.argument("name", callback=_name)
OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def cluster() -> None:
    """Kubernetes clusters of your own: a real control plane, in seconds, without a container engine."""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Show progress, clear up on Ctrl-C, and tell a fault in its one sentence."""
    try:
        with interruptible(), shown(what):
            yield
    except ClusterError as fault:
        click.echo(f"seatrial: {fault}", err=True)
        sys.exit(NO_CLUSTER)
    except KeyboardInterrupt:
        click.echo("seatrial: interrupted; nothing half made was left", err=True)
        sys.exit(INTERRUPTED)


def _fields(one: Cluster) -> dict[str, Any]:
    return {
        "name": one.name,
        "provider": one.provider,
        "state": one.state,
        "server": one.server,
        "student": one.student,
        "created": one.created,
        "folder": str(one.folder),
    }


def _clusters() -> list[Cluster]:
    return sorted((c for p in registry.providers() for c in registry.provider(p).list()), key=lambda c: c.name)


def _print(output: str, fields: dict[str, Any], sentence: str) -> None:
    click.echo(json.dumps(fields, indent=2) if output == "json" else sentence)


def _changed(name: str, output: str, sentence: str) -> None:
    state = next((c.state for c in _clusters() if c.name == name), None)
    _print(output, {"name": name, "state": state}, sentence)


@cluster.command()
@NAME
@click.option("--provider", default="auto", show_default=True, help="kwok, kind, existing, or another.")
@click.option("--student", default="student", show_default=True, help="The student's user name.")
@click.option("--kubeconfig", type=FILE, help="For the provider existing: the cluster's kubeconfig.")
@click.option("--student-kubeconfig", type=FILE, help="For the provider existing: the student's, if it is another.")
@click.option("--nodes", type=click.IntRange(1, 50), help="How many.  [default: 3 with kwok, 1 with kind]")
@click.option("--with", "extras", multiple=True, metavar="EXTRA", help="Install this too: ingress (with kind).")
@click.option("--keep-on-failure", is_flag=True, help="Leave a half-made cluster behind, to look at its logs.")
@OUTPUT
def up(name: str, provider: str, extras: tuple[str, ...], keep_on_failure: bool, output: str, **spec: Any) -> None:
    """Make the cluster NAME; it can be used when this returns."""
    begun = time.monotonic()
    if provider == "auto" and spec["kubeconfig"] is not None:
        provider = "existing"
    with _told(f"Making cluster {name}"):
        chosen = registry.provider(provider)
        asked = ClusterSpec(name, extras=frozenset(extras), **spec)
        made = chosen.create(asked, keep_on_failure=keep_on_failure)
        student, admin = chosen.kubeconfig(name, "student"), chosen.kubeconfig(name, "admin")
    took = f"{made.provider}, {time.monotonic() - begun:.1f} s"
    _print(
        output,
        {**_fields(made), "kubeconfig": {"student": str(student), "admin": str(admin)}},
        f"Cluster {name} is ready ({took}). To work in it as {made.student}:\n    export KUBECONFIG={student}",
    )


@cluster.command("list")
@OUTPUT
def list_command(output: str) -> None:
    """List every cluster and its state: running, stopped or broken. Exits with 3 where one's record is damaged."""
    with _told("Looking"):
        found, damaged = _clusters(), store.unreadable()
    if output == "json":
        click.echo(json.dumps([_fields(c) for c in found], indent=2))
    else:
        table = Table("NAME", "PROVIDER", "STATE", "STUDENT", "SERVER", "CREATED", box=None, pad_edge=False)
        for one in found:
            table.add_row(one.name, one.provider, one.state, one.student, one.server, one.created)
        Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)
    for fault in damaged:
        click.echo(f"seatrial: {fault}", err=True)
    if damaged:
        sys.exit(NO_CLUSTER)


@cluster.command()
@NAME
@click.option("--as", "identity", type=click.Choice(["student", "admin"]), default="student", show_default=True)
@click.option("--path", is_flag=True, help="Print where the file is instead of what is in it.")
@OUTPUT
def kubeconfig(name: str, identity: Identity, path: bool, output: str) -> None:
    """Print a kubeconfig of the cluster NAME."""
    with _told("Looking"):
        file = registry.owner(name).kubeconfig(name, identity)
    if path:
        _print(output, {"path": str(file)}, str(file))
        return
    if output == "json":
        import yaml

        click.echo(json.dumps(yaml.safe_load(file.read_text()), indent=2))
        return
    click.echo(file.read_text(), nl=False)


@cluster.command()
@NAME
@OUTPUT
def stop(name: str, output: str) -> None:
    """End the processes of the cluster NAME and keep its state."""
    with _told(f"Stopping cluster {name}"):
        registry.owner(name).stop(name)
    _changed(name, output, f"Cluster {name} is stopped; `seatrial cluster start {name}` runs it again.")


@cluster.command()
@NAME
@OUTPUT
def start(name: str, output: str) -> None:
    """Run the cluster NAME again, or what of it does not run."""
    with _told(f"Starting cluster {name}"):
        registry.owner(name).start(name)
    _changed(name, output, f"Cluster {name} is running.")


@cluster.command()
@NAME
@click.argument("file", type=FILE)
@OUTPUT
def snapshot(name: str, file: Path, output: str) -> None:
    """Write the whole state of the cluster NAME into FILE."""
    with _told(f"Taking a snapshot of cluster {name}"):
        registry.owner(name).snapshot(name, file)
    size = file.stat().st_size
    _print(output, {"name": name, "file": str(file), "bytes": size}, f"{file}: {size / 1e6:.1f} MB.")


@cluster.command()
@NAME
@click.argument("file", type=FILE)
@OUTPUT
def restore(name: str, file: Path, output: str) -> None:
    """Put the cluster NAME into the state that FILE holds."""
    with _told(f"Restoring cluster {name}"):
        registry.owner(name).restore(name, file)
    _changed(name, output, f"Cluster {name} is running, in the state of {file}.")


@cluster.command()
@NAME
@OUTPUT
def down(name: str, output: str) -> None:
    """Remove the cluster NAME and everything of it. One that is not there is no fault."""
    with _told(f"Removing cluster {name}"):
        there = store.folder(name).exists()
        try:
            removers = [registry.owner(name)]
        except PermanentError:  # no record, or one that cannot be read: they need none
            removers = [registry.provider(own) for own in registry.OWN]
        for remover in removers:
            remover.delete(name)
    _print(
        output,
        {"name": name, "removed": there},
        f"Cluster {name} is gone." if there else f"There was no cluster {name}.",
    )
