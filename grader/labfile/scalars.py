"""What a plain word of YAML means, by the two programs that read a lab's files."""

from __future__ import annotations

import math
import re
from typing import Any

# A number that YAML 1.1 reads as octal and YAML 1.2 as decimal.
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NULL = {"", "~", "null", "Null", "NULL"}
_CORE_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_GO_BOOL = _CORE_BOOL | {
    word: value
    for value, words in ((True, ("y", "yes", "on")), (False, ("n", "no", "off")))
    for one in words
    for word in (one, one.capitalize(), one.upper())
}
_DECIMAL = re.compile(r"[-+]?[0-9]{1,40}")
_BASED = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+|[0-7]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ODD_FLOATS = {f"{sign}.{word}" for sign in ("", "-", "+") for word in ("inf", "Inf", "INF")} | {".nan", ".NaN", ".NAN"}


def _number(written: str) -> int | float | None:
    if _DECIMAL.fullmatch(written):
        return int(written)
    if _FLOAT.fullmatch(written):
        return float(written)
    return math.inf if written in _ODD_FLOATS else None


def lab_scalar(written: str) -> Any:
    """A plain word by YAML 1.2's core schema."""
    if written in _NULL:
        return None
    if written in _CORE_BOOL:
        return _CORE_BOOL[written]
    if written[0] not in "-+.0123456789":
        return written
    if written.startswith(("0x", "0o")) and _BASED.fullmatch(written):
        return int(written, 0)
    value = _number(written)
    return written if value is None else value


def kubectl_scalar(written: str) -> Any:
    """A plain word as go-yaml 2 reads it (resolve.go)."""
    if written in _NULL:
        return None
    if written in _GO_BOOL:
        return _GO_BOOL[written]
    if written[0] not in "-+.0123456789":
        return written
    digits = written.replace("_", "")
    if _BASED.fullmatch(digits):
        sign = -1 if digits.startswith("-") else 1
        bare = digits.lstrip("-+")
        return sign * (int(bare, 0) if bare[1].isalpha() else int(bare, 8))
    value = _number(digits)
    return written if value is None else value
