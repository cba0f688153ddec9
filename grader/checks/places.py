"""What a value means by where it stands in an object: text, an amount, a number or a name; and what its absence says.

Kubernetes gives its fields types, but custom resources have fields of their own, so the rule goes by the names of the
fields that lead to a value. docs/checks.md states it for authors.
"""

from __future__ import annotations

from enum import Enum

Path = tuple[str | int, ...]


class Place(Enum):
    """How two values at one place are compared."""

    EXACT = "exact"  # text is text: "1Gi" is not "1024Mi", and "1" is not 1
    AMOUNT = "amount"  # a quantity: 1, "1", "1.0" and "1000m" are one amount
    NUMBER_OR_NAME = "number or name"  # 80 and "80" are one port
    OPEN = "open"  # unknown field: text with a unit compares as a quantity, anything else as it stands


# Below these, keys are the student's own words and values are text.
_TEXT_BELOW = frozenset(
    {
        "annotations",
        "args",
        "binaryData",
        "command",
        "commonLabels",
        "data",
        "labels",
        "matchExpressions",
        "matchFields",
        "matchLabels",
        "nodeSelector",
        "parameters",
        "selector",
        "stringData",
        "subsets",
    }
)
# Fields that hold text wherever they stand. "1k" is a good name for an object, and "1e3" a good value of a variable.
_TEXT = frozenset(
    {
        "apiVersion",
        "group",
        "host",
        "hostname",
        "hosts",
        "image",
        "key",
        "kind",
        "message",
        "name",
        "namespace",
        "operator",
        "path",
        "reason",
        "subPath",
        "tag",
        "type",
        "uid",
        "value",
        "values",
        "version",
    }
)
# Maps from the name of a resource to an amount of it.
_AMOUNTS_IN = frozenset(
    {
        "allocatable",
        "allocatedResources",
        "capacity",
        "default",
        "defaultRequest",
        "hard",
        "limits",
        "max",
        "maxLimitRequestRatio",
        "min",
        "podFixed",
        "requests",
        "used",
    }
)
_AMOUNT = frozenset(
    {
        "averageValue",
        "cpu",
        "divisor",
        "ephemeral-storage",
        "memory",
        "sizeLimit",
        "storage",
        "targetAverageValue",
    }
)
_NUMBER_OR_NAME = frozenset(
    {
        "containerPort",
        "endPort",
        "hostPort",
        "maxSurge",
        "maxUnavailable",
        "minAvailable",
        "nodePort",
        "port",
        "servicePort",
        "targetPort",
    }
)
# Fields whose absence does not mean zero, false or empty: an unset allowPrivilegeEscalation allows it, an unset
# ttlSecondsAfterFinished keeps the Job for ever. What is asked for must be there.
_ABSENCE_SAYS_MORE = frozenset(
    {
        "activeDeadlineSeconds",
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "fsGroup",
        "hostUsers",
        "maxSurge",
        "maxUnavailable",
        "minAvailable",
        "partition",
        "replicas",
        "runAsGroup",
        "runAsUser",
        "stabilizationWindowSeconds",
        "storageClassName",
        "ttlSecondsAfterFinished",
    }
)
# Maps that the API server drops when they are empty. Any other empty map is there or is not: `emptyDir: {}` is a
# volume, `podSelector: {}` is every Pod.
_DROPPED_WHEN_EMPTY = frozenset(
    {
        "annotations",
        "binaryData",
        "data",
        "default",
        "defaultRequest",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "max",
        "min",
        "nodeSelector",
        "parameters",
        "requests",
        "selector",
        "stringData",
    }
)
# One of several, chosen by being there: a volume without `emptyDir` is another kind of volume, a container without
# `readinessProbe` has none. A pattern below one of these never holds where it is absent.
_CHOSEN_BY_PRESENCE = frozenset(
    {
        "clientIP",
        "configMap",
        "configMapRef",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "exec",
        "grpc",
        "hostPath",
        "httpGet",
        "ipBlock",
        "lifecycle",
        "livenessProbe",
        "local",
        "namespaceSelector",
        "nfs",
        "persistentVolumeClaim",
        "podSelector",
        "postStart",
        "preStop",
        "projected",
        "readinessProbe",
        "rollingUpdate",
        "secret",
        "secretRef",
        "startupProbe",
        "tcpSocket",
    }
)


def place(path: Path) -> Place:
    """What stands at `path`, the names of the fields from the object down. Indexes of lists do not count."""
    names = [p for p in path if isinstance(p, str)]
    if not names:
        return Place.OPEN
    leaf = names[-1]
    around = names[-2] if len(names) > 1 else ""
    # An HPA's target is an amount; the value of a variable, a header or a toleration is text.
    if leaf == "value" and around in ("target", "current"):
        return Place.AMOUNT
    if any(n in _TEXT_BELOW for n in names) or leaf in _TEXT or leaf.endswith("Name"):
        return Place.EXACT
    if leaf in _AMOUNT or around in _AMOUNTS_IN:
        return Place.AMOUNT
    # The number of an Ingress' backend port.
    if leaf in _NUMBER_OR_NAME or (leaf == "number" and around == "port"):
        return Place.NUMBER_OR_NAME
    return Place.OPEN


def in_status(path: Path) -> bool:
    """Whether the API server leaves a zero out here: counters of a status are dropped when nothing was counted."""
    return path[:1] == ("status",)


def zero_when_absent(path: Path) -> bool:
    """Whether a field that is not there counts as false, 0, "" or []."""
    return in_status(path) or not path or path[-1] not in _ABSENCE_SAYS_MORE


def empty_map_when_absent(path: Path) -> bool:
    """Whether an expected {} holds where the map is not there."""
    return bool(path) and path[-1] in _DROPPED_WHEN_EMPTY


def chosen_by_presence(path: Path) -> bool:
    """Whether a map says something by being there, so that an absent one is not an empty one."""
    return bool(path) and path[-1] in _CHOSEN_BY_PRESENCE
