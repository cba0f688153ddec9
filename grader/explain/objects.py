"""Reading of Kubernetes objects that may be malformed, and of text that may be hostile.

Evidence comes from files as well as from clusters, so every field may be missing, null, or of another type. Nothing
here raises for that: what is not what it should be reads as empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grader.checks.wording import clean
from grader.model import Object

# How much of one value goes into a sentence, and how long a whole explanation may be, in characters.
VALUE_LIMIT = 80
MESSAGE_LIMIT = 240
SENTENCE_LIMIT = 600

# The API groups whose kinds the rules know; a Service of another group is not the Service that they mean.
_BUILT_IN = frozenset(
    {
        "",
        "apps",
        "autoscaling",
        "batch",
        "discovery.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)


def at(value: Any, *path: str) -> Any:
    """What stands at a path of mappings, or None."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def maps(value: Any) -> list[Object]:
    """The mappings of a list; empty where it is none."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list | tuple) else []


def words(value: Any) -> list[str]:
    """The strings of a list; empty where it is none."""
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | tuple) else []


def text(value: Any) -> str:
    """A string, or the empty one."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """A whole number, or 0."""
    # Beyond 64 bits it is no number of Kubernetes', and could be too long to print.
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else 0


def pairs(value: Any) -> dict[str, str]:
    """A map of strings, such as labels, without what is no string."""
    return (
        {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)} if isinstance(value, dict) else {}
    )


def name(obj: Any) -> str:
    """metadata.name."""
    return text(at(obj, "metadata", "name"))


def namespace(obj: Any) -> str:
    """metadata.namespace, "" for a cluster-scoped object."""
    return text(at(obj, "metadata", "namespace"))


def uid(obj: Any) -> str:
    """metadata.uid."""
    return text(at(obj, "metadata", "uid"))


def labels(obj: Any) -> dict[str, str]:
    """metadata.labels."""
    return pairs(at(obj, "metadata", "labels"))


def owners(obj: Any) -> list[Object]:
    """metadata.ownerReferences, the controller first."""
    return sorted(maps(at(obj, "metadata", "ownerReferences")), key=lambda o: o.get("controller") is not True)


def controller(obj: Any) -> Object | None:
    """The owner reference that says controller: true."""
    return next((o for o in owners(obj) if o.get("controller") is True), None)


def condition(obj: Any, kind: str) -> Object:
    """The condition of a type in status.conditions; empty where there is none."""
    return next((c for c in maps(at(obj, "status", "conditions")) if c.get("type") == kind), {})


def kind_word(api_version: str, kind: str) -> str:
    """The kind as the rules name it: "Service", and "Service.serving.knative.dev" for a group that they do not know."""
    group = api_version.rpartition("/")[0]
    return kind if group in _BUILT_IN else f"{kind}.{group}"


def kind(obj: Any) -> str:
    """The kind of an object as the rules name it."""
    return kind_word(text(at(obj, "apiVersion")), text(at(obj, "kind")))


def shown(value: Any, limit: int = VALUE_LIMIT) -> str:
    """A value as it may stand in a sentence: one line, bounded, without control characters, terminal escapes and
    marks that turn the direction of writing."""
    raw = value if isinstance(value, str) else str(value) if isinstance(value, float) or number(value) == value else ""
    return clean(raw, limit).strip()


def listed(values: Iterable[Any], most: int = 3) -> str:
    """Some values as a list in words: "a, b and 4 more"."""
    every = [shown(v) for v in values]
    if len(every) > most:
        return f"{', '.join(every[:most])} and {len(every) - most} more"
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)


def label_list(value: Mapping[str, str], most: int = 4) -> str:
    """Labels as kubectl writes them: "app=web,tier=front"."""
    some = [f"{shown(k)}={shown(v)}" for k, v in sorted(value.items())[:most]]
    return ",".join([*some, "…"] if len(value) > most else some)


def plural(count: int, word: str) -> str:
    """ "1 Pod", "3 Pods"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
