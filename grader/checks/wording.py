"""Words for values, objects and places in a sentence that a student reads.

What comes out of a cluster is the student's text: it is cut to a bounded length, and what would move the cursor of a
terminal or turn the direction of a line is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from grader.model import Object

# How much of one value goes into a sentence, and how long a whole message may be, in characters.
VALUE_LIMIT = 80
MESSAGE_LIMIT = 800
# A name may have 253 characters; each is allowed to be there.
NAME_LIMIT = 253
_ITEMS_SHOWN = 4
_DEPTH_SHOWN = 3

_SPACE = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# C0 and C1 controls (terminal escapes begin with one), bidirectional overrides and isolates, zero-width characters,
# tags, lone surrogates and what is not a character at all.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PLAIN_KEY = re.compile(r"[$A-Za-z_][A-Za-z0-9_-]*")
_ENDS = (("ss", "es"), ("s", "es"), ("ch", "es"), ("x", "es"))


def clean(text: str, limit: int = VALUE_LIMIT) -> str:
    """The text on one line, without what cannot be seen, at most `limit` characters long."""
    if len(text) <= limit and text.isprintable():
        return text
    # Four times the limit is enough to fill it unless most of the text is invisible.
    rest = _UNSEEN.sub("", _SPACE.sub(" ", text[: limit * 4]))
    return rest if len(rest) <= limit and len(text) <= limit * 4 else f"{rest[: limit - 1]}…"


def shown(value: Any, limit: int = VALUE_LIMIT) -> str:
    """A value as it would stand in YAML, on one line and bounded."""
    if isinstance(value, str):
        return f'"{clean(value, limit)}"'
    return clean(_plain(value, _DEPTH_SHOWN), limit)


def _plain(value: Any, depth: int) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{clean(value)}"'
        case dict():
            inner = [f"{clean(str(k))}: {_deeper(v, depth)}" for k, v in _first(value.items())]
            return f"{{{_listed(inner, len(value))}}}"
        case list() | tuple():
            return f"[{_listed([_deeper(v, depth) for v in _first(value)], len(value))}]"
        case _:
            return str(value)


def _deeper(value: Any, depth: int) -> str:
    return _plain(value, depth - 1) if depth or not isinstance(value, dict | list | tuple) else "…"


def _first(values: Iterable[Any]) -> list[Any]:
    return [v for v, _ in zip(values, range(_ITEMS_SHOWN), strict=False)]


def _listed(inner: Sequence[str], count: int) -> str:
    return ", ".join([*inner, *(["…"] if count > len(inner) else [])])


def joined(keys: Iterable[str | int]) -> str:
    """A path as one writes it: spec.ports[0].targetPort, metadata.labels["app.kubernetes.io/name"]."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _PLAIN_KEY.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f'["{clean(key)}"]'
    return text


def metadata(obj: Object, key: str) -> str:
    """A text of an object's metadata; empty where there is none, also in evidence that was tampered with."""
    about = obj.get("metadata")
    found = about.get(key) if isinstance(about, dict) else None
    return found if isinstance(found, str) else ""


def title(obj: Object) -> str:
    """ "Deployment shop/web", "PersistentVolume data"."""
    kind = obj.get("kind")
    space, name = metadata(obj, "namespace"), metadata(obj, "name")
    where = f"{clean(space, NAME_LIMIT)}/" if space else ""
    return f"{clean(kind if isinstance(kind, str) else 'object')} {where}{clean(name, NAME_LIMIT) or '(no name)'}"


def plural(kind: str) -> str:
    """ "Pods", "Ingresses", "NetworkPolicies"."""
    kind = clean(kind)
    if kind == "Endpoints":
        return kind
    for end, more in _ENDS:
        if kind.endswith(end):
            return kind + more
    return f"{kind[:-1]}ies" if kind[-1:] == "y" and kind[-2:-1] not in "aeiou" else f"{kind}s"


def numbered(count: int, kind: str) -> str:
    """ "1 Pod", "3 Pods"."""
    return f"{count} {clean(kind) if count == 1 else plural(kind)}"


def sentence(text: str) -> str:
    """A whole message, bounded."""
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"


def listing(names: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
