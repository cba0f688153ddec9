"""The measurement of kills (bench/kills.py) in small: a student works, processes are killed, nothing is lost."""

from __future__ import annotations

import kills
import pytest

from tests.webapp.platform.conftest import a_portal

pytestmark = [pytest.mark.portal, pytest.mark.cluster]


def test_what_was_handed_in_is_graded_once_whatever_is_killed(
    portal_programs: None, programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_portal(SEATRIAL_CLUSTERS="1") as portal:
        monkeypatch.setenv("XDG_DATA_HOME", portal.environment["XDG_DATA_HOME"])
        up = portal.seatrial("up")
        assert up.returncode == 0, up.stderr
        found = kills.run(portal.settings, students=1, plan=kills.VICTIMS, seed=4)
    assert [blow.victim for blow in found.blows] == list(kills.VICTIMS)
    assert found.taken > 0
    assert (found.lost, found.doubled, found.ungraded, found.short) == (0, 0, 0, 0)
