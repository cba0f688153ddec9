"""Mistakes in the metadata and data of any object."""

from __future__ import annotations

from grader.explain import objects
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, label_list, pairs, shown
from grader.explain.selectors import nearest
from grader.model import Object

ANY = "*"


@broken("label-as-annotation", ANY, written=True)
def label_as_annotation(scene: Scene, obj: Object) -> str | None:
    """A pair that is asked for as a label stands among the annotations."""
    asked = scene.look.labels if scene.look else {}
    for key, value in asked.items():
        if key not in objects.labels(obj) and pairs(at(obj, "metadata", "annotations")).get(key) == value:
            return f"{scene.who(obj)} has {label_list({key: value})} as an annotation, not as a label."
    return None


@broken("near-label", ANY, written=True)
def near_label(scene: Scene, obj: Object) -> str | None:
    """The label's key is spelt otherwise."""
    asked = scene.look.labels if scene.look else {}
    for key in asked:
        others = [k for k in objects.labels(obj) if k not in asked]
        near = nearest(key, others, 0.75)
        if key not in objects.labels(obj) and near:
            return (
                f"{scene.who(obj)} has no label {shown(key)}; it has {shown(near)}. Keys must be equal to the letter."
            )
    return None


@broken("near-key", "ConfigMap", "Secret", written=True)
def near_key(scene: Scene, obj: Object) -> str | None:
    """A key of the data is missing. Only keys are told, never values."""
    asked = at(scene.look.partial if scene.look else None, "data")
    there = [k for part in ("data", "binaryData") for k in _keys(at(obj, part))]
    for key in asked if isinstance(asked, dict) else ():
        if isinstance(key, str) and key not in there and asked[key] is not None:
            near = nearest(key, there)
            have = f"; the nearest is {shown(near)}" if near else "" if there else "; it has no data at all"
            return f"{scene.who(obj)} has no key {shown(key)}{have}."
    return None


def _keys(data: object) -> list[str]:
    return [k for k in data if isinstance(k, str)] if isinstance(data, dict) else []
