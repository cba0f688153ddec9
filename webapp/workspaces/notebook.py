"""A lab's README as a notebook: what is read as text, and each block of commands as a cell to run."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# A fenced block of commands for a shell, at the left margin.
_FENCE = re.compile(
    r"^(?P<mark>`{3,}|~{3,})[ \t]*(?P<word>sh|bash|shell|console)[^\n]*\n(?P<body>.*?)^(?P=mark)[ \t]*$", re.M | re.S
)


def steps(readme: str) -> str:
    """The notebook (nbformat 4.5, JSON) of a README. The same README always gives the same text."""
    cells: list[dict[str, Any]] = []
    end = 0
    for fence in _FENCE.finditer(readme):
        _text(cells, readme[end : fence.start()])
        _code(cells, fence["body"])
        end = fence.end()
    _text(cells, readme[end:])
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _text(cells: list[dict[str, Any]], text: str) -> None:
    if text.strip():
        cells.append(
            {"cell_type": "markdown", "id": _id(cells, text), "metadata": {}, "source": _lines(text.strip("\n"))}
        )


def _code(cells: list[dict[str, Any]], commands: str) -> None:
    if not commands.strip():
        return
    source = "%%bash\n" + commands.rstrip("\n")
    code: dict[str, Any] = {"execution_count": None, "outputs": [], "metadata": {}, "source": _lines(source)}
    cells.append({"cell_type": "code", "id": _id(cells, commands), **code})


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _id(cells: list[dict[str, Any]], text: str) -> str:
    """Unique by the cell's place, the same each time by its text."""
    return f"{len(cells)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
