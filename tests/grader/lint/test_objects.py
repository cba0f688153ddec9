"""Objects of the corpus against lint, and lint against a real API server."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clusters.exec import CommandError
from clusters.kubectl import kubectl
from grader.labfile.manifests import Manifest, collect
from grader.lint import objects
from grader.lint.types import kubernetes
from tests.conftest import RealCluster
from tests.grader.lint.corpus import bad, good

BAD = list(bad())


def faults(folder: Path, value: dict[str, Any]) -> list[str]:
    path = folder / "one.yaml"
    path.write_text(json.dumps(value, indent=1))
    return [fault.message for manifest in manifest_of(path) for fault in objects.manifest(kubernetes(), manifest)]


def manifest_of(path: Path) -> list[Manifest]:
    return collect(path, {}, [])


@pytest.mark.parametrize("name", good())
def test_what_the_server_takes_has_no_fault(name: str, tmp_path: Path) -> None:
    assert faults(tmp_path, good()[name]) == []


@pytest.mark.parametrize(("value", "said"), [(v, s) for _, v, s in BAD], ids=[n for n, _, _ in BAD])
def test_what_the_server_refuses_is_said_once(value: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = faults(tmp_path, value)
    assert any(said in message for message in found), found
    assert len(found) == len(set(found)) <= 2, found


def refusal(cluster: RealCluster, namespace: str, value: dict[str, Any], *options: str) -> str | None:
    """What the API server says against an object, or None."""
    try:
        kubectl(
            cluster.admin, "create", "--validate=strict", "-n", namespace, "-f", "-", *options, stdin=json.dumps(value)
        )
    except CommandError as error:
        return str(error)
    return None


@pytest.mark.cluster
def test_verdicts_are_the_api_servers(cluster: RealCluster, namespace: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda o: refusal(cluster, namespace, o, "--dry-run=server"), good().values()))
        refused = list(pool.map(lambda one: refusal(cluster, namespace, one[1], "--dry-run=server"), BAD))
    # A dry run does not look at node ports: what it lets through is tried for real.
    refused = [said or refusal(cluster, namespace, one[1]) for said, one in zip(refused, BAD, strict=True)]
    assert {name: said for name, said in zip(good(), taken, strict=True) if said} == {}
    assert [name for (name, _, _), said in zip(BAD, refused, strict=True) if said is None] == []
