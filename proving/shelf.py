"""The labs that there are, and one of them as its student reads it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich import box
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table

from grader import labfile
from grader.labfile import LabFaults, LoadedLab
from grader.model import LabError


def chosen(slugs: Sequence[str], everything: bool) -> list[Path]:
    """The folders of labs that are named. Raises LabError for an unknown one, and where none is named."""
    if everything == bool(slugs):
        raise LabError("name the labs (`seatrial lab list` shows them), or all of them with --all")
    if everything:
        found = labfile.catalogue()
        if not found:
            raise LabError("there are no labs here; make one with `seatrial lab new SLUG`")
        return found
    return list(dict.fromkeys(labfile.find(slug) for slug in slugs))


def listing(output: str) -> str:
    """Every lab, as a table or as JSON. A lab that cannot be read is in it, with what is wrong with it."""
    rows = [_row(folder) for folder in labfile.catalogue()]
    if output == "json":
        return orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n"
    if not rows:
        return "There are no labs here; make one with `seatrial lab new SLUG`.\n"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "lab", "what it is about", "level"):
        table.add_column(column)
    for column in ("minutes", "tasks", "points"):
        table.add_column(column, justify="right")
    for row in rows:
        about = row.get("fault") or f"{row['title']}: {row['summary']}"
        figures = [f"{row[k]:g}" if k in row else "" for k in ("minutes", "tasks", "points")]
        table.add_row(str(row["number"]), str(row["slug"]), str(about), str(row.get("level", "")), *figures)
    return text(table)


def _row(folder: Path) -> dict[str, str | float]:
    number, _, slug = folder.name.partition("-")
    try:
        lab = labfile.read(folder)
    except LabFaults as faults:
        worst = next((fault for fault in faults.faults if fault.path.name == "lab.yaml"), faults.faults[0])
        return {"number": number, "slug": slug, "fault": str(worst)}
    spec = lab.spec
    points = sum(task.points for task in spec.tasks)
    return {"number": lab.number, "slug": lab.slug, "title": spec.title, "summary": spec.summary, "level": spec.level,
            "minutes": spec.minutes, "tasks": len(spec.tasks), "points": points}  # fmt: skip


def page(slug: str, student: str, width: int | None) -> str:
    """The student's text with the tasks and their points. Raises LabError."""
    lab = labfile.read(labfile.find(slug), student=student)
    return text(Group(Markdown(lab.readme()), "", tasks(lab)), width)


def tasks(lab: LoadedLab) -> Table:
    """The tasks of a lab with their points."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    total = sum(task.points for task in lab.spec.tasks)
    table.add_column("task", footer="all")
    table.add_column("points", justify="right", footer=f"{total:g}")
    for task in lab.spec.tasks:
        table.add_row(task.title, f"{task.points:g}")
    return table


def text(content: RenderableType, width: int | None = None) -> str:
    """Content as a terminal shows it: in colour where standard output is one, as plain text elsewhere."""
    columns = width or min(shutil.get_terminal_size((100, 24)).columns, 110)
    outside = Console()
    console = Console(file=io.StringIO(), width=columns, force_terminal=outside.is_terminal, highlight=False)
    console.print(content)
    shown = console.file
    assert isinstance(shown, io.StringIO)  # noqa: S101 - what was put there four lines above
    return shown.getvalue()
