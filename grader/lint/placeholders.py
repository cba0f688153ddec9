"""Parameters that nothing uses, and `${…}` that looks like one and is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.labfile.faults import Fault, nearest
from grader.labfile.parameters import places
from grader.labfile.yamlfile import Document

_IN_CEL = re.compile(r"\bparams\.([A-Za-z_][A-Za-z0-9_]*)|\bparams\[['\"]([^'\"]+)['\"]\]")
# What can hold a parameter beside lab.yaml.
_TEXTS = ("README.md", "setup/*", "solution/*", "wrong/*")


def check(folder: Path, document: Document, faults: list[Fault]) -> None:
    """Add a fault for each parameter that nothing uses and each `${…}` that nothing declares."""
    declared = document.value.get("parameters")
    names = list(declared) if isinstance(declared, dict) else []
    used: set[str] = set()
    for value, line in _scalars({k: v for k, v in document.value.items() if k != "parameters"}, document):
        used |= {name or quoted for name, quoted in _IN_CEL.findall(value)}
        for name, _ in places(value):
            used.add(name)
            if name not in names:
                near = nearest(name, names)
                hint = f'; did you mean "${{{near}}}"?' if near else "; declare it under parameters"
                faults.append(Fault(document.path, line, f'"${{{name}}}" is no parameter of this lab{hint}'))
    for path in sorted(p for pattern in _TEXTS for p in folder.glob(pattern) if p.is_file()):
        for name, line in places(_text(path)):
            used.add(name)
            # Anything else may be a shell's or a program's own variable.
            near = nearest(name, names)
            if name not in names and near:
                faults.append(Fault(path, line, f'"${{{name}}}" is no parameter; did you mean "${{{near}}}"?'))
    for name in names:
        if name not in used:
            line = document.line("parameters", name)
            faults.append(
                Fault(document.path, line, f'nothing uses the parameter "{name}": write ${{{name}}} somewhere')
            )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        # Whoever needs the file says that it cannot be read.
        return ""


def _scalars(value: Any, document: Document, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[str, int]]:
    if isinstance(value, str):
        yield value, document.line(*keys)
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str):
                yield key, document.line(*keys, key)
            yield from _scalars(item, document, (*keys, key))
