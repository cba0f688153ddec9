"""Images must be pinned, or the lab changes under the student."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grader.lint.structure import Keys, Problem

_REFERENCE = re.compile(r"[a-z0-9][-a-z0-9._:/]*(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@sha256:[0-9a-f]{64})?")


def fault(image: str) -> str | None:
    """Why an image's name is not good enough, or None."""
    if not _REFERENCE.fullmatch(image):
        return f'image "{image}" is not the name of an image; write one like nginx:1.27'
    if "@sha256:" in image:
        return None
    _, colon, tag = image.rpartition("/")[2].partition(":")
    if not colon:
        return f'image "{image}" is not pinned: without a tag it means :latest; write one like {image}:1.27'
    return f'image "{image}" is not pinned: :latest changes; name a version' if tag == "latest" else None


def of(value: Any, keys: Keys = ()) -> Iterator[Problem]:
    """The images in an object that are not pinned."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("containers", "initContainers") and isinstance(item, list):
                for i, container in enumerate(item):
                    image = container.get("image") if isinstance(container, dict) else None
                    if isinstance(image, str) and image and (message := fault(image)):
                        yield Problem((*keys, key, i, "image"), message)
            elif isinstance(item, dict | list):
                yield from of(item, (*keys, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from of(item, (*keys, i))
