"""`seatrial up`, `seatrial down`, `seatrial status`, `seatrial audit`."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clusters.errors import ClusterError
from clusters.progress import interruptible
from clusters.tools.watch import watching
from grader.reports.shown import plain
from webapp.errors import PortalError
from webapp.platform.operations import Ended, SignIn
from webapp.platform.standing import Status
from webapp.settings import from_environment

OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
FAILED, INTERRUPTED = 1, 130


@contextmanager
def _told() -> Iterator[None]:
    """Tell a fault in its sentence, and Ctrl-C."""
    try:
        with interruptible():
            yield
    except (PortalError, ClusterError) as fault:
        click.echo(f"seatrial: {fault}", err=True)
        sys.exit(FAILED)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the command `seatrial` tells of a full disk
        click.echo(f"seatrial: {fault.filename or 'the portal'}: {fault.strerror or fault}", err=True)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        click.echo("seatrial: interrupted; what was being started is ended again", err=True)
        sys.exit(INTERRUPTED)


@click.command()
@OUTPUT
def up(output: str) -> None:
    """Start the portal: a lab in the browser. Returns when it answers.

    What it needs is installed, the database is brought up to date, and where there are no users yet a student and an
    instructor are made, whose passwords are shown this once. Exit code 0: it runs. 1: it does not, with a sentence.
    """
    from clusters import registry
    from webapp.platform import operations

    fresh: list[SignIn] = []

    def made(users: list[SignIn]) -> None:
        fresh.extend(users)
        if output == "table":  # at once, since they are shown only now, whatever comes after
            click.echo("Two users to try it with. Their passwords are shown this once:")
            for user in users:
                click.echo(f"    {user.name:<12} {user.password}")

    with _told():
        settings = from_environment()
        if settings.provider == "auto":
            settings = from_environment(provider=registry.automatic()[0])
        with watching(Console(stderr=True)) as watch:
            started = operations.up(settings, watch, made)
        if output == "json":
            users = [{"name": user.name, "password": user.password, "role": user.role} for user in fresh]
            fields = {"address": started.address, "already": started.already, "users": users}
            click.echo(json.dumps({**fields, "warnings": list(started.warnings)}, indent=2))
            return
        state = "runs already at" if started.already else "runs at"
        click.echo(f"The portal {state} {started.address}; `seatrial down` ends it.")
        for warning in started.warnings:
            click.echo(f"! {warning}")
        if settings.sign_in_elsewhere:
            click.echo(f"Who comes signs in by {settings.authenticator}.")
        elif not fresh and not started.already:
            click.echo("Sign in as one of your users; `seatrial user passwd NAME` gives somebody a new password.")


@click.command()
@click.option("--remove-clusters", is_flag=True, help="Remove the portal's clusters, and what students did in them.")
@OUTPUT
def down(remove_clusters: bool, output: str) -> None:
    """End everything of the portal, also what a crash left; its clusters are stopped and keep their state."""
    from webapp.platform import operations

    with _told():
        with watching(Console(stderr=True)) as watch:
            ended = operations.down(from_environment(), watch, remove_clusters=remove_clusters)
        if output == "json":
            fields = ("was_running", "processes", "stopped", "removed", "faults")
            click.echo(json.dumps({name: getattr(ended, name) for name in fields}, indent=2))
        else:
            click.echo(_ended(ended))
            for fault in ended.faults:
                click.echo(f"seatrial: {fault}", err=True)
        sys.exit(FAILED if ended.faults else 0)


@click.command()
@OUTPUT
def status(output: str) -> None:
    """Tell whether the portal runs, and how each of its processes does.

    Exit code 0: everything runs. 1: something does not, or nothing runs.
    """
    from webapp.platform import needs, standing

    with _told():
        found = standing.status(from_environment())
        lacking = [row for row in needs.examine() if row.outcome != "ok"]
    if output == "json":
        rows = [{"need": row.need, "outcome": row.outcome, "found": row.found, "mend": row.mend} for row in lacking]
        click.echo(json.dumps({**found.document(), "needs": rows}, indent=2))
    else:
        _print(found)
        for row in lacking:
            click.echo(f"! {row.need}: {row.found}. To mend it:\n    $ {row.mend}")
    sys.exit(0 if found.healthy else FAILED)


def _ended(ended: Ended) -> str:
    parts = ["The portal is down" if ended.was_running else "The portal was not running"]
    if ended.processes:
        parts.append(f"{ended.processes} processes that nobody watched were ended")
    for names, what in ((ended.stopped, "stopped"), (ended.removed, "removed")):
        if names:
            parts.append(f"{len(names)} cluster{'s' * (len(names) > 1)} {what}")
    return "; ".join(parts) + "."


def _print(found: Status) -> None:
    if not found.running:
        click.echo(f"The portal of {found.data} is not running; `seatrial up` starts it.")
        if found.left:
            click.echo(f"! {found.fault}: {', '.join(map(str, found.left))}")
        return
    click.echo(f"{found.address}    {found.data}")
    table = Table("PROCESS", "STATE", "PID", "SINCE", "RESTARTS", "MEMORY", "", box=None, pad_edge=False)
    for each in found.processes:
        memory = f"{each.memory / 2**20:.0f} MiB" if each.memory else ""
        table.add_row(
            each.name, each.state, str(each.pid or ""), _since(each.seconds), str(each.restarts), memory, each.does
        )
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)
    total = sum(each.memory for each in found.processes)
    click.echo(f"{total / 2**20:.0f} MiB in all. RESTARTS are those of the last five minutes.")
    for each in found.processes:
        if each.fault:
            click.echo(f"! {each.fault}")
    if found.clusters:
        click.echo(_clusters(found))
    if found.fault and not found.faults and not any(each.fault for each in found.processes):
        click.echo(f"! {found.fault}")
    for fault in found.faults:
        click.echo(f"! {fault}")


def _clusters(found: Status) -> str:
    health = found.clusters
    assert health is not None  # noqa: S101 - asked before
    parts = [f"Clusters: {health.used} of {health.places} in use", f"{health.ready} ready"]
    parts.append(f"{health.asleep} asleep")
    if health.waiting:
        parts.append(f"{health.waiting} waited for")
    return f"{', '.join(parts)}; {found.disk / 2**20:.0f} MiB on the disk."


@click.command()
@click.option("-n", "number", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest first.")
@click.option("--user", "name", help="Only what this user did, or what was done to them.")
@OUTPUT
def audit(number: int, name: str | None, output: str) -> None:
    """Tell who did what: sign-ins, labs, grades, users, and what the platform did by itself."""
    from webapp.accounts import record
    from webapp.database import Database

    with _told():
        database = Database(from_environment().database_url)
        try:
            with database.reading() as db:
                found = record.newest(db, number, name)
        finally:
            database.close()
    if output == "json":
        click.echo(json.dumps([line.document() for line in found], indent=2))
        return
    table = Table("WHEN", "WHO", "WHAT", "OF", "", box=None, pad_edge=False)
    for line in found:
        more = " ".join(f"{key}={value}" for key, value in line.detail.items())
        cells = (f"{line.at:%Y-%m-%d %H:%M:%S}Z", line.actor, line.action, line.subject, more)
        table.add_row(*(escape(plain(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)


def _since(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
