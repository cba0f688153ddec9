"""What is done to a cluster in a lab's name: setup, the solution, and the known mistakes under wrong/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from grader.labfile.faults import Fault, LabFaults
from grader.labfile.loading import LoadedLab
from grader.labfile.manifests import Manifest, collect, listed, manifests, of_documents, read_documents
from grader.labfile.parameters import replace
from grader.labfile.validation import validate
from grader.labfile.yamlfile import Document, text

_TARGET = r"^[A-Za-z][A-Za-z.0-9]*/[a-z0-9]([-.:a-z0-9]*[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class Script:
    """A bash script of kubectl commands, run as the student in the lab's namespace; parameters replaced."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Solution:
    """Manifests applied in order, then the script where there is one."""

    manifests: tuple[Manifest, ...] = ()
    script: Script | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A known mistake, and the points that each task must lose by it (a task not named must lose none).

    First the solution, unless `on_top` is False; then `delete` ("Kind/name" in the lab's namespace); then the manifests
    are applied, or the script is run.
    """

    path: Path
    title: str
    loses: Mapping[str, float]
    on_top: bool = True
    delete: tuple[str, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    script: Script | None = None
    line: int = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrongHeader(_Strict):
    """What a file of wrong/ says about itself, under the key `seatrial`."""

    title: str = Field(min_length=1, description="The mistake in a few words.")
    loses: dict[str, Annotated[float, Field(ge=0, strict=True)]] = Field(
        description="Points that each task loses, by its id; a task that is not named must lose none."
    )
    instead_of: Literal["solution"] | None = Field(
        None, description="Apply this alone. Without it the file is applied on top of the solution."
    )
    delete: tuple[Annotated[str, Field(pattern=_TARGET)], ...] = Field(
        (), description='Objects deleted first, as "Kind/name".'
    )


class _Front(_Strict):
    seatrial: WrongHeader


def setup(lab: LoadedLab) -> tuple[Manifest, ...]:
    """The objects that stand there when the lab begins. Raises LabFaults."""
    return tuple(manifests(lab.folder / "setup", lab.params))


def solution(lab: LoadedLab) -> Solution:
    """The solution: manifests, a run.sh, or both. Raises LabFaults, also where there is neither."""
    faults: list[Fault] = []
    found = solution_with(lab, faults)
    if faults:
        raise LabFaults(faults)
    return found


def solution_with(lab: LoadedLab, faults: list[Fault]) -> Solution:
    """As `solution`, with the faults added to a list instead of raised."""
    folder = lab.folder / "solution"
    objects = collect(folder, lab.params, faults)
    script = None
    if (folder / "run.sh").is_file():
        content = text(folder / "run.sh", faults)
        script = Script(folder / "run.sh", replace(content or "", lab.params))
    if not objects and script is None and not faults:
        faults.append(Fault(folder, 0, "the lab has no solution: put manifests or a run.sh there"))
    return Solution(tuple(objects), script)


def wrongs(lab: LoadedLab) -> list[Wrong]:
    """Every known mistake, by file name. Raises LabFaults with the faults of all files."""
    faults: list[Fault] = []
    found = wrongs_with(lab, faults)
    if faults:
        raise LabFaults(faults)
    return found


def wrongs_with(lab: LoadedLab, faults: list[Fault]) -> list[Wrong]:
    """As `wrongs`, with the faults added to a list instead of raised."""
    folder = lab.folder / "wrong"
    found = []
    for path in listed(folder, faults) if folder.is_dir() else ():
        reader = {".yaml": _manifest_file, ".yml": _manifest_file, ".sh": _script_file}.get(path.suffix)
        if reader is None:
            faults.append(
                Fault(path, 0, "a known mistake is a .yaml file of objects or a .sh file of kubectl commands")
            )
            continue
        wrong = reader(lab, path, faults)
        if wrong is not None:
            _known_tasks(lab, wrong, path, faults)
            found.append(wrong)
    return found


def _manifest_file(lab: LoadedLab, path: Path, faults: list[Fault]) -> Wrong | None:
    before = len(faults)
    found = read_documents(path, lab.params, faults)
    if len(faults) > before:
        return None
    header = _header(found[:1], path, faults)
    objects = of_documents(found[1:], faults)
    if header is None:
        return None
    if not objects and not header.delete:
        faults.append(
            Fault(path, found[0].line(), "changes nothing: write objects after `---`, or name some in delete")
        )
    return _wrong(path, header, tuple(objects), None, found[0].line("seatrial", "loses"))


def _script_file(lab: LoadedLab, path: Path, faults: list[Fault]) -> Wrong | None:
    content = text(path, faults)
    if content is None:
        return None
    head = re.search(r"^# ---\n((?:#.*\n)*?)# ---$", content, re.MULTILINE)
    if head is None:
        faults.append(
            Fault(path, 1, 'needs a header in comments between two lines "# ---": "# seatrial: {title: …, loses: …}"')
        )
        return None
    # Empty lines in place of what stands before it keep the line numbers right.
    lines = [re.sub(r"^# ?", "", line) for line in head[1].splitlines()]
    source = "\n" * (content.count("\n", 0, head.start()) + 1) + "\n".join(lines)
    before = len(faults)
    found = read_documents(path, lab.params, faults, source)
    if len(faults) > before:
        return None
    header = _header(found, path, faults)
    if header is None:
        return None
    return _wrong(path, header, (), Script(path, replace(content, lab.params)), found[0].line("seatrial", "loses"))


def _header(found: list[Document], path: Path, faults: list[Fault]) -> WrongHeader | None:
    if not found or not isinstance(found[0].value, dict) or "seatrial" not in found[0].value:
        line = found[0].line() if found else 1
        faults.append(Fault(path, line, 'must begin with a document "seatrial: {title: …, loses: {TASK: POINTS}}"'))
        return None
    front = validate(_Front, found[0].value, path, found[0].line, faults)
    return front.seatrial if front else None


def _wrong(path: Path, header: WrongHeader, objects: tuple[Manifest, ...], script: Script | None, line: int) -> Wrong:
    on_top = header.instead_of is None
    return Wrong(path, header.title, header.loses, on_top, header.delete, objects, script, line)


def _known_tasks(lab: LoadedLab, wrong: Wrong, path: Path, faults: list[Fault]) -> None:
    points = {task.id: task.points for task in lab.spec.tasks}
    for name, lost in wrong.loses.items():
        if name not in points:
            faults.append(
                Fault(path, wrong.line, f'loses points of "{name}", which is no task; tasks: {", ".join(points)}')
            )
        elif lost > points[name]:
            faults.append(
                Fault(path, wrong.line, f'loses {lost:g} points of "{name}", which has only {points[name]:g}')
            )
