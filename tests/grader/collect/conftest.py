"""A fake API server, and access to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.collect import Access
from tests.fakes.apiserver import FakeApiServer, serving


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as one:
        yield one


@pytest.fixture
def access(server: FakeApiServer, tmp_path: Path) -> Access:
    return Access.from_kubeconfig(server.kubeconfig(tmp_path))
