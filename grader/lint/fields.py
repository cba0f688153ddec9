"""Fields of objects whose shape may be wrong, and what numbers in them must be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from grader.lint import names
from grader.lint.structure import Keys, Problem, dotted


def items(value: Any, field: str) -> list[dict[str, Any]]:
    """The mappings in the list under a field; whatever else stands there is the business of the shape's check."""
    found = value.get(field) if isinstance(value, dict) else None
    return [item if isinstance(item, dict) else {} for item in found] if isinstance(found, list) else []


def mapping(value: Any, *fields: str) -> dict[str, Any]:
    """The mapping under fields, empty where there is none."""
    for field in fields:
        value = value.get(field) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def twice(values: list[Any]) -> list[Any]:
    """What stands in a list more than once."""
    return [value for value, times in Counter(v for v in values if v is not None).items() if times > 1]


def port(value: Any, keys: Keys) -> Iterator[Problem]:
    """A port must be 1 to 65535, or the name of one."""
    if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= 65535:
        yield Problem(keys, f"{dotted(keys)} is {value}; a port is 1 to 65535")
    if isinstance(value, str) and (fault := names.port_name_fault(value)):
        yield Problem(keys, f"{dotted(keys)} {fault}")


def negative(value: Any, keys: Keys) -> Iterator[Problem]:
    """A count must be 0 or more."""
    if isinstance(value, int) and value < 0:
        yield Problem(keys, f"{dotted(keys)} is {value}, less than nothing")


def share(value: Any, keys: Keys, most: int | None = None) -> Iterator[Problem]:
    """A number of Pods, or a percentage of at most `most`."""
    yield from negative(value, keys)
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]+%", value):
            yield Problem(keys, f'{dotted(keys)} is "{value}"; it must be a number or a percentage like "25%"')
        elif most is not None and int(value[:-1]) > most:
            yield Problem(keys, f"{dotted(keys)} is {value}, more than {most}%")
