"""The JSON Schema of lab.yaml, for editors: `python -m grader.labfile.export` writes labs/lab.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.labfile.schema import Lab

# Wherever something other than free text is asked for, a parameter may stand: it is replaced before the file is judged.
_PARAMETER = {"type": "string", "pattern": r"\$\{[a-z][a-z0-9_]*\}"}
_NOTES = ("description", "default")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a lab.yaml as its author writes it, parameters still in place."""
    made = Lab.model_json_schema(by_alias=True)
    made["$defs"] = {name: _node(part, name != "Parameter") for name, part in made["$defs"].items()}
    fields = {name: _node(part, name != "parameters") for name, part in made["properties"].items()}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seatrial lab.yaml",
        "description": "A hands-on Kubernetes lab: see docs/lab-format.md.",
    }
    return {**made, "properties": fields, **head}


def _node(part: Any, replaced: bool) -> Any:
    """A part of the schema, without pydantic's titles and, where parameters are replaced, open for one."""
    if isinstance(part, list):
        return [_node(item, replaced) for item in part]
    if not isinstance(part, dict):
        return part
    node = {key: value for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    node = {key: value for key, value in node.items() if not (key == "default" and value is None)}
    for key in ("properties", "$defs"):
        if key in node:
            node[key] = {name: _node(value, replaced) for name, value in node[key].items()}
    for key in ("items", "additionalProperties", "anyOf", "oneOf"):
        if key in node:
            node[key] = _node(node[key], replaced)
    if not replaced or not _constrained(node):
        return node
    notes = {key: value for key, value in node.items() if key in _NOTES}
    rest = {key: value for key, value in node.items() if key not in _NOTES}
    return {"anyOf": [rest, _PARAMETER], **notes}


def _constrained(node: dict[str, Any]) -> bool:
    if node.get("type") in ("number", "integer", "boolean"):
        return True
    return node.get("type") == "string" and ("pattern" in node or "enum" in node)


def text() -> str:
    """What labs/lab.schema.json holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    target = Path(__file__).resolve().parents[2] / "labs" / "lab.schema.json"
    target.write_text(text(), "utf-8")
    print(target)
