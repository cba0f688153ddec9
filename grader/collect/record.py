"""The record of a started lab: ConfigMap lab-<slug> in the platform's namespace, out of the student's reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from grader.collect.access import Access, ApiFault, NoAnswer

# Where the platform keeps the record of a lab's start, as ConfigMap lab-<slug>.
PLATFORM_NAMESPACE = "seatrial-system"


@dataclass(frozen=True, slots=True)
class Record:
    """For whom a lab was started, and the parameters that were drawn."""

    student: str
    params: Mapping[str, Any]


def record(access: Access, slug: str) -> Record | None:
    """The record; None where the lab was not started by the platform, or this identity may not read it.

    Raises ClusterUnreachable where the server does not answer: a grade for somebody else, or with other parameters,
    would be worse than none.
    """
    try:
        found = access.get(f"/api/v1/namespaces/{PLATFORM_NAMESPACE}/configmaps/lab-{slug}")
    except NoAnswer as fault:
        raise access.unreachable(fault) from None
    except ApiFault:
        return None
    data = found.get("data")
    if not isinstance(data, dict):
        return None
    try:
        params = orjson.loads(data.get("params") or "{}")
    except orjson.JSONDecodeError:
        return None
    return Record(str(data.get("student") or ""), params if isinstance(params, dict) else {})
