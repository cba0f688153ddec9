"""Results over HTTP: one's own, nobody else's, and every one for who teaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader import evidence as documents_of_evidence
from tests.webapp.conftest import Browser
from tests.webapp.grading.conftest import note
from webapp.accounts.models import User
from webapp.database import Database
from webapp.grading.models import Submission
from webapp.sessions.models import LabSession, Observed

Made = Callable[..., Submission]


def test_a_student_sees_the_own_results_only(
    student: Browser, sign_in: Callable[..., Browser], instructor: Browser, stranger: Browser, handed_in: Made
) -> None:
    assert student.user is not None
    mine = handed_in(student.user, note("green"))
    other = sign_in("mallory")
    assert "Lamp" in student.get("/results").text
    assert mine.id not in other.get("/results").text
    for page in (f"/results/{mine.id}", f"/results/{mine.id}/evidence"):
        assert student.get(page).status_code == 200
        assert instructor.get(page).status_code == 200
        assert other.get(page).status_code == 404
        assert stranger.get(page).status_code in (302, 401)
    assert student.get("/results/nothing").status_code == 404


def test_the_evidence_is_one_that_can_be_graded_again(student: Browser, handed_in: Made) -> None:
    assert student.user is not None
    mine = handed_in(student.user, note("green"))
    answer = student.get(f"/results/{mine.id}/evidence")
    assert documents_of_evidence.load(answer.data).lab == "lamp"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="lamp-{mine.id}.json"'
    assert "no-store" in answer.headers["Cache-Control"]


def test_submit_wants_a_running_session_and_a_token(student: Browser, database: Database, lamp: Path) -> None:
    assert student.user is not None
    assert student.post("/labs/lamp/submit").status_code == 409
    with database.transaction() as db:
        db.add(LabSession(user_id=student.user.id, lab="lamp", observed=Observed.RUNNING, observed_generation=1))
    assert student.post("/labs/lamp/submit", {"csrf_token": "wrong"}).status_code in (400, 403)
    for _ in range(2):
        assert student.post("/labs/lamp/submit").status_code == 303
    with database.reading() as db:
        assert db.query(Submission).count() == 1, "a double click is one submission"


def test_a_submission_that_waits_says_so(student: Browser, database: Database, lamp: Path) -> None:
    assert student.user is not None
    with database.transaction() as db:
        made = Submission(user_id=student.user.id, lab="lamp")
        db.add(made)
    page = student.get(f"/results/{made.id}")
    assert page.status_code == 200 and "being graded" in page.text
    assert student.get(f"/results/{made.id}/evidence").status_code == 404


def test_hostile_names_are_text(sign_in: Callable[..., Browser], instructor: Browser, handed_in: Made) -> None:
    hostile = sign_in("hostile", display_name="<script>alert(1)</script>")
    assert isinstance(hostile.user, User)
    made = handed_in(hostile.user, note("<img src=x onerror=alert(1)>"))
    page = instructor.get(f"/results/{made.id}").text
    assert "<script>alert" not in page and "<img src=x" not in page
