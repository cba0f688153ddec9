"""Where the labs are."""

from __future__ import annotations

from pathlib import Path

from grader.labfile.faults import did_you_mean
from grader.model import LabError

_PACKAGES = Path(__file__).resolve().parents[2]


def roots() -> list[Path]:
    """Folders that labs are looked for in, the first that has any wins: ./labs, the checkout's, the installed ones."""
    return [Path.cwd() / "labs", _PACKAGES / "labs", _PACKAGES / "seatrial_data" / "labs"]


def catalogue() -> list[Path]:
    """The folder of every lab, by number. Empty where there are none."""
    for root in roots():
        found = sorted(p.parent for p in root.glob("*/lab.yaml") if p.is_file())
        if found:
            return found
    return []


def slug(folder: Path) -> str:
    """The folder's name without its number: "services" of 09-services."""
    head, dash, tail = folder.name.partition("-")
    return tail if dash and head.isdigit() else folder.name


def find(name: str) -> Path:
    """The folder of a lab by slug ("services"), by folder name ("09-services") or by path.

    Raises LabError, naming the nearest lab, where there is none.
    """
    path = Path(name)
    if "/" in name or name in (".", ".."):
        path = path.parent if path.name == "lab.yaml" else path
        if (path / "lab.yaml").is_file():
            return path.resolve()
        raise LabError(f"{path} holds no lab.yaml; name a lab's folder, or a lab of `seatrial lab list`")
    labs = catalogue()
    for folder in labs:
        if name in (folder.name, slug(folder)):
            return folder
    if (path / "lab.yaml").is_file():
        return path.resolve()
    known = [slug(folder) for folder in labs]
    hint = did_you_mean(name, known + [folder.name for folder in labs])
    raise LabError(f'there is no lab "{name}"{hint or "; `seatrial lab list` shows all"}')
