"""Kubernetes' types, condensed from an API server's OpenAPI documents so that manifests can be checked without one.

A condensed type is one of

    "string" "boolean" "number" "int32" "int64" "time" "bytes" "quantity" "int-or-string" "any"
    "#core.v1.PodSpec"                         a named type
    {"enum": [...]}                            one of these texts
    {"items": TYPE}                            a list
    {"values": TYPE}                           a mapping with keys of the author's
    {"fields": {NAME: TYPE}, "required": [..]} an object; "open" where further fields are allowed

The file kubernetes-1.36.json.gz is made by cluster-setup/tools/kubernetes_types.py from a running API server; a test
compares the two.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

FILE = "kubernetes-1.36.json.gz"

Type = Any  # a condensed type, as the module's docstring gives it

# Types whose meaning their OpenAPI schema does not tell.
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
}
_SCALARS = {"string": "string", "boolean": "boolean", "number": "number", "integer": "int64"}
_FORMATS = {"int32": "int32", "int64": "int64", "date-time": "time", "byte": "bytes", "int-or-string": "int-or-string"}


class Types:
    """The kinds that a cluster serves, and what they are made of."""

    def __init__(self, condensed: Mapping[str, Any]) -> None:
        """Take the document that `condense` makes."""
        self.kubernetes: str = condensed["kubernetes"]
        self._kinds: dict[str, Any] = dict(condensed["kinds"])
        self._types: Mapping[str, Any] = condensed["types"]

    def resolve(self, one: Type) -> Type:
        """A named type's own schema; any other type is given back as it is."""
        while isinstance(one, str) and one.startswith("#"):
            one = self._types[one[1:]]
        return one

    def kind(self, api_version: str, kind: str) -> Type | None:
        """The type of a kind, or None where the cluster serves no such kind."""
        found = self._kinds.get(f"{api_version}/{kind}")
        return found[0] if found else None

    def namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind live in a namespace. A kind that is not known does."""
        found = self._kinds.get(f"{api_version}/{kind}")
        return bool(found[1]) if found else True

    def versions(self, kind: str) -> list[str]:
        """The apiVersions that serve a kind of this name."""
        return [key.rpartition("/")[0] for key in self._kinds if key.rpartition("/")[2] == kind]

    def kinds(self, api_version: str) -> list[str]:
        """The kinds of an apiVersion."""
        return [key.rpartition("/")[2] for key in self._kinds if key.rpartition("/")[0] == api_version]

    def names(self) -> set[str]:
        """Every kind's name."""
        return {key.rpartition("/")[2] for key in self._kinds}

    def with_definitions(self, definitions: Iterable[Mapping[str, Any]]) -> Types:
        """These types and those that CustomResourceDefinitions add."""
        wider = Types({"kubernetes": self.kubernetes, "kinds": self._kinds, "types": self._types})
        for definition in definitions:
            spec = definition.get("spec")
            if not isinstance(spec, dict) or not isinstance(spec.get("names"), dict):
                continue
            kind, namespaced = spec["names"].get("kind"), spec.get("scope") != "Cluster"
            for version in spec.get("versions") or ():
                if isinstance(version, dict) and version.get("served"):
                    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
                    wider._kinds[f"{spec.get('group')}/{version.get('name')}/{kind}"] = [_custom(schema), namespaced]
        return wider


def _custom(schema: Mapping[str, Any]) -> Type:
    condensed = _condense(schema)
    if not isinstance(condensed, dict) or "fields" not in condensed:
        condensed = {"fields": {}, "open": True}
    meta = {"apiVersion": "string", "kind": "string", "metadata": "#apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    return {**condensed, "fields": {**condensed["fields"], **meta}}


@cache
def kubernetes() -> Types:
    """The types of the Kubernetes release that the platform pins."""
    packed = resources.files("grader.lint").joinpath(FILE).read_bytes()
    return Types(json.loads(gzip.decompress(packed)))


def condense(version: str, documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One document out of an API server's OpenAPI v3 documents: what its own kinds are made of, and no descriptions.

    Kinds that extensions added (CustomResourceDefinitions, aggregated servers) are left out.
    """
    kinds: dict[str, list[Any]] = {}
    types: dict[str, Any] = {}
    for document in documents:
        schemas = document.get("components", {}).get("schemas", {})
        of_kind = {
            (g["group"], g["version"], g["kind"]): name
            for name, schema in schemas.items()
            if name.startswith(("io.k8s.api.", "io.k8s.apiextensions-apiserver.", "io.k8s.kube-aggregator."))
            for g in schema.get("x-kubernetes-group-version-kind", ())
        }
        for path, item in document.get("paths", {}).items():
            gvk = _served(path, item)
            if gvk in of_kind:
                api_version = f"{gvk[0]}/{gvk[1]}" if gvk[0] else gvk[1]
                entry = kinds.setdefault(f"{api_version}/{gvk[2]}", ["#" + _short(of_kind[gvk]), False])
                # A namespaced kind is served over all namespaces as well.
                entry[1] = entry[1] or "/namespaces/{namespace}/" in path
        for name, schema in schemas.items():
            if name not in _SPECIAL:
                types[_short(name)] = _condense(schema)
    used = _reachable([of[0] for of in kinds.values()], types)
    return {
        "kubernetes": version,
        "kinds": dict(sorted(kinds.items())),
        "types": {name: types[name] for name in sorted(used)},
    }


def _served(path: str, item: Mapping[str, Any]) -> tuple[str, str, str]:
    """The (group, version, kind) that a path serves one object or a new one of, else empty words."""
    action = item.get("get", item.get("post")) or {}
    gvk = action.get("x-kubernetes-group-version-kind")
    own = path.split("/{name}")
    if not gvk or "/watch/" in path or (len(own) > 1 and own[1]):
        return "", "", ""
    return gvk["group"], gvk["version"], gvk["kind"]


def _short(name: str) -> str:
    return name.removeprefix("io.k8s.").removeprefix("api.")


def _condense(schema: Mapping[str, Any]) -> Type:
    ref = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None)
    if ref:
        name = ref.rpartition("/")[2]
        return _SPECIAL.get(name, "#" + _short(name))
    if schema.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    kind = schema.get("type")
    if kind == "array":
        return {"items": _condense(schema.get("items", {}))}
    if kind == "object" or "properties" in schema:
        return _object(schema)
    if kind == "string" and schema.get("enum"):
        return {"enum": sorted(schema["enum"])}
    return _FORMATS.get(schema.get("format", ""), _SCALARS.get(kind or "", "any"))


def _object(schema: Mapping[str, Any]) -> Type:
    if "properties" in schema:
        made: dict[str, Any] = {"fields": {n: _condense(s) for n, s in sorted(schema["properties"].items())}}
        if schema.get("required"):
            made["required"] = sorted(schema["required"])
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            made["open"] = True
        return made
    values = schema.get("additionalProperties")
    return {"values": _condense(values)} if isinstance(values, dict) else "any"


def _reachable(roots: Iterable[Type], types: Mapping[str, Type]) -> set[str]:
    """The names of all types that the roots are made of."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        one = todo.pop()
        if isinstance(one, str) and one.startswith("#") and one[1:] not in found:
            found.add(one[1:])
            todo.append(types[one[1:]])
        elif isinstance(one, dict):
            todo += [one[k] for k in ("items", "values") if k in one]
            todo += list(one.get("fields", {}).values())
    return found
