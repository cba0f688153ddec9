"""A server with watches, and its lists kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.collect import Access
from grader.model import ObjectList, Want
from tests.fakes.watchserver import WatchServer, watching
from webapp.live.watches import Watches

PODS, CONFIGS = Want("v1", "Pod", "shop"), Want("v1", "ConfigMap", "shop")


@pytest.fixture
def server() -> Iterator[WatchServer]:
    with watching() as one:
        yield one


@pytest.fixture
def watch(server: WatchServer, tmp_path: Path) -> Iterator[Callable[..., Watches]]:
    """Watch some lists of the server: watch(PODS, CONFIGS)."""
    made: list[Watches] = []

    def begin(*wants: Want) -> Watches:
        made.append(Watches(Access.from_kubeconfig(server.kubeconfig(tmp_path)), wants))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def turn_until(watches: Watches, done: Callable[[], object], turns: int = 2000) -> None:
    """Turn until something holds; each turn waits for news."""
    for _ in range(turns):
        if done():
            return
        watches.turn(0.1)
    pytest.fail("it did not come to pass")


def names(watches: Watches, kind: str = "Pod") -> list[str]:
    return [item["metadata"]["name"] for one in watches.lists if one.kind == kind for item in one.items]


def the(watches: Watches, kind: str) -> ObjectList:
    return next(one for one in watches.lists if one.kind == kind)
