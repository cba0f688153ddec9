"""What Kubernetes allows in names, labels and keys (k8s.io/apimachinery/pkg/util/validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grader.lint.structure import Keys, Problem, dotted

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
# The kinds whose names are one DNS label, not several with dots between.
_LABEL_KINDS = {"Namespace", "Service"}
# The kinds whose names may hold anything but / and %.
_PATH_KINDS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def label_fault(text: str) -> str | None:
    """Why a text is no DNS label, or None."""
    if len(text) > 63:
        return f'"{text}" is longer than 63 characters'
    if not _LABEL.fullmatch(text):
        return f'"{text}" may hold only lower-case letters, digits and dashes, and no dash at either end'
    return None


def _name_fault(kind: str, text: str) -> str | None:
    if kind in _PATH_KINDS:
        return f'"{text}" may not hold "/" or "%"' if re.search("[/%]", text) or text in (".", "..") else None
    if kind in _LABEL_KINDS:
        return label_fault(text)
    if len(text) > 253:
        return f'"{text}" is longer than 253 characters'
    if not _SUBDOMAIN.fullmatch(text):
        return f'"{text}" may hold only lower-case letters, digits, dashes and dots, and a letter or digit at both ends'
    return None


def qualified_fault(text: str) -> str | None:
    """Why a text is no label or annotation key ("app", "example.com/app"), or None."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not _SUBDOMAIN.fullmatch(prefix) or len(prefix) > 253):
        return f'"{text}": what stands before the slash must be a DNS name'
    if not _QUALIFIED.fullmatch(name) or len(name) > 63:
        return (
            f'"{text}" may hold only letters, digits, "-", "_" and ".", 63 at most, with a letter or digit at both ends'
        )
    return None


def value_fault(text: Any) -> str | None:
    """Why a label's value is not allowed, or None."""
    if not isinstance(text, str) or text == "":
        return None
    if len(text) > 63 or not _QUALIFIED.fullmatch(text):
        return (
            f'"{text}" may hold only letters, digits, "-", "_" and ".", 63 at most, with a letter or digit at both ends'
        )
    return None


def port_name_fault(text: str) -> str | None:
    """Why a text is no name of a port, or None."""
    if len(text) > 15 or not _PORT.fullmatch(text):
        return f'"{text}" may hold only lower-case letters, digits and dashes, 15 at most, with a letter among them'
    return None


def data_key_fault(text: str) -> str | None:
    """Why a text is no key of a ConfigMap's or Secret's data, or None."""
    if len(text) > 253 or not _KEY.fullmatch(text) or text in (".", ".."):
        return f'"{text}" may hold only letters, digits, "-", "_" and "."'
    return None


def metadata(kind: str, meta: Any, keys: Keys = ("metadata",)) -> Iterator[Problem]:
    """What is not allowed in an object's metadata, or in a template's."""
    if not isinstance(meta, dict):
        return
    name, namespace = meta.get("name"), meta.get("namespace")
    if isinstance(name, str) and name and (fault := _name_fault(kind, name)):
        yield Problem((*keys, "name"), f"{dotted((*keys, 'name'))} {fault}")
    if isinstance(namespace, str) and namespace and (fault := label_fault(namespace)):
        yield Problem((*keys, "namespace"), f"{dotted((*keys, 'namespace'))} {fault}")
    yield from labels(meta.get("labels"), (*keys, "labels"))
    annotations = meta.get("annotations")
    for key in annotations if isinstance(annotations, dict) else ():
        if fault := qualified_fault(key.lower()):
            yield Problem((*keys, "annotations", key), f"annotation {fault}")


def labels(value: Any, keys: Keys) -> Iterator[Problem]:
    """What is not allowed in a mapping of labels."""
    for key, text in value.items() if isinstance(value, dict) else ():
        if fault := qualified_fault(key):
            yield Problem((*keys, key), f"label {fault}")
        if fault := value_fault(text):
            yield Problem((*keys, key), f"the value of label {key}, {fault}")
