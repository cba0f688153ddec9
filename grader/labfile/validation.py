"""What pydantic finds wrong with a lab.yaml, as faults with lines and in words for an instructor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from grader.labfile.faults import Fault, did_you_mean
from grader.labfile.schema import CHECK_KINDS, CheckBase

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]

_LISTS_OF_CHECKS = ("checks", "any_of", "all_of")
_NEEDED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def validate(model: type[Model], value: Any, path: Path, line: Callable[..., int], faults: list[Fault]) -> Model | None:
    """The model made from a YAML value, or None with all its faults added."""
    try:
        # The names that YAML has ("with"), not those that Python needs ("with_").
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
    located = [(*_locate(model, detail["loc"]), detail) for detail in details]
    seen: set[Place] = set()
    for place, known, detail in located:
        # A union says the same once for each branch, and a list whose items are wrong is called too short beside.
        if place in seen or _long_enough(detail):
            continue
        seen.add(place)
        keys, message = _explain(detail, place, known)
        needed = dict.fromkeys(_NEEDED.get(other["type"], "") for where, _, other in located if where == place)
        if len(needed) > 1 and "" not in needed:
            message = f'"{_name(place)}" must be {" or ".join(needed)}, not {_shown(detail["input"])}'
        faults.append(Fault(path, line(*keys), message))
    return None


def _long_enough(detail: ErrorDetails) -> bool:
    given = detail["input"]
    return detail["type"] == "too_short" and isinstance(given, list) and len(given) >= detail["ctx"]["min_length"]


def _locate(model: type[BaseModel], loc: Place) -> tuple[Place, list[str]]:
    """Where in the YAML a fault is, and the fields known there.

    pydantic's location holds more than the YAML: the tag of a check after its index, and the branch of a union.
    """
    place: list[int | str] = []
    known: list[str] = []
    here: type[BaseModel] | None = model
    for i, part in enumerate(loc):
        if i > 1 and isinstance(loc[i - 1], int) and loc[i - 2] in _LISTS_OF_CHECKS and part in CHECK_KINDS:
            here = CHECK_KINDS[str(part)]
            continue
        if isinstance(part, str) and (part in ("str", "int", "float", "bool") or "[" in part):
            continue
        place.append(part)
        if isinstance(part, str):
            fields = {f.alias or n: f for n, f in here.model_fields.items()} if here else {}
            known = list(fields)
            here = _model_in(fields[part].annotation) if part in fields else None
    return tuple(place), known


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for inner in get_args(annotation) if (m := _model_in(inner)) is not None), None)


def _explain(detail: ErrorDetails, place: Place, known: list[str]) -> tuple[Place, str]:
    kind, given = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    last = str(place[-1]) if place else ""
    name = f'"{_name(place)}"'
    if kind == "check_kind":
        return _check_kind(given, place)
    messages: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: f'unknown field "{last}"{did_you_mean(last, known)}',
        "missing": lambda: f'missing field "{last}"; add it',
        "value_error": lambda: str(context["error"]),
        "string_pattern_mismatch": lambda: f"{name} is {_shown(given)}, which is not of the form {context['pattern']}",
        "string_too_short": lambda: f"{name} must not be empty",
        "too_short": lambda: f"{name} must hold at least {context['min_length']}; add one",
        "greater_than": lambda: f"{name} must be more than {context['gt']:g}, not {_shown(given)}",
        "greater_than_equal": lambda: f"{name} must be at least {context['ge']:g}, not {_shown(given)}",
        "literal_error": lambda: _not_among(name, given, context["expected"]),
    }
    if kind in messages:
        return place, messages[kind]()
    if kind in _NEEDED:
        return place, f"{name} must be {_NEEDED[kind]}, not {_shown(given)}"
    return place, f"{name}: {detail['msg']}; here {_shown(given)}"


def _name(place: Place) -> str:
    return next((part for part in reversed(place) if isinstance(part, str)), "lab.yaml")


def _not_among(name: str, given: Any, expected: str) -> str:
    words = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
    return f"{name} must be one of {', '.join(words)}, not {_shown(given)}{did_you_mean(str(given), words)}"


def _check_kind(given: Any, place: Place) -> tuple[Place, str]:
    kinds = ", ".join(CHECK_KINDS)
    if not isinstance(given, dict):
        return place, f"a check is a mapping with one of {kinds}, not {_shown(given)}"
    found = [k for k in CHECK_KINDS if k in given]
    if found:
        return place, f"a check is of one kind, here are {' and '.join(found)}: make them two checks, or use all_of"
    unknown = [k for k in given if k not in CheckBase.model_fields]
    if not unknown:
        return place, f"this check has no kind; it needs one of {kinds}"
    hint = did_you_mean(unknown[0], CHECK_KINDS) or f"; a check has one of {kinds}"
    return (*place, unknown[0]), f'unknown field "{unknown[0]}"{hint}'


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) < 60 else f'"{value[:57]}…"'
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "empty" if value is None else str(value)
