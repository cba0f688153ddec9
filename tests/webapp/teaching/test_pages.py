"""Reports, regrading and scores, and who may have any of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.webapp.conftest import Browser
from tests.webapp.teaching.test_class import HOSTILE, handed_in, session
from webapp.accounts.models import Role, User
from webapp.database import Database
from webapp.errors import Refused
from webapp.grading import services as grading
from webapp.grading.models import Grade, Submission
from webapp.sessions.models import LabSession
from webapp.settings import PREFIX
from webapp.teaching import services, timeline

AddUser = Callable[..., User]
GET = [
    "/class",
    "/class/table",
    "/class/{user}/services",
    "/class/{user}/services/now",
    "/class/submissions/{submission}",
    "/class/regrade/services",
    "/class/scores.csv",
]
POST = ["/class/{user}/services/hand", "/class/regrade/services"]


@pytest.fixture
def places(database: Database, add_user: AddUser) -> dict[str, object]:
    """Somebody else's session and submission."""
    ann = add_user("ann", display_name="Ann")
    session(database, ann)
    return {"user": ann.id, "submission": handed_in(database, ann, 3.0)}


@pytest.mark.parametrize("path", GET)
def test_pages_are_for_those_who_teach(
    path: str, places: dict[str, object], student: Browser, stranger: Browser, sign_in: Callable[..., Browser]
) -> None:
    address = path.format(**places)
    assert student.get(address).status_code == 403
    away = stranger.get(address)
    assert away.status_code == 302
    assert away.location.startswith(f"{PREFIX}/sign-in?next=")
    assert sign_in("ann").get(address).status_code == 403, "one's own, too: the student has other pages"
    for teacher in (Role.INSTRUCTOR, Role.ADMIN):
        assert sign_in(teacher.value, teacher).get(address).status_code == 200


@pytest.mark.parametrize("path", POST)
def test_forms_are_for_those_who_teach(
    path: str, places: dict[str, object], student: Browser, stranger: Browser, sign_in: Callable[..., Browser]
) -> None:
    address = path.format(**places)
    assert student.post(address).status_code == 403
    assert stranger.post(address).status_code == 401
    teacher = sign_in("ida", Role.INSTRUCTOR)
    assert teacher.post(address, {"csrf_token": "forged"}).status_code == 403
    assert teacher.post(address, {"csrf_token": student.csrf}).status_code == 403
    assert teacher.post(address).status_code == 303


def test_the_services_refuse_a_student_themselves(
    database: Database, places: dict[str, object], student: Browser
) -> None:
    sam = student.user
    assert sam is not None

    def nothing(*_: object) -> None:
        return None

    user, submission = int(str(places["user"])), str(places["submission"])
    calls: list[Callable[..., object]] = [
        lambda db: services.class_table(db, sam, nothing),
        lambda db: services.student(db, sam, user, "services", nothing),
        lambda db: services.lower_hand(db, sam, user, "services"),
        lambda db: services.submission(db, sam, submission),
        lambda db: services.preview_regrade(db, sam, "services"),
        lambda db: services.regrade(db, sam, "services"),
        lambda db: services.scores(db, sam),
    ]
    for call in calls:
        with database.reading() as db, pytest.raises(Refused) as refused:
            call(db)
        assert refused.value.status == 403


def test_a_report_shows_what_is_hidden_from_the_student(
    database: Database, instructor: Browser, sign_in: Callable[..., Browser], add_user: AddUser
) -> None:
    made = handed_in(database, add_user("ann"), 3.0)
    with database.transaction() as db:
        grade = db.query(Grade).one()
        check = {"kind": "match", "outcome": "failed", "message": "The secret thing is wrong.", "why": "Because of it."}
        task = {"id": "t", "title": HOSTILE, "score": 0.0, "points": 4.0, "outcome": "failed"}
        grade.report = {"tasks": [{**task, "checks": [{**check, "hidden": True}]}], "lab_changed": False}
    page = instructor.get(f"/class/submissions/{made}")
    assert "The secret thing is wrong." in page.text
    assert "Because of it." in page.text
    assert "<script>alert" not in page.text
    own = sign_in("ann").get(f"/results/{made}")
    assert own.status_code == 200
    assert "secret thing" not in own.text
    assert "Because of it." not in own.text


