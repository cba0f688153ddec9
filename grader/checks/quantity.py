"""Kubernetes quantities as exact numbers: "500m" is 1/2, "1Gi" is 1073741824.

The grammar is that of k8s.io/apimachinery/pkg/api/resource: a decimal number, then a binary suffix (Ki … Ei), a decimal
suffix (n … E) or an exponent.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?")
_SCALE = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000 ** (power + 1)) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Fraction(1024 ** (power + 1)) for power, suffix in enumerate("KMGTPE")},
}
# No quantity in a real object is longer. Text out of a student's object is read, so the bound keeps a number of a
# million digits, or with an exponent of a million, from costing anything.
_LONGEST = 64
_LARGEST_EXPONENT = 100


def parse(value: Any) -> Fraction | None:
    """The number that a quantity stands for; None where the value is not a quantity. Numbers stand for themselves."""
    if isinstance(value, str):
        return _parse(value)[0] if len(value) <= _LONGEST else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    # repr gives the shortest decimal that reads back as the same float: 0.1 is a tenth here, as its author meant.
    return parse(repr(value)) if isinstance(value, float) else None


def has_unit(text: str) -> bool:
    """Whether the text is a quantity with a suffix or an exponent, and so cannot be a plain number."""
    return len(text) <= _LONGEST and _parse(text)[1]


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Fraction | None, bool]:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None, False
    number, suffix, exponent = found.groups()
    if exponent is not None:
        power = int(exponent)
        return (Fraction(number) * Fraction(10) ** power, True) if abs(power) <= _LARGEST_EXPONENT else (None, False)
    return Fraction(number) * _SCALE.get(suffix, 1), suffix is not None
