"""A portal with a victim in it: Vera, with a session, a submission, and a workspace that notes what is asked of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.webapp.conftest import Browser
from webapp.accounts.models import User
from webapp.database import Database
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import LabSession, Observed
from webapp.settings import PREFIX
from webapp.workspaces import terminals
from webapp.workspaces.hub import Answer

SECRET = "the hidden check of the lab"
REPORT: dict[str, Any] = {
    "lab": "services",
    "score": 3.0,
    "points": 14.0,
    "skipped_points": 0.0,
    "lab_changed": False,
    "tasks": [
        {
            "id": "mend",
            "title": "Mend it",
            "score": 0.0,
            "points": 3.0,
            "outcome": "failed",
            "checks": [{"kind": "match", "outcome": "failed", "message": SECRET, "why": SECRET, "hidden": True}],
        }
    ],
}


@dataclass
class Victim:
    """Somebody else, and what is hers."""

    browser: Browser
    user: User
    session: str
    submission: str


@dataclass
class Workspace:
    """In place of the Hub: what the portal asked of whose server."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def at_server(self, name: str, method: str, path: str, body: Any = None) -> Answer:
        """Note it."""
        self.asked.append((name, method, path))
        if method == "GET" and path == "api/terminals":
            return Answer(200, [])
        return Answer(201, {"name": "services_abcdef"}) if method == "POST" else Answer(204, None)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Every student's workspace."""
    played = Workspace()
    monkeypatch.setattr(terminals, "_hub", lambda _: played)
    return played


@pytest.fixture
def victim(sign_in: Callable[..., Browser], database: Database) -> Victim:
    """Vera, signed in, with a lab running and one handed in."""
    browser = sign_in("vera", display_name="Vera")
    assert browser.user is not None
    with database.transaction() as db:
        session = LabSession(user_id=browser.user.id, lab="services", observed=Observed.RUNNING, observed_generation=1)
        submission = Submission(
            user_id=browser.user.id,
            lab="services",
            state=SubmissionState.GRADED,
            evidence=zlib.compress(b'{"of": "vera"}'),
            grades=[Grade(lab_digest="", score=3.0, points=14.0, report=REPORT)],
        )
        db.add_all([session, submission])
        db.flush()
        return Victim(browser, browser.user, session.id, submission.id)


def routes(app: Flask, victim: Victim, *, changing: bool) -> list[tuple[str, str]]:
    """Every method and address below the prefix, filled in with what is the victim's."""
    found = []
    given = {
        "slug": "services",
        "user": victim.user.id,
        "id": victim.submission,
        "submission_id": victim.submission,
        "task": "mend",
        "name": "services_abcdef",
        "filename": "portal.css",
    }
    for rule in app.url_map.iter_rules():
        methods = set(rule.methods or ()) - {"OPTIONS"}
        chosen = methods - {"GET", "HEAD"} if changing else methods & {"GET", "HEAD"}
        found += [(method, _address(rule, given)) for method in sorted(chosen)]
    return found


def _address(rule: Rule, given: dict[str, Any]) -> str:
    """Fails for an argument that nobody has named here, so that no new page is left out."""
    built = rule.build({name: given[name] for name in rule.arguments})
    assert built is not None, rule
    return built[1].removeprefix(PREFIX)
