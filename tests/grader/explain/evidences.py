"""Evidence made of objects, for tests without a cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from grader.labfile import LoadedLab
from grader.labfile.schema import Lab
from grader.model import Call, Evidence, ObjectList, Snapshot


def lab(*checks: dict[str, Any], namespace: str = "shop") -> LoadedLab:
    """A lab of one task with these checks, as `grader.labfile.read` would give it."""
    spec = Lab.model_validate(
        {
            "title": "Services",
            "summary": "A lab.",
            "minutes": 1,
            "level": "beginner",
            "namespace": namespace,
            "tasks": [{"id": "task", "title": "Task", "checks": list(checks)}],
        }
    )
    return LoadedLab("services", "09", Path("labs/09-services"), spec, {}, "", document=None)  # type: ignore[arg-type]


def evidence(
    objects: Iterable[dict[str, Any]], *, calls: Sequence[Call] | None = None, empty: Iterable[str] = ()
) -> Evidence:
    """One look at these objects in namespace shop. `empty` names further lists taken: "apps/v1 Deployment"."""
    lists: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for obj in objects:
        lists[obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace", "")].append(obj)
    for one in empty:
        api_version, _, kind = one.rpartition(" ")
        lists.setdefault((api_version, kind, "shop"), [])
    taken = [ObjectList(*key, items=items) for key, items in lists.items()]
    return of_lists(taken, calls=calls)


def of_lists(lists: Sequence[ObjectList], *, calls: Sequence[Call] | None = None) -> Evidence:
    """One look at these lists."""
    return Evidence(
        lab="services",
        namespace="shop",
        student="ada",
        params={},
        kubernetes="v1.36.3",
        capabilities=frozenset({"metrics", "audit"}),
        now=Snapshot("2026-01-01T00:00:00Z", 0.0, lists),
        calls=calls,
    )
