"""YAML files with the line of everything in them, read in one pass by libyaml.

Two dialects, because two programs read a lab's files:

- `LAB` (lab.yaml): YAML 1.2's core schema. `on`, `yes` and `12:30` are text, and octal is written 0o644.
- `KUBECTL` (manifests): what kubectl makes of the same text. It reads with sigs.k8s.io/yaml, which is go-yaml 2:
  `on` and `yes` are true, 0644 is octal, a key that is a number or a boolean becomes text.

Either way a key that stands twice, a tag such as `!include`, an alias that contains itself or that blows a small file
up, and a number that JSON cannot hold are faults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from grader.labfile.faults import Fault
from grader.labfile.nodes import MAX_DEPTH, PLAIN, QUOTED, Composer, TooDeep
from grader.labfile.scalars import LEADING_ZERO, kubectl_scalar, lab_scalar

# A file's size in bytes, and the values in it once aliases are expanded. etcd takes objects of 1.5 MiB at most.
MAX_BYTES = 2 * 1024 * 1024
MAX_NODES = 200_000

_TAG = "tag:yaml.org,2002:"
# A part of what libyaml says -> what to do about it.
_MENDS = {
    "flow": "close the bracket that is open, or put a comma between two of its items",
    "quoted scalar": "close the quotes",
    "mapping values are not allowed": "put a value that holds a colon into quotes, or indent this line as those around",
    "expected ':'": "write a colon and a space after the key",
    "block": "indent this line as those that it belongs to",
    "cannot start any token": "put the value into quotes",
}


class Dialect(Enum):
    """Whose rules say what a plain word is."""

    LAB = "lab"
    KUBECTL = "kubectl"


# Replaces parameters in a scalar: (text, whether it keeps the type when it is the whole value) -> the new value.
Replace = Callable[[str, bool], Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file: its value, and where each part of it stands."""

    path: Path
    value: Any
    node: yaml.Node

    def line(self, *keys: str | int) -> int:
        """The line, from 1, of what stands under `keys`; of the nearest thing around it where there is no such part."""
        return _mark(self.node, keys)


def _mark(node: yaml.Node, keys: tuple[str | int, ...]) -> int:
    line, merged = node.start_mark.line + 1, node
    for key in keys:
        if isinstance(merged, yaml.MappingNode):
            found = [(k, v) for k, v in merged.value if isinstance(k, yaml.ScalarNode) and k.value == str(key)]
            if not found:
                return line
            line, merged = found[-1][0].start_mark.line + 1, found[-1][1]
        elif isinstance(merged, yaml.SequenceNode) and isinstance(key, int) and 0 <= key < len(merged.value):
            merged = merged.value[key]
            line = merged.start_mark.line + 1
        else:
            return line
    return line


