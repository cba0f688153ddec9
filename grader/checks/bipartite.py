"""Which item of one list goes with which of another, so that as many as possible are paired and none is used twice."""

from __future__ import annotations

from collections.abc import Callable


def assign(left: int, right: int, fits: Callable[[int, int], bool]) -> list[int | None]:
    """For each of `left` items the index of the right one it is paired with, or None. A maximum matching (Kuhn).

    Taking the first that fits is not enough: [{a: 1}, {b: 2}] is contained in [{a: 1, b: 2}, {a: 1}] only if the
    first gives way. Cost: each pair is asked at most once; then left x edges.
    """
    edges = [[r for r in range(right) if fits(index, r)] for index in range(left)]
    owner: dict[int, int] = {}
    for start in range(left):
        _augment(start, edges, owner)
    pairs: list[int | None] = [None] * left
    for r, index in owner.items():
        pairs[index] = r
    return pairs


def _augment(start: int, edges: list[list[int]], owner: dict[int, int]) -> None:
    """Give `start` a partner, moving others along an alternating path. Breadth first, so no recursion to run out."""
    came_from: dict[int, int] = {}
    waiting = [start]
    for index in waiting:
        for r in edges[index]:
            if r in came_from:
                continue
            came_from[r] = index
            if r not in owner:
                _shift(r, start, came_from, owner)
                return
            waiting.append(owner[r])


def _shift(free: int, start: int, came_from: dict[int, int], owner: dict[int, int]) -> None:
    r: int | None = free
    partner = {index: r for r, index in owner.items()}
    while r is not None:
        index = came_from[r]
        owner[r] = index
        r = None if index == start else partner[index]
