"""Whether a known mistake lost what it names, on clusters that show all of it and on those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proving.verdict import Mistake


@pytest.mark.parametrize(
    ("named", "lost", "skipped", "expected"),
    [
        (4, 4, 0, True),
        (4, 3, 0, False),
        (4, 3, 1, True),  # the point of a probe that was not made
        (4, 2, 1, False),
        (3, 4, 0, False),
        (3, 4, 1, False),  # more than named is too much, whatever was skipped
        (0, 0, 1, True),
        (0, 1, 1, False),
        (1, 0.67, 0.33, True),
        (1, 0.6, 0.33, False),
    ],
)
def test_as_named(named: float, lost: float, skipped: float, expected: bool) -> None:
    one = Mistake(Path("wrong/01.yaml"), "A mistake", {"do": named}, {"do": lost}, {"do": skipped})
    assert one.as_named is expected
    assert Mistake(Path("x"), "x", {"do": named}, {"do": named}).as_named