def text(path: Path, faults: list[Fault]) -> str | None:
    """The file's text, or None with a fault added where it cannot be read or is not UTF-8."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            faults.append(Fault(path, 0, f"{size:,} bytes are too many for a lab's file; the limit is {MAX_BYTES:,}"))
            return None
        raw = path.read_bytes()
    except FileNotFoundError:
        faults.append(Fault(path, 0, f"there is no such file; a lab needs a {path.name}"))
        return None
    except OSError as error:
        faults.append(Fault(path, 0, f"cannot be read: {error.strerror or error}"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        faults.append(Fault(path, line, "is not UTF-8; save the file in that encoding"))
        return None


def documents(
    path: Path, dialect: Dialect, faults: list[Fault], *, replace: Replace | None = None, source: str | None = None
) -> list[Document]:
    """Every document of a YAML file that is not empty.

    `source` is the text where it was read before. What is wrong is added to `faults`; a broken file gives no documents.
    """
    content = text(path, faults) if source is None else source
    if content is None:
        return []
    found = []
    before = len(faults)
    for node in _compose(path, content, faults):
        builder = _Builder(path, dialect, replace, faults)
        value = builder.build(node, 0)
        if value is not None:
            found.append(Document(path, value, node))
    return found if len(faults) == before else []


def rebuilt(document: Document, dialect: Dialect, replace: Replace) -> Any:
    """The value of a document that was read without faults, parameters replaced."""
    return _Builder(document.path, dialect, replace, []).build(document.node, 0)


def _compose(path: Path, content: str, faults: list[Fault]) -> Iterator[yaml.Node]:
    try:
        yield from Composer(content).roots()
    except yaml.reader.ReaderError as error:
        faults.append(Fault(path, content.count("\n", 0, error.position) + 1, _unprintable(error)))
    except TooDeep as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        faults.append(Fault(path, line, f"is nested deeper than {MAX_DEPTH} levels"))
    except yaml.MarkedYAMLError as error:
        faults.append(_broken(path, content, error))


def _unprintable(error: yaml.reader.ReaderError) -> str:
    return f"holds a character that YAML does not allow (code {error.character!r}); remove it"


def _broken(path: Path, content: str, error: yaml.MarkedYAMLError) -> Fault:
    lines = content.splitlines()
    mark = error.problem_mark or error.context_mark
    if mark and mark.line >= len(lines) and error.context_mark:
        # What is never closed is noticed at the end of the file, and mended where it begins.
        mark = error.context_mark
    line = mark.line + 1 if mark else 0
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if re.match(r" *\t", here):
        return Fault(path, line, "broken YAML: indent with spaces, this line begins with a tab")
    said = f"{error.problem or 'cannot be understood'} {error.context or ''}".strip()
    mend = next((f"; {what}" for sign, what in _MENDS.items() if sign in said), "")
    return Fault(path, line, f"broken YAML: {said}{mend}")


class _Builder:
    """Turns nodes into plain values, adding every fault it meets."""

    def __init__(self, path: Path, dialect: Dialect, replace: Replace | None, faults: list[Fault]) -> None:
        self.path, self.dialect, self.replace, self.faults = path, dialect, replace, faults
        self.resolve = lab_scalar if dialect is Dialect.LAB else kubectl_scalar
        self.count = 0
        self.open: set[int] = set()
        self.stopped = False

    def fault(self, node: yaml.Node, message: str) -> None:
        self.faults.append(Fault(self.path, node.start_mark.line + 1, message))

    def stop(self, node: yaml.Node, message: str) -> None:
        if not self.stopped:
            self.stopped = True
            self.fault(node, message)

    def build(self, node: yaml.Node, depth: int) -> Any:
        self.count += 1
        if self.stopped:
            return None
        if self.count > MAX_NODES:
            return self.stop(node, f"holds more than {MAX_NODES:,} values once its aliases are expanded")
        if depth > 2 * MAX_DEPTH:
            return self.stop(node, f"is nested deeper than {MAX_DEPTH} levels once its aliases are expanded")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            return self.stop(node, "holds an alias that contains itself")
        if node.tag not in ("", _TAG + "map", _TAG + "seq"):
            self.fault(node, f'the tag "{_tag(node)}" means nothing here; remove it')
        self.open.add(id(node))
        value = self.mapping(node, depth) if isinstance(node, yaml.MappingNode) else self.sequence(node, depth)
        self.open.discard(id(node))
        return value

    def sequence(self, node: yaml.Node, depth: int) -> list[Any]:
        return [self.build(item, depth + 1) for item in node.value]

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag == PLAIN and key_node.value == "<<":
                self.merge(merged, value_node, depth)
                continue
            key = self.key(key_node)
            if key is None:
                continue
            if key in own:
                self.fault(key_node, f'"{key}" stands here a second time; only one can count')
            own[key] = self.build(value_node, depth + 1)
        return {**merged, **own}

    def merge(self, into: dict[str, Any], node: yaml.Node, depth: int) -> None:
        """`<<: *alias` or `<<: [*one, *two]`: the first that has a key gives its value."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            value = self.build(source, depth + 1)
            if isinstance(value, dict):
                for key, item in value.items():
                    into.setdefault(key, item)
            elif not self.stopped:
                self.fault(source, '"<<" takes an alias of a mapping')

    def key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, "a key must be a single word, not a list or a mapping")
            return None
        written: str = node.value
        if self.replace is not None:
            written = self.replace(written, False)
        if self.dialect is Dialect.KUBECTL and node.tag == PLAIN:
            resolved = kubectl_scalar(written)
            if isinstance(resolved, bool):
                return "true" if resolved else "false"
            return str(resolved) if isinstance(resolved, int) else written
        return written

    def scalar(self, node: yaml.ScalarNode) -> Any:
        written: str = node.value
        plain = node.tag == PLAIN
        if not plain and node.tag not in (QUOTED, _TAG + "str"):
            if node.tag not in (_TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null"):
                self.fault(node, f'the tag "{_tag(node)}" means nothing here; remove it')
                return None
            plain = True
        if self.replace is not None and "${" in written:
            # lab.yaml keeps a parameter's type; a manifest reads as if the text had stood there from the start.
            keeps = self.dialect is Dialect.LAB and node.tag != _TAG + "str"
            replaced = self.replace(written, keeps)
            if not isinstance(replaced, str) or replaced == written or self.dialect is Dialect.LAB:
                return replaced
            written = replaced
        return self.plain(node, written) if plain else written

    def plain(self, node: yaml.ScalarNode, written: str) -> Any:
        if self.dialect is Dialect.LAB and LEADING_ZERO.fullmatch(written):
            digits = written.lstrip("-+0") or "0"
            self.fault(node, f"{written} may be octal or decimal; write 0o{digits}, {digits}, or quotes for text")
            return None
        value = self.resolve(written)
        if isinstance(value, float) and not math.isfinite(value):
            self.fault(node, f"{written} is a number that JSON cannot hold")
            return None
        return value


def _tag(node: yaml.Node) -> str:
    return node.tag.replace(_TAG, "!!") if node.tag.startswith(_TAG) else node.tag
