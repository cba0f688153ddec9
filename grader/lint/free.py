"""What a lab leaves to the student must be there to be left: a kind and a field that exist."""

from __future__ import annotations

from collections.abc import Iterator

from grader.labfile.faults import did_you_mean
from grader.labfile.schema import Free
from grader.lint.structure import Problem
from grader.lint.types import Type, Types


def check(types: Types, entries: tuple[Free, ...]) -> Iterator[Problem]:
    """What is wrong with the entries of `free`."""
    for i, entry in enumerate(entries):
        found = [types.kind(version, entry.kind) for version in types.versions(entry.kind)]
        if not found:
            yield Problem(
                ("free", i, "kind"), f'there is no kind "{entry.kind}"{did_you_mean(entry.kind, types.names())}'
            )
        elif entry.path != "*":
            problems = [_follow(types, of, entry.path) for of in found]
            if all(problems):
                yield Problem(("free", i, "path"), f"{entry.kind}: {problems[0]}")


def _follow(types: Types, of: Type, path: str) -> str | None:
    """Why a path leads nowhere from a type, or None."""
    for part in path.split("."):
        name, brackets, _ = part.partition("[]")
        of = types.resolve(of)
        if of == "any" or (isinstance(of, dict) and "values" in of):
            return None
        if isinstance(of, dict) and "items" in of:
            return f'"{path}" needs [] before ".{part}": there is a list'
        if not isinstance(of, dict) or "fields" not in of:
            return f'"{path}" goes on where there is a single value, at "{part}"'
        if name not in of["fields"]:
            return f'"{path}": there is no field "{name}"{did_you_mean(name, of["fields"])}'
        of = types.resolve(of["fields"][name])
        if brackets:
            if not isinstance(of, dict) or "items" not in of:
                return f'"{path}": "{name}" is no list, so it takes no []'
            of = of["items"]
    return None