def test_a_regrade_shows_first_whose_score_changes(
    database: Database, instructor: Browser, add_user: AddUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = handed_in(database, add_user("ann", display_name="Ann"), 3.0)

    def changes(db: object, slug: str) -> list[grading.Change]:
        assert slug == "services"
        row = db.get(Submission, made)  # type: ignore[attr-defined]
        grade = row.grades[-1]
        if grade.score == 5.0:
            return []
        document = {"tasks": [], "lab_changed": True}
        return [grading.Change(row, row.user, grade.score, 5.0, 14.0, document=document, digest="d")]

    monkeypatch.setattr(grading, "changes", lambda db, slug: iter([changes(db, slug)]))
    page = instructor.get("/class/regrade/services").text
    assert "5 (+2)" in page
    assert "Give 1 new grade" in page
    with database.reading() as db:
        assert db.query(Grade).count() == 1, "a preview writes nothing"
    done = instructor.post("/class/regrade/services")
    assert "1 submission has a new grade" in instructor.get(done.location.removeprefix(PREFIX)).text
    with database.reading() as db:
        assert [(g.score, g.graded_by is None) for g in db.query(Grade).order_by(Grade.id)] == [
            (3.0, True),
            (5.0, False),
        ]
    assert "would change" in instructor.get("/class/regrade/services").text


def test_a_lab_that_is_not_there_cannot_be_graded_again(instructor: Browser) -> None:
    for path in ("/class/regrade/no-such-lab", "/class/regrade/..%2f..%2fetc"):
        assert instructor.get(path).status_code == 404


@pytest.mark.parametrize(
    "name", ["O, Brien", 'Ann "the" Ox', "=1+2", "+1", "-1", "@SUM(A1)", "Ægir Ólafsdóttir", "名前 🚢"]
)
def test_scores_are_csv_that_no_spreadsheet_obeys(
    database: Database, instructor: Browser, add_user: AddUser, name: str
) -> None:
    handed_in(database, add_user("ann", display_name=name), 3.0)
    answer = instructor.get("/class/scores.csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="scores-')
    text = answer.data.decode("utf-8-sig")
    row = next(row for row in csv.DictReader(io.StringIO(text)) if row["lab"] == "services")
    assert row["name"] == ("'" + name if name[0] in "=+-@" else name)
    assert (row["user"], row["lab"], float(row["score"]), float(row["points"])) == ("ann", "services", 3.0, 14.0)


def test_the_timeline_is_on_the_students_page(
    database: Database, instructor: Browser, add_user: AddUser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ann = add_user("ann")
    session(database, ann)
    change = timeline.Change(None, "patch", f"deployments{HOSTILE}", "apps", HOSTILE, HOSTILE, 403, HOSTILE, HOSTILE, 3)
    asked: list[str | None] = []

    def read(admin: Path, slug: str, *, before: str | None = None, size: int = 50) -> timeline.Page:
        asked.append(before)
        return timeline.Page((change,), older="12-34")

    monkeypatch.setattr(services, "_admin", lambda _: tmp_path / "admin.yaml")
    monkeypatch.setattr(timeline, "read", read)
    page = instructor.get(f"/class/{ann.id}/services").text
    assert "3 times" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "before=12-34" in page
    instructor.get(f"/class/{ann.id}/services?before=12-34")
    assert asked == [None, "12-34"]


def test_a_session_of_an_unknown_cluster_has_a_page(
    database: Database, instructor: Browser, add_user: AddUser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ann = add_user("ann")
    session(database, ann)
    monkeypatch.setattr(services, "_admin", lambda _: tmp_path / "gone.yaml")
    assert "files are not there" in instructor.get(f"/class/{ann.id}/services").text
    with database.reading() as db:
        assert db.query(LabSession).count() == 1


def test_without_a_sandbox_whoever_teaches_is_told(
    places: dict[str, object], sign_in: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    instructor = sign_in("ines", Role.INSTRUCTOR)
    monkeypatch.setattr("webapp.workspaces.programs.sandbox_fault", lambda: None)
    assert "no working sandbox" not in instructor.get("/class").text
    monkeypatch.setattr("webapp.workspaces.programs.sandbox_fault", lambda: "none <here>")
    page = instructor.get("/class").text
    assert "There is no working sandbox: none &lt;here&gt;." in page
    assert "can read and do what you can" in page
