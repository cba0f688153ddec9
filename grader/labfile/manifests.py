"""Manifests: the Kubernetes objects of a lab's setup and solution, read as kubectl reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.labfile.faults import Fault, LabFaults
from grader.labfile.parameters import replace_value
from grader.labfile.yamlfile import Dialect, Document, documents

# What `kubectl apply -f FOLDER` reads.
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a manifest file, parameters replaced. Of a `List`, each item is one."""

    object: dict[str, Any]
    path: Path
    document: Document
    prefix: tuple[str | int, ...] = ()

    def line(self, *keys: str | int) -> int:
        """The line of `keys` inside the object, from 1."""
        return self.document.line(*self.prefix, *keys)


def manifests(path: Path, params: Mapping[str, Any]) -> list[Manifest]:
    """Every object of a file, or of a folder's files by name (sub-folders are left out, as kubectl does).

    A folder that does not exist holds none. Raises LabFaults with every fault of every file.
    """
    faults: list[Fault] = []
    found = collect(path, params, faults)
    if faults:
        raise LabFaults(faults)
    return found


def collect(path: Path, params: Mapping[str, Any], faults: list[Fault]) -> list[Manifest]:
    """As `manifests`, with the faults added to a list instead of raised."""
    files = listed(path, faults) if path.is_dir() else [path] if path.exists() else []
    files = [file for file in files if file == path or file.suffix in SUFFIXES]
    return [m for file in files for m in of_documents(read_documents(file, params, faults), faults)]


def listed(folder: Path, faults: list[Fault]) -> list[Path]:
    """The files of a folder by name, hidden ones left out."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        faults.append(Fault(folder, 0, f"cannot be read: {error.strerror or error}"))
        return []


def read_documents(
    path: Path, params: Mapping[str, Any], faults: list[Fault], source: str | None = None
) -> list[Document]:
    """The YAML documents of a manifest file."""

    def put(text: str, keeps_type: bool) -> Any:
        return replace_value(text, params, keeps_type)

    return documents(path, Dialect.KUBECTL, faults, replace=put, source=source)


def of_documents(found: list[Document], faults: list[Fault]) -> list[Manifest]:
    """The objects of documents: each must have an apiVersion, a kind and a name."""
    objects: list[Manifest] = []
    for document in found:
        value = document.value
        if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
            objects += [Manifest(o, document.path, document, ("items", i)) for i, o in enumerate(value["items"])]
        else:
            objects.append(Manifest(value, document.path, document))
    good = []
    for one in objects:
        problem = _not_an_object(one.object)
        if problem:
            faults.append(Fault(one.path, one.line(), problem))
        else:
            good.append(one)
    return good


def _not_an_object(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "a Kubernetes object is a mapping with apiVersion, kind and metadata"
    for key in ("apiVersion", "kind"):
        if not isinstance(value.get(key), str) or not value[key]:
            return f"a Kubernetes object needs {key} as text"
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        return f"this {value['kind']} has no name: metadata.name must be a text"
    return None
