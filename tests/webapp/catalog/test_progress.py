"""How far a student is: the best submission by its newest grade, and the session there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from webapp.accounts.models import User
from webapp.catalog import progress
from webapp.catalog.services import Standing
from webapp.database import Database
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import Desired, LabSession, Observed


@pytest.fixture
def ada(add_user: Callable[..., User]) -> User:
    """A student."""
    return add_user("ada")


def hand_in(database: Database, user: User, lab: str, *scores: float, skipped: float = 0.0) -> None:
    """A submission with a grade of 10 points for each score."""
    state = SubmissionState.GRADED if scores else SubmissionState.WAITING
    with database.transaction() as db:
        row = Submission(user_id=user.id, lab=lab, state=state)
        db.add(row)
        db.flush()
        for score in scores:
            grade = Grade(submission_id=row.id, lab_digest="", score=score, points=10.0, report={})
            grade.skipped_points = skipped
            db.add(grade)
            db.flush()


def of(database: Database, user: User) -> dict[str, tuple[Standing, float | None, float | None, str]]:
    """The standings as plain tuples."""
    with database.reading() as db:
        return {lab: (p.standing, p.score, p.points, p.session) for lab, p in progress.of(db, user).items()}


def test_nothing_begun(database: Database, ada: User) -> None:
    assert of(database, ada) == {}


def test_the_best_submission_counts_by_its_newest_grade(database: Database, ada: User) -> None:
    hand_in(database, ada, "a", 9.0, 4.0)
    hand_in(database, ada, "a", 6.0)
    hand_in(database, ada, "a", 5.0)
    assert of(database, ada) == {"a": (Standing.HANDED_IN, 6.0, 10.0, "")}


def test_a_zero_is_a_score_and_an_ungraded_submission_is_none(database: Database, ada: User) -> None:
    hand_in(database, ada, "a", 0.0)
    hand_in(database, ada, "a")
    hand_in(database, ada, "b")
    assert of(database, ada) == {
        "a": (Standing.HANDED_IN, 0.0, 10.0, ""),
        "b": (Standing.HANDED_IN, None, None, ""),
    }


def test_full_marks_need_no_points_that_the_cluster_cannot_show(database: Database, ada: User) -> None:
    hand_in(database, ada, "a", 9.0, skipped=1.0)
    hand_in(database, ada, "b", 9.99)
    hand_in(database, ada, "c", 0.0, skipped=10.0)
    found = of(database, ada)
    assert found["a"][0] is Standing.COMPLETE
    assert found["b"][0] is Standing.HANDED_IN
    assert found["c"][0] is Standing.HANDED_IN


def test_a_session_is_told_and_full_marks_stay(database: Database, ada: User) -> None:
    hand_in(database, ada, "a", 10.0)
    with database.transaction() as db:
        db.add(LabSession(user_id=ada.id, lab="a", desired=Desired.STOPPED, observed=Observed.STOPPED))
        db.add(LabSession(user_id=ada.id, lab="b", observed=Observed.WAITING))
        gone = LabSession(user_id=ada.id, lab="c", observed=Observed.REMOVED)
        db.add(gone)
        db.flush()
        gone.living = None
    assert of(database, ada) == {
        "a": (Standing.COMPLETE, 10.0, 10.0, "asleep"),
        "b": (Standing.OPEN, None, None, "waiting"),
    }


def test_nobody_sees_anothers(database: Database, ada: User, add_user: Callable[..., User]) -> None:
    hand_in(database, add_user("bob"), "a", 10.0)
    assert of(database, ada) == {}
