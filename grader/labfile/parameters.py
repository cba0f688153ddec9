"""Values drawn for each student, and where they go.

The draw, so that anybody can repeat it: for the parameter `port` of the lab `services` and the student `ada`,
HMAC-SHA256 with the course's secret (UTF-8) as key over the UTF-8 text `services`, NUL, `ada`, NUL, `port`; the
digest as one big-endian integer, modulo the number of choices, is the index into `choose`. Each parameter is drawn by
its own name, so that one more parameter changes none of the others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def draw(choices: Sequence[Any], *, slug: str, student: str, secret: str, name: str) -> Any:
    """One of `choices`, the same for the same words every time. See the module's docstring for the algorithm."""
    message = "\0".join((slug, student, name)).encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return choices[int.from_bytes(digest, "big") % len(choices)]


def as_text(value: Any) -> str:
    """A parameter's value inside a longer text: booleans and numbers as YAML writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def replace(text: str, params: Mapping[str, Any]) -> str:
    """Put the declared parameters into a text; any other `${…}` is left as it is."""
    if "${" not in text or not params:
        return text
    return _PLACE.sub(lambda m: as_text(params[m[1]]) if m[1] in params else m[0], text)


def replace_value(text: str, params: Mapping[str, Any], keeps_type: bool) -> Any:
    """As `replace`, but a text that is one parameter and nothing else becomes its value, number or not."""
    whole = _PLACE.fullmatch(text) if keeps_type else None
    if whole and whole[1] in params:
        return params[whole[1]]
    return replace(text, params)


def places(text: str) -> list[tuple[str, int]]:
    """Every `${name}` of a text with its line, from 1."""
    return [(m[1], text.count("\n", 0, m.start()) + 1) for m in _PLACE.finditer(text)]
