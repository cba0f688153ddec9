"""Submissions of a lamp, with evidence as if a cluster had been looked at."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader import evidence as documents_of_evidence
from grader import labfile
from grader.checks import wants
from grader.evaluate import evaluate
from grader.model import Evidence, ObjectList, Observation, Outcome, Probed, Reply, Snapshot
from tests.fakes.sessions import LAMP
from webapp.accounts.models import User
from webapp.database import Database
from webapp.grading import documents
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions import labs

COLOUR = {"colour": "green"}


@pytest.fixture
def lamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's folder, which a test may change."""
    folder = tmp_path / "labs" / "90-lamp"
    shutil.copytree(LAMP, folder)
    monkeypatch.setattr(labs.labfile, "catalogue", lambda: [folder])
    return folder


def looked_at(folder: Path, *objects: dict[str, Any]) -> Evidence:
    """What a look at a cluster with these objects would have given."""
    lab = labfile.read(folder, params=COLOUR)
    lists = [
        ObjectList(w.api_version, w.kind, w.namespace, [o for o in objects if o["kind"] == w.kind]) for w in wants(lab)
    ]
    return Evidence(
        "lamp", "lamp", "student", COLOUR, "v1.36.0", frozenset({"audit"}),
        Snapshot("2026-01-01T00:00:00Z", 1.0, lists, {"note/0": Probed("", [Reply("answered", text="hidden probe")])}),
        observations={"note/0": Observation(Outcome.PASSED, "what a hidden script said")}, lab_digest=lab.digest,
    )  # fmt: skip


def note(colour: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "note", "namespace": "lamp"},
        "data": {"colour": colour},
    }


@pytest.fixture
def handed_in(database: Database, lamp: Path) -> Callable[..., Submission]:
    """A graded submission: handed_in(user, note("green"))."""

    def make(user: User, *objects: dict[str, Any], evidence: Evidence | None = None) -> Submission:
        seen = evidence or looked_at(lamp, *objects)
        lab = labfile.read(lamp, params=COLOUR)
        report = evaluate(lab, replace(seen, lab_digest=lab.digest))
        assert report.score is not None
        with database.transaction() as db:
            made = Submission(
                user_id=user.id,
                lab="lamp",
                params=COLOUR,
                state=SubmissionState.GRADED,
                evidence=zlib.compress(documents_of_evidence.dump(seen)),
            )
            db.add(made)
            db.flush()
            kept = documents.document(report, lab_changed=False)
            db.add(
                Grade(
                    submission_id=made.id, lab_digest=lab.digest, score=report.score, points=report.points, report=kept
                )
            )
        return made

    return make
