"""Verdicts as a table, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
from rich import box
from rich.table import Table

from grader.labfile import Fault as Place
from proving.shelf import text
from proving.verdict import Verdict, as_json


def rendered(verdicts: Sequence[Verdict], output: str, *, verbose: bool) -> str:
    """The verdicts; `verbose` adds what was explained and what was skipped."""
    if output == "json":
        return orjson.dumps([as_json(v) for v in verdicts], option=orjson.OPT_INDENT_2).decode() + "\n"
    lines = "".join(f"{line}\n" for one in verdicts for line in _lines(one, verbose))
    return text(_table(verdicts)) + lines


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("lab")
    for column in ("points", "solved", "mistakes", "mutants noticed", "free", "grading", "in all"):
        table.add_column(column, justify="right")
    table.add_column("")
    for one in verdicts:
        mutation = one.mutation
        table.add_row(
            one.lab,
            f"{one.points:g}" + (f" - {one.skipped_points:g}" if one.skipped_points else ""),
            f"{one.solved} of {one.attempts}",
            f"{sum(m.as_named for m in one.mistakes)} of {len(one.mistakes)}",
            f"{mutation.noticed} of {mutation.made - len(mutation.free)}",
            f"{len(mutation.free)}",
            f"{one.grading:.2f} s",
            f"{one.seconds:.0f} s",
            "[green]proved[/green]" if one.proved else "[red]not proved[/red]",
        )
    return table


def _lines(verdict: Verdict, verbose: bool) -> Iterator[str]:
    """One line a fault, `file:line: what`; then what is no fault."""
    for fault in verdict.faults:
        yield str(Place(fault.file, fault.line, f"{fault.step}: {fault.message}"))
    if verbose:
        for gap in verdict.mutation.free:
            yield str(Place(gap.file, gap.line, f"free: {gap.what} ({gap.note})"))
        for skipped in verdict.skipped:
            yield f"{verdict.lab}: skipped: {skipped}"
    elif verdict.skipped:
        count = f"{len(verdict.skipped)} check{'s were' if len(verdict.skipped) != 1 else ' was'}"
        yield f"{verdict.lab}: {count} skipped, for want of a capability of this cluster (-v lists them)."
