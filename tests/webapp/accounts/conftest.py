"""A Hub for the tests that sign in through one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.fakes.hub import FakeHub, serving
from webapp.settings import Settings


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub()) as found:
        yield found


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With a Hub where the portal looks for it, at the public port, in the tests that ask for one."""
    if "hub" not in request.fixturenames:
        return settings
    hub = request.getfixturevalue("hub")
    hub.secret = settings.key("portal")
    return dataclasses.replace(settings, port=int(hub.url.rpartition(":")[2]))
