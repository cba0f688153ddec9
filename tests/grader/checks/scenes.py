"""A lab out of checks, and evidence out of objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grader import checks, labfile
from grader.labfile import LoadedLab
from grader.model import Call, CheckResult, Evidence, Object, ObjectList, Observation, Outcome, Snapshot, Want

NOW = "2026-01-01T00:00:00Z"


def make_lab(folder: Path, *found: Mapping[str, Any], **task: Any) -> LoadedLab:
    """A lab of one task, "do", in namespace shop, with these checks."""
    return make_tasks(folder, {"id": "do", "title": "Do it", "points": 10, **task, "checks": list(found)})


def make_tasks(folder: Path, *tasks: Mapping[str, Any], **more: Any) -> LoadedLab:
    """A lab of these tasks in namespace shop."""
    root = folder / "10-lamp"
    root.mkdir(parents=True, exist_ok=True)
    about = {"title": "Lamp", "summary": "A lamp.", "minutes": 5, "level": "beginner", "namespace": "shop"}
    (root / "lab.yaml").write_text(json.dumps({**about, **more, "tasks": list(tasks)}))
    (root / "README.md").write_text("# Lamp\n")
    return labfile.read(root)


def thing(kind: str, name: str = "web", namespace: str = "shop", api: str = "v1", **fields: Any) -> Object:
    """An object; `fields` are its top-level fields, `labels` go into its metadata."""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if "labels" in fields:
        metadata["labels"] = fields.pop("labels")
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def snapshot(lab: LoadedLab, objects: Sequence[Object], seconds: float = 0.0, at: str = NOW) -> Snapshot:
    """One look: every list that the lab wants, holding those of the objects that belong there."""
    return Snapshot(at, seconds, [_listed(want, objects) for want in sorted(checks.wants(lab), key=str)])


def _listed(want: Want, objects: Sequence[Object]) -> ObjectList:
    of_kind = [o for o in objects if (o["apiVersion"], o["kind"]) == (want.api_version, want.kind)]
    cluster_wide = bool(of_kind) and all("namespace" not in o["metadata"] for o in of_kind)
    place = "" if cluster_wide else want.namespace
    items = [o for o in of_kind if place in ("", "*") or o["metadata"].get("namespace") == place]
    return ObjectList(want.api_version, want.kind, place, items)


def evidence(
    lab: LoadedLab,
    objects: Sequence[Object] = (),
    *,
    now: Snapshot | None = None,
    earlier: Sequence[Snapshot] = (),
    calls: Sequence[Call] | None = (),
    observations: Mapping[str, Observation] | None = None,
    capabilities: Sequence[str] = ("metrics", "audit"),
) -> Evidence:
    """What a look at these objects gives."""
    return Evidence(
        lab.slug,
        lab.spec.namespace,
        "ada",
        lab.params,
        "v1.36.3",
        frozenset(capabilities),
        now or snapshot(lab, objects),
        earlier,
        calls,
        observations or {},
    )


def judged(lab: LoadedLab, seen: Evidence) -> CheckResult:
    """The first check's result."""
    return checks.judge(lab.spec.tasks[0].checks[0], "do/0", lab, seen)


def outcome(lab: LoadedLab, *objects: Object) -> Outcome:
    """The first check's outcome for these objects."""
    return judged(lab, evidence(lab, objects)).outcome
