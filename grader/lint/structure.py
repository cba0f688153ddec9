"""Whether a value has the shape of its Kubernetes type: known fields, the right types, what is required.

Two ways: a whole object, as the API server decodes it strictly; or the partial object of a check, where nothing is
required, operators stand for values, and what could never match is a fault.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from grader.checks.places import Place, place
from grader.checks.quantity import parse
from grader.labfile.faults import did_you_mean
from grader.lint.types import Type, Types

Keys = tuple[str | int, ...]


class Problem(NamedTuple):
    """Something wrong inside an object: where, as keys from its top, and what."""

    keys: Keys
    message: str


_Check = Callable[[Types, Any, Type, Keys], Iterator[Problem]]
_CALLED = {
    "string": "text",
    "boolean": "true or false",
    "number": "a number",
    "int32": "a whole number",
    "int64": "a whole number",
    "time": "a time like 2026-01-31T12:00:00Z",
    "bytes": "text in base64",
    "quantity": "a quantity like 500m or 1Gi",
    "int-or-string": "a whole number or text",
}


def dotted(keys: Keys) -> str:
    """`spec.ports[0].port`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def whole(types: Types, value: Any, of: Type, keys: Keys = ()) -> Iterator[Problem]:
    """What the API server would refuse to decode, or miss, in an object."""
    of = types.resolve(of)
    if value is None or of == "any":
        return
    if isinstance(of, str):
        if not _fits(of, value):
            yield Problem(keys, f"{dotted(keys)} must be {_CALLED[of]}, not {_shown(value)}")
        return
    yield from _parts(types, value, of, keys, whole)
    for field in of.get("required", ()) if isinstance(value, dict) else ():
        if value.get(field) is None:
            yield Problem(keys, f"{dotted((*keys, field))} is missing, and it is required")


def partial(types: Types, value: Any, of: Type, keys: Keys = ()) -> Iterator[Problem]:
    """What in a check's partial object no object of the kind could ever contain."""
    of = types.resolve(of)
    if value is None or of == "any":
        return
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        yield from _operator(types, value, of, keys)
    elif not isinstance(of, str):
        yield from _parts(types, value, of, keys, partial)
    elif not _can_be(of, value, keys):
        yield Problem(keys, f"{dotted(keys)} is {_CALLED[of]}, so it can never be {_shown(value)}")


def _parts(types: Types, value: Any, of: dict[str, Any], keys: Keys, check: _Check) -> Iterator[Problem]:
    """The items, fields or words that a type consists of."""
    if "enum" in of:
        yield from _enum(of["enum"], value, keys)
        return
    shape, called = (list, "a list") if "items" in of else (dict, "a mapping")
    if not isinstance(value, shape):
        yield Problem(keys, f"{dotted(keys) or 'the object'} must be {called}, not {_shown(value)}")
        return
    for key, item in enumerate(value) if isinstance(value, list) else value.items():
        inner = _inner(of, key)
        if inner is None:
            yield _unknown(of, str(key), keys)
        else:
            yield from check(types, item, inner, (*keys, key))


def _can_be(of: str, value: Any, keys: Keys) -> bool:
    """Whether a value of this type could ever be equal to `value`, the way that checks compare."""
    if isinstance(value, dict | list) or (of == "boolean") != isinstance(value, bool):
        return False
    fields = tuple(key for key in keys if isinstance(key, str) and not key.startswith("$"))
    if of in ("boolean", "quantity", "int-or-string") or place(fields) in (Place.NUMBER_OR_NAME, Place.AMOUNT):
        return True
    if of in ("int32", "int64"):
        return isinstance(value, int)
    return isinstance(value, int | float) if of == "number" else isinstance(value, str)


def _operator(types: Types, value: dict[str, Any], of: Type, keys: Keys) -> Iterator[Problem]:
    (name, operand), here = next(iter(value.items())), (*keys, next(iter(value)))
    is_list, is_map = (
        isinstance(of, dict) and "items" in of,
        isinstance(of, dict) and ("fields" in of or "values" in of),
    )
    if name == "$not":
        yield from partial(types, operand, of, here)
    elif name == "$in" and isinstance(operand, list):
        for i, item in enumerate(operand):
            yield from partial(types, item, of, (*here, i))
    elif name == "$only":
        if is_list:
            yield from partial(types, operand, of, here)
        else:
            yield Problem(here, f"$only is for lists, and {dotted(keys)} is none")
    elif name == "$size" and not (is_list or is_map):
        yield Problem(here, f"$size is for lists and mappings, and {dotted(keys)} is neither")
    elif name in ("$regex", "$at_least", "$at_most") and (is_list or is_map):
        yield Problem(here, f"{name} is for a single value, and {dotted(keys)} is a {'list' if is_list else 'mapping'}")


def _inner(of: dict[str, Any], key: str | int) -> Type | None:
    if "fields" not in of:
        return of.get("items") or of["values"]
    return of["fields"].get(key, "any" if of.get("open") else None)


def _unknown(of: dict[str, Any], key: str, keys: Keys) -> Problem:
    where = f"{dotted(keys)} has no field" if keys else "there is no field"
    return Problem((*keys, key), f'{where} "{key}"{did_you_mean(key, of["fields"])}')


def _enum(words: list[str], value: Any, keys: Keys) -> Iterator[Problem]:
    # An empty text is what an unset field is on the wire: the API server fills in the default.
    if value in words or value == "":
        return
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    yield Problem(keys, f"{dotted(keys)} must be one of {', '.join(words)}, not {_shown(value)}{hint}")


def _fits(of: str, value: Any) -> bool:
    if of in ("int32", "int64"):
        bits = 31 if of == "int32" else 63
        return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
    if of == "boolean":
        return isinstance(value, bool)
    if of == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if of == "int-or-string":
        return isinstance(value, int | str) and not isinstance(value, bool)
    if of == "quantity":
        return parse(value) is not None
    return isinstance(value, str) and (of == "string" or _reads_as(of, value))


def _reads_as(of: str, value: str) -> bool:
    try:
        if of == "bytes":
            base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True)
        else:
            datetime.fromisoformat(value)
    except (binascii.Error, ValueError):
        return False
    return True


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) < 40 else "that text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the number {value}"
