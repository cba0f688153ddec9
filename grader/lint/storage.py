"""What the API server refuses in volumes and claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grader.checks.quantity import parse
from grader.lint.fields import mapping
from grader.lint.structure import Keys, Problem


def _storage(resources: dict[str, Any], spec: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    if not spec.get("accessModes"):
        yield Problem(keys, "needs at least one of the accessModes ReadWriteOnce, ReadOnlyMany, ReadWriteMany")
    asked = resources.get("storage")
    number = parse(asked)
    if asked is None:
        yield Problem(keys, "does not say how much storage")
    elif number is not None and number <= 0:
        yield Problem(keys, f"storage is {asked}; it must be more than nothing")


def claim(value: dict[str, Any], keys: Keys = ("spec",)) -> Iterator[Problem]:
    """A PersistentVolumeClaim, or the template of one."""
    spec = mapping(value, "spec")
    yield from _storage(mapping(spec, "resources", "requests"), spec, keys)


# What a PersistentVolume has beside the thing it stands for.
_NOT_A_SOURCE = {
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
}  # fmt: skip


def volume(value: dict[str, Any]) -> Iterator[Problem]:
    """A PersistentVolume."""
    spec = mapping(value, "spec")
    yield from _storage(mapping(spec, "capacity"), spec, ("spec",))
    sources = sorted(k for k, v in spec.items() if k not in _NOT_A_SOURCE and v is not None)
    if len(sources) != 1:
        said = f"has {len(sources)}: {', '.join(sources)}" if sources else "has none"
        yield Problem(
            ("spec",), f"a PersistentVolume stands for one thing, hostPath or csi for example; this one {said}"
        )
    if "local" in sources and not spec.get("nodeAffinity"):
        yield Problem(("spec",), "a local volume needs nodeAffinity, to say which node it is on")
