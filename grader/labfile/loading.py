"""Reading a lab's folder: lab.yaml, the drawn parameters, and the digest of all its files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.labfile.faults import Fault, LabFaults, shown
from grader.labfile.parameters import draw, replace, replace_value
from grader.labfile.schema import Lab
from grader.labfile.validation import validate
from grader.labfile.yamlfile import Dialect, Document, documents, rebuilt, text

_FOLDER = re.compile(r"(?:(?P<number>[0-9]{2,})-)?(?P<slug>[a-z0-9](?:[-a-z0-9]{0,48}[a-z0-9])?)")
# Draws one of the choices of the parameter that it is given the name of.
Choose = Callable[[str, list[Any]], Any]


@dataclass(frozen=True, slots=True)
class LoadedLab:
    """A lab as one student gets it.

    `slug` and `number` are "services" and "09" of 09-services; the number may be "". `spec` has its `${params}`
    replaced by `params`. `digest` is SHA-256, in hex, over the names and contents of the lab's files.
    """

    slug: str
    number: str
    folder: Path
    spec: Lab
    params: Mapping[str, Any]
    digest: str
    document: Document = field(repr=False, compare=False)

    def line(self, *path: str | int) -> int:
        """The line in lab.yaml, from 1, of ("tasks", 0, "checks", 1, "match"), or of the nearest thing around it."""
        return self.document.line(*path)

    @property
    def file(self) -> Path:
        """The lab.yaml."""
        return self.folder / "lab.yaml"

    def readme(self) -> str:
        """What the student reads, parameters replaced. Raises LabFaults where the file cannot be read."""
        faults: list[Fault] = []
        content = text(self.folder / "README.md", faults)
        if content is None:
            raise LabFaults(faults)
        return replace(content, self.params)


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a lab that may have faults."""

    slug: str
    number: str
    spec: Lab | None
    params: Mapping[str, Any]
    document: Document | None


def read(
    folder: Path, *, student: str = "student", secret: str = "", params: Mapping[str, Any] | None = None
) -> LoadedLab:
    """Read a lab and draw its parameters for a student.

    `params` are values that were drawn before, at the lab's start; they win over a new draw. Raises LabFaults with
    every fault of lab.yaml and of the folder's name, and for a missing README.md.
    """
    faults: list[Fault] = []
    made = draft(folder, faults, student=student, secret=secret, params=params)
    if faults or made.spec is None or made.document is None:
        raise LabFaults(faults)
    return LoadedLab(made.slug, made.number, folder, made.spec, made.params, digest(folder), made.document)


def draft(
    folder: Path,
    faults: list[Fault],
    *,
    student: str = "student",
    secret: str = "",
    params: Mapping[str, Any] | None = None,
) -> Draft:
    """As `read`, with the faults added to a list, and as much of the lab as they leave."""
    if not folder.is_dir():
        faults.append(Fault(folder, 0, "there is no such folder; a lab is a folder with a lab.yaml"))
        return Draft("", "", None, {}, None)
    name = _FOLDER.fullmatch(folder.resolve().name)
    if name is None:
        rule = 'a lab\'s folder is called like "03-labels": lower-case letters, digits and dashes, 50 at most'
        faults.append(Fault(folder, 0, rule))
    if not (folder / "README.md").is_file():
        faults.append(Fault(folder / "README.md", 0, "there is no such file; a lab needs a README.md"))
    slug, number = (name["slug"], name["number"] or "") if name else ("", "")

    def choose(name: str, choices: list[Any]) -> Any:
        return draw(choices, slug=slug, student=student, secret=secret, name=name)

    document = _document(folder / "lab.yaml", faults)
    if document is None:
        return Draft(slug, number, None, {}, None)
    drawn = _draw_all(document.value.get("parameters"), choose, params or {})
    value = document.value
    if drawn:
        value = rebuilt(document, Dialect.LAB, lambda written, keeps_type: replace_value(written, drawn, keeps_type))
        value["parameters"] = document.value["parameters"]
    spec = validate(Lab, value, document.path, document.line, faults)
    return Draft(slug, number, spec, drawn, document)


def _document(path: Path, faults: list[Fault]) -> Document | None:
    """The one mapping that lab.yaml holds."""
    source = text(path, faults)
    if source is None:
        return None
    before = len(faults)
    found = documents(path, Dialect.LAB, faults, source=source)
    if len(faults) > before:
        return None
    if not found:
        faults.append(Fault(path, 0, "is empty; a lab needs at least a title, a summary, a namespace and tasks"))
        return None
    if len(found) > 1:
        faults.append(Fault(path, found[1].line(), "lab.yaml is one YAML document; this is a second one"))
    if not isinstance(found[0].value, dict):
        faults.append(Fault(path, found[0].line(), "lab.yaml is a mapping that begins with `title: …`"))
        return None
    return found[0]


def _draw_all(declared: Any, choose: Choose, given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each parameter that is declared well; validation tells of the others."""
    drawn = {}
    for name, parameter in declared.items() if isinstance(declared, dict) else ():
        choices = parameter.get("choose") if isinstance(parameter, dict) else None
        if name in given:
            drawn[name] = given[name]
        elif isinstance(choices, list) and choices:
            drawn[name] = choose(name, choices)
    return drawn


def files(folder: Path) -> list[Path]:
    """The files that make up a lab, by name; hidden ones, editors' back-ups and Python's caches are not part of it."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(p.startswith(".") or p.endswith("~") or p == "__pycache__" for p in parts):
            continue
        if path.is_file():
            found.append(path)
    return found


def digest(folder: Path) -> str:
    """SHA-256 in hex over each file's name, length and content, in the order of the names' bytes.

    Raises LabFaults where a file cannot be read.
    """
    total = hashlib.sha256()
    for name, path in sorted((p.relative_to(folder).as_posix().encode(), p) for p in files(folder)):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LabFaults([Fault(shown(path), 0, f"cannot be read: {error.strerror or error}")]) from error
        total.update(b"%s\0%d\0" % (name, len(content)))
        total.update(content)
    return total.hexdigest()
