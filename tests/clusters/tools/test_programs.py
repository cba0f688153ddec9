"""The programs of this machine's cache are the pinned ones."""

from __future__ import annotations

import re

import pytest

from clusters import exec as processes
from clusters.tools import VERSIONS, program
from clusters.tools.pins import pinned


@pytest.mark.cluster
@pytest.mark.parametrize("name", VERSIONS)
def test_a_program_tells_its_pinned_version(name: str, programs: None) -> None:
    arguments = pinned().programs[name].version_arguments
    said = processes.run([program(name), *arguments], timeout=30)
    version = VERSIONS[name].removeprefix("v")
    assert re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", said.stdout + said.stderr), said


@pytest.mark.cluster
def test_kubectl_says_which_minor_version_it_is(programs: None) -> None:
    said = processes.run([program("kubectl"), "version", "--client", "-o", "yaml"], timeout=30).stdout
    _, minor, _ = VERSIONS["kubectl"].split(".")
    assert f'minor: "{minor}"' in said
    assert "gitTreeState: clean" in said
