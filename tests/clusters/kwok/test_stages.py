"""The rules by which a simulated node plays a mistake, without a cluster."""

from __future__ import annotations

import re

import pytest
import yaml

from clusters.kwok.config import ARGUMENTS, CHANGED, COMPONENTS
from clusters.kwok.stages import FAILS, MISSING_IMAGE, stages


@pytest.mark.parametrize(
    "image",
    [
        "nginx:missing", "nginx:1.161", "nginx:v1.161-alpine", "ngnix", "ngnix:1.27", "library/nginix:1", "nginx:typo",
        "does-not-exist", "registry.example/doesnotexist:1", "nginx:bad", "nginx:bad-tag", "nginx:broken",
        "nginx:not-found", "no-such-image", "nginx:nonexistent",
    ],
)  # fmt: skip
def test_these_images_cannot_be_had(image: str) -> None:
    assert re.search(MISSING_IMAGE, image)


@pytest.mark.parametrize(
    "image",
    [
        "nginx", "nginx:1.27", "nginx:1.27.100", "redis:7.2.4-alpine", "busybox:1.36.1", "localhost:5000/app:2",
        "registry.k8s.io/pause:3.10", "bitnami/kubectl:1.36", "dgraph/badger:2", "ubuntu:24.04", "node:20.11-slim",
        "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "broken.example/app:1",
    ],
)  # fmt: skip
def test_these_images_can(image: str) -> None:
    assert not re.search(MISSING_IMAGE, image)


@pytest.mark.parametrize(
    "command", ["false", "/bin/false", "sh -c exit 1", "sh -c echo no; exit 3", "sh -c sleep 1; exit 1;"]
)
def test_these_commands_fail(command: str) -> None:
    assert re.search(FAILS, command)


@pytest.mark.parametrize(
    "command", ["", "true", "sh -c exit 0", "sh -c exit 1 || true", "sleep 10", "run --verify=false"]
)
def test_these_commands_do_not(command: str) -> None:
    assert not re.search(FAILS, command)


def test_every_rule_is_put_in() -> None:
    text = stages()
    assert "MISSING_IMAGE" not in text
    assert "FAILS" not in text
    names = [s["metadata"]["name"] for s in yaml.safe_load_all(text)]
    assert len(names) == len(set(names))


def test_arguments_are_for_components_that_there_are() -> None:
    assert set(ARGUMENTS) | set(CHANGED) <= set(COMPONENTS)
    assert not any(set(ARGUMENTS[c]) & set(CHANGED.get(c, {})) for c in ARGUMENTS)
