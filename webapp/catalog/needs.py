"""What a lab needs of a cluster and the clusters here have not: told before it is started."""

from __future__ import annotations

import functools

from clusters.errors import ClusterError
from clusters.registry import provider
from grader.checks.judging import CAPABILITIES
from webapp.catalog.services import LabPage


def lacking(page: LabPage, name: str) -> str:
    """What the clusters of the provider of that name lack of a lab's `needs`, in words; "" where nothing is lacking."""
    have = _capabilities(name)
    missing = [CAPABILITIES.get(need, need) for need in page.needs if have is not None and need not in have]
    return " and ".join(missing)


@functools.cache
def _capabilities(name: str) -> frozenset[str] | None:
    """None where there is no telling: with the provider `existing` it is found out of each cluster."""
    try:
        return provider(name).capabilities or None
    except ClusterError:
        return None
