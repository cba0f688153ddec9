"""The commands `seatrial lab …` and `seatrial demo`.

What they call is imported when they are called, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from clusters.errors import ClusterError
from grader.model import ClusterUnreachable, GraderError

_P = ParamSpec("_P")
FULL, LOST, BAD, NO_CLUSTER, INTERRUPTED = 0, 1, 2, 3, 130


def told(command: Callable[_P, None]) -> Callable[_P, None]:
    """Turn what can go wrong into one sentence on stderr and an exit code."""

    @wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            sys.exit(INTERRUPTED)
        except (ClusterError, ClusterUnreachable) as fault:
            click.echo(f"Error: {fault}", err=True)
            sys.exit(NO_CLUSTER)
        except GraderError as fault:
            click.echo(str(fault) if "\n" in str(fault) else f"Error: {fault}", err=True)
            sys.exit(BAD)

    return wrapper


@click.group()
def lab() -> None:
    """Find, start, write and prove labs."""


@lab.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@told
def list_labs(output: str) -> None:
    """Show every lab."""
    from proving.shelf import listing

    click.echo(listing(output), nl=False)


@lab.command()
@click.argument("slug")
@click.option("--student", default="student", show_default=True, help="Whose variant of the lab to show.")
@click.option("--width", type=int, hidden=True)
@told
def show(slug: str, student: str, width: int | None) -> None:
    """Show what the student reads, and the tasks with their points."""
    from proving.shelf import page

    click.echo(page(slug, student, width), nl=False)


@lab.command()
@click.argument("slug")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Folder of labs. Default: ./labs.")
@told
def new(slug: str, into: Path | None) -> None:
    """Write a small working lab to start from."""
    from grader.lint import new as write

    folder = write(slug, into or Path("labs"))
    click.echo(f"{folder} is a lab that works as it stands. Change it, then:\n")
    click.echo(f"  seatrial lab lint {folder}    every fault at once\n  seatrial lab test {folder}    prove it")


@lab.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "everything", is_flag=True, help="Every lab.")
@told
def lint(slugs: tuple[str, ...], everything: bool) -> None:
    """Tell every fault of a lab's files, with file and line. Needs no cluster."""
    from grader.lint import lint as faults_of
    from proving.shelf import chosen

    folders = chosen(slugs, everything)
    faults = [fault for folder in folders for fault in faults_of(folder)]
    for fault in faults:
        click.echo(str(fault))
    count = f"{len(folders)} lab{'s' if len(folders) != 1 else ''}"
    click.echo(f"{count}: {len(faults) or 'no'} fault{'s' if len(faults) != 1 else ''}.", err=True)
    sys.exit(BAD if faults else FULL)


@lab.command()
@click.argument("slug")
@click.option("--cluster", help="A cluster of `seatrial cluster list`. Default: the only one.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="A cluster of your own, instead of --cluster.",
)
@click.option("--student", help="The student's name there; with --kubeconfig only.")
@click.option("--reset", is_flag=True, help="Remove everything that belongs to the lab, and begin anew.")
@told
def start(slug: str, cluster: str | None, kubeconfig: Path | None, student: str | None, reset: bool) -> None:
    """Put a lab into a cluster and say what to do next. Your work is left alone unless you ask for --reset."""
    from proving.begin import begin

    if cluster and kubeconfig:
        raise click.UsageError("give either --cluster or --kubeconfig")
    if student and not kubeconfig:
        raise click.UsageError("--student goes with --kubeconfig; a cluster of seatrial's knows its student")
    click.echo(begin(slug, cluster, kubeconfig, student, reset=reset), nl=False)


@lab.command("test")
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "everything", is_flag=True, help="Every lab.")
@click.option("--cluster", help="Use this cluster, one lab after another. Default: fresh ones, removed in the end.")
@click.option(
    "--provider", default="kwok", show_default=True, help="What makes fresh clusters; with kind, probes run for real."
)
@click.option("--times", type=click.IntRange(1), default=10, show_default=True, help="How often to apply the solution.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="How many fresh clusters at a time. Default: two for each processor, one where Pods are real.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("-v", "--verbose", is_flag=True, help="Show what was explained and skipped, too.")
@told
def prove(  # noqa: PLR0917 - click's options, passed by name
    slugs: tuple[str, ...],
    everything: bool,
    cluster: str | None,
    provider: str,
    times: int,
    jobs: int | None,
    output: str,
    verbose: bool,
) -> None:
    """Prove labs on a real control plane: 0 untouched, full marks solved, known mistakes, mutants."""
    from proving.prove import prove_all
    from proving.shelf import chosen
    from proving.table import rendered

    verdicts = prove_all(chosen(slugs, everything), cluster=cluster, provider=provider, times=times, jobs=jobs)
    click.echo(rendered(verdicts, output, verbose=verbose), nl=False)
    sys.exit(FULL if all(v.proved for v in verdicts) else LOST)


@click.command()
@click.option("--lab", "slug", default="services", show_default=True, help="The lab to show.")
@told
def demo(slug: str) -> None:
    """The main job from end to end: a cluster, a lab, a mistake explained, the solution, a grade. Then all is gone."""
    from proving.demo import run

    sys.exit(FULL if run(slug) else LOST)
