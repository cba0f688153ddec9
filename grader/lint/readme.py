"""README.md and the tasks must tell the same story: a section for each task, in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from grader.labfile.faults import Fault, nearest
from grader.labfile.schema import Task

_HEADING = re.compile(r" {0,3}##[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def headings(text: str) -> list[tuple[str, int]]:
    """The headings of level 2 with their lines, from 1; what stands in code blocks is none."""
    found = []
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _HEADING.match(line):
            found.append((heading[1], number))
    return found


def check(path: Path, text: str, tasks: Sequence[Task], faults: list[Fault]) -> None:
    """Add a fault for each task without a section, each section without a task, and sections out of order."""
    found = headings(text)
    titles = [task.title for task in tasks]
    names = [name for name, _ in found]
    for title in titles:
        if title not in names:
            near = nearest(title, [n for n in names if n not in titles])
            here = next((line for name, line in found if name == near), 0)
            hint = f'this section is called "{near}"' if near else f'write "## {title}"'
            faults.append(Fault(path, here, f'no section has the title of the task "{title}"; {hint}'))
    places = [(titles.index(name), line) for name, line in found if name in titles]
    for (before, _), (after, line) in pairwise(places):
        if after == before:
            faults.append(Fault(path, line, f'the task "{titles[after]}" has a section already'))
        elif after < before:
            faults.append(Fault(path, line, f'this section comes after "{titles[before]}", whose task comes later'))
    if places:
        _between(path, found, titles, (places[0][1], places[-1][1]), faults)


def _between(
    path: Path, found: list[tuple[str, int]], titles: list[str], span: tuple[int, int], faults: list[Fault]
) -> None:
    for name, line in found:
        if span[0] < line < span[1] and name not in titles:
            message = f'section "{name}" has no task; between tasks use ### headings, or a task\'s title'
            faults.append(Fault(path, line, message))
