"""A small working lab to start from."""

from __future__ import annotations

import re
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from grader.labfile.catalog import slug as slug_of
from grader.model import LabError

_SLUG = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")


def new(slug: str, root: Path) -> Path:
    """Write a lab that passes lint and test as it is into `root`, under the next free number; its folder.

    The folder is there whole or not at all. Raises LabError for a slug that cannot be one or is taken, and where the
    folder cannot be written.
    """
    if not _SLUG.fullmatch(slug):
        raise LabError(f'"{slug}" cannot name a lab: a letter, then lower-case letters, digits and dashes, 50 at most')
    taken = {slug_of(path.parent): path.parent for path in root.glob("*/lab.yaml")}
    if slug in taken:
        raise LabError(f'there is a lab "{slug}" already, in {taken[slug]}; take another name')
    heads = [path.name.partition("-")[0] for path in root.glob("*-*")]
    number = max((int(head) for head in heads if head.isdigit()), default=0) + 1
    folder = root / f"{number:02}-{slug}"
    words = {"@TITLE@": slug.replace("-", " ").capitalize(), "@NAMESPACE@": slug}
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".new-") as made:
            part = Path(made) / folder.name
            _copy(resources.files("grader.lint") / "template", part, words)
            part.rename(folder)
    except OSError as error:
        raise LabError(
            f"{folder} cannot be written: {error.strerror or error}; make room, or name another with --into"
        ) from error
    return folder


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> None:
    target.mkdir()
    for item in source.iterdir():
        if item.is_dir():
            _copy(item, target / item.name, words)
            continue
        text = item.read_text("utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        (target / item.name).write_text(text, "utf-8")
        if item.name.endswith(".sh"):
            (target / item.name).chmod(0o755)
