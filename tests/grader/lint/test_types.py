"""The condensed types: what they hold, and that they are those of the API server that the platform pins."""

from __future__ import annotations

import gzip
import json
import runpy
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from grader.lint.structure import partial, whole
from grader.lint.types import FILE, kubernetes
from tests.conftest import RealCluster

_TOOL = Path(__file__).parents[3] / "cluster-setup" / "tools" / "kubernetes_types.py"


@pytest.mark.cluster
def test_they_are_the_running_api_servers(cluster: RealCluster) -> None:
    made = runpy.run_path(str(_TOOL))["condensed"](cluster.admin)
    kept = json.loads(gzip.decompress(resources.files("grader.lint").joinpath(FILE).read_bytes()))
    assert made == kept, f"run {_TOOL.name} again: its first lines say how"


def test_the_file_is_small() -> None:
    assert len(resources.files("grader.lint").joinpath(FILE).read_bytes()) < 300_000


def test_kinds_know_whether_they_live_in_a_namespace() -> None:
    types = kubernetes()
    assert types.namespaced("v1", "Pod")
    assert types.namespaced("apps/v1", "Deployment")
    assert not types.namespaced("v1", "Node")
    assert not types.namespaced("storage.k8s.io/v1", "StorageClass")
    assert types.kind("extensions/v1beta1", "Ingress") is None


def test_a_definition_adds_its_kind() -> None:
    definition = {
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Boat"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {
                                    "type": "object",
                                    "required": ["sails"],
                                    "properties": {"sails": {"type": "integer"}},
                                }
                            },
                        }
                    },
                },
                {"name": "v0", "served": False},
            ],
        }
    }
    types = kubernetes().with_definitions([definition])
    boat = types.kind("example.com/v1", "Boat")
    assert boat is not None
    assert types.kind("example.com/v0", "Boat") is None
    assert kubernetes().kind("example.com/v1", "Boat") is None
    value = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"sail": 3}}
    assert [p.message for p in whole(types, value, boat)] == [
        'spec has no field "sail"; did you mean "sails"?',
        "spec.sails is missing, and it is required",
    ]


def messages(kind: str, value: dict[str, Any], api_version: str = "v1") -> list[str]:
    types = kubernetes()
    return [p.message for p in partial(types, value, types.kind(api_version, kind))]


@pytest.mark.parametrize(
    "value",
    [
        {"spec": {"ports": [{"port": 80}]}},
        {"spec": {"ports": {"$size": 2}}},
        {"spec": {"ports": {"$only": [{"port": {"$in": [80, 8080]}}]}}},
        {"spec": {"type": {"$not": "NodePort"}, "clusterIP": None, "selector": {"$size": 1}}},
        {"metadata": {"name": {"$regex": "^web"}, "labels": {"anything": "goes"}, "annotations": None}},
        {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}},
    ],
)
def test_a_pattern_that_can_match(value: dict[str, Any]) -> None:
    assert messages("Service", value) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"spec": {"port": 80}}, 'did you mean "ports"?'),
        ({"spec": {"ports": {"port": 80}}}, "spec.ports must be a list, not a mapping"),
        ({"spec": {"ports": [{"$in": [{"prot": 1}]}]}}, 'did you mean "port"?'),
        ({"spec": {"ports": {"$only": [{"nmae": "a"}]}}}, 'did you mean "name"?'),
        ({"spec": {"type": "ClusterIp"}}, 'did you mean "ClusterIP"?'),
        ({"spec": {"type": {"$not": "Nodeport"}}}, 'did you mean "NodePort"?'),
        ({"spec": {"type": {"$in": ["ClusterIP", "Nodeport"]}}}, 'did you mean "NodePort"?'),
        ({"spec": {"type": {"$size": 3}}}, "$size is for lists and mappings"),
        ({"spec": {"ports": {"$regex": "80"}}}, "$regex is for a single value"),
        ({"spec": {"selector": {"$only": []}}}, "$only is for lists"),
        ({"spec": {"selector": "app=web"}}, "spec.selector must be a mapping"),
        ({"metadata": {"name": ["web"]}}, "can never be a list"),
        ({"spec": {"publishNotReadyAddresses": "true"}}, "true or false"),
        ({"specs": {}}, 'there is no field "specs"; did you mean "spec"?'),
    ],
)
def test_a_pattern_that_never_matches(value: dict[str, Any], said: str) -> None:
    found = messages("Service", value)
    assert len(found) == 1
    assert said in found[0]
