"""The class as a table: who stands where, who needs somebody, and who may look."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from tests.webapp.conftest import Browser
from webapp.accounts.models import AuditEntry, Role, User
from webapp.catalog import progress
from webapp.catalog.services import Standing
from webapp.database import Database
from webapp.database.base import now
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import HintTaken, LabSession, Observed
from webapp.teaching import roster

AddUser = Callable[..., User]
HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"


def report(*outcomes: str, says: str = "There must be a Service named web.") -> dict[str, Any]:
    tasks = [
        {
            "id": f"t{i}",
            "title": f"Task {i}",
            "score": 2.0 if outcome == "passed" else 0.0,
            "points": 2.0,
            "outcome": outcome,
            "checks": [{"kind": "match", "outcome": outcome, "message": says, "why": None}],
        }
        for i, outcome in enumerate(outcomes)
    ]
    return {"lab": "services", "score": 0.0, "points": 0.0, "skipped_points": 0.0, "tasks": tasks}


def session(database: Database, user: User, lab: str = "services", **fields: Any) -> str:
    with database.transaction() as db:
        row = LabSession(user_id=user.id, lab=lab, **{"observed": Observed.RUNNING, **fields})
        db.add(row)
        db.flush()
        if row.observed is Observed.REMOVED:
            row.living = None
        return row.id


def handed_in(database: Database, user: User, *scores: float, lab: str = "services", points: float = 14.0) -> str:
    """A submission that was graded as often as there are scores."""
    with database.transaction() as db:
        row = Submission(user_id=user.id, lab=lab, state=SubmissionState.GRADED if scores else SubmissionState.WAITING)
        row.grades = [Grade(lab_digest="", score=s, points=points, report=report("passed")) for s in scores]
        db.add(row)
        db.flush()
        return row.id


def table(database: Database, live: dict[str, dict[str, Any]] | None = None) -> roster.ClassTable:
    with database.reading() as db:
        return roster.table(db, lambda session, _: (live or {}).get(session))


def cell(found: roster.ClassTable, name: str, lab: str = "services") -> roster.Cell:
    row = next(row for row in found.rows if row.name == name)
    return next(cell for cell in row.cells if cell.lab == lab)


def test_each_cell_says_how_far_the_student_is(database: Database, add_user: AddUser) -> None:
    ann, bob, cem, dee = (add_user(name) for name in ("ann", "bob", "cem", "dee"))
    live = {session(database, bob): report("passed", "failed", "passed")}
    handed_in(database, cem, 9.5)
    session(database, cem, observed=Observed.STOPPED)
    handed_in(database, dee)
    found = table(database, live)
    assert cell(found, ann.name).standing is roster.Standing.NONE
    working = cell(found, bob.name)
    assert (working.standing, working.now, working.now_points) == (roster.Standing.WORKING, 4.0, 6.0)
    done = cell(found, cem.name)
    assert (done.standing, done.score, done.points, done.state) == (roster.Standing.SUBMITTED, 9.5, 14.0, "asleep")
    waiting = cell(found, dee.name)
    assert (waiting.standing, waiting.score, waiting.grading) == (roster.Standing.SUBMITTED, None, True)


def test_the_best_submission_counts_and_of_each_its_newest_grade(database: Database, add_user: AddUser) -> None:
    ann = add_user("ann")
    handed_in(database, ann, 14.0, 3.0)
    best = handed_in(database, ann, 2.0, 8.0)
    handed_in(database, ann, 5.0)
    found = cell(table(database), "ann")
    assert (found.score, found.submission) == (8.0, best)
    assert not found.full


@pytest.mark.parametrize(
    "marks", [(9.0, 5.0, True), (13.996, 0.0, True), (13.99, 0.0, False), (0.0, 14.0, False)], ids=str
)
def test_full_marks_are_what_the_catalogue_says(
    database: Database, add_user: AddUser, instructor: Browser, marks: tuple[float, float, bool]
) -> None:
    score, skipped, full = marks
    ann = add_user("ann")
    made = handed_in(database, ann, score)
    with database.transaction() as db:
        db.query(Grade).update({"skipped_points": skipped})
    assert cell(table(database), "ann").full is full
    with database.reading() as db:
        assert (progress.of(db, ann)["services"].standing is Standing.COMPLETE) is full
    assert ("Full marks." in instructor.get(f"/results/{made}").text) is full


def test_a_submission_that_was_given_up_is_not_being_graded(
    database: Database, add_user: AddUser, instructor: Browser
) -> None:
    ann = add_user("ann")
    made = handed_in(database, ann)
    lost = {"state": SubmissionState.FAILED, "retry_at": None, "fault": "the cluster was lost; submit again"}
    with database.transaction() as db:
        db.query(Submission).update(lost)
    found = cell(table(database), "ann")
    assert (found.given_up, found.grading) == (True, False)
    for path in ("/class", f"/class/{ann.id}/services", f"/class/submissions/{made}"):
        text = instructor.get(path).text
        assert re.search("(must|has to) (be handed|hand) (in )?(in )?again", " ".join(text.split())), path
        assert "being graded" not in text
    handed_in(database, ann, 3.0)
    assert not cell(table(database), "ann").given_up


def test_a_removed_session_is_none_and_a_lab_that_is_gone_keeps_its_column(
    database: Database, add_user: AddUser
) -> None:
    ann = add_user("ann")
    session(database, ann, observed=Observed.REMOVED)
    handed_in(database, ann, 4.0, lab="an-old-lab", points=4.0)
    found = table(database)
    assert cell(found, "ann").standing is roster.Standing.NONE
    assert found.columns[-1].slug == "an-old-lab"
    assert cell(found, "ann", "an-old-lab").full


def test_only_active_students_are_the_class(database: Database, add_user: AddUser) -> None:
    add_user("ann")
    gone = add_user("bob")
    add_user("ida", Role.INSTRUCTOR)
    with database.transaction() as db:
        row = db.get(User, gone.id)
        assert row is not None
        row.active = False
    assert [row.name for row in table(database).rows] == ["ann"]


def test_raised_hands_come_first_the_longest_raised_at_the_top(database: Database, add_user: AddUser) -> None:
    ann, bob, cem = (add_user(name) for name in ("ann", "bob", "cem"))
    long_ago, lately = now() - datetime.timedelta(minutes=9), now() - datetime.timedelta(minutes=1)
    session(database, bob, hand_raised_at=lately)
    live = {session(database, cem, hand_raised_at=long_ago): report("passed", "failed", says="Mind the selector.")}
    found = table(database, live)
    assert [row.name for row in found.rows] == ["cem", "bob", ann.name]
    assert [hand.display_name for hand in found.hands] == ["cem", "bob"]
    assert [(task.outcome, task.says) for task in found.hands[0].tasks] == [
        ("passed", ""),
        ("failed", "Mind the selector."),
    ]


def test_the_number_of_queries_does_not_grow_with_the_class(database: Database, add_user: AddUser) -> None:
    def queries() -> int:
        count = 0

        def one(*_: Any) -> None:
            nonlocal count
            count += 1

        event.listen(database.engine, "before_cursor_execute", one)
        table(database)
        event.remove(database.engine, "before_cursor_execute", one)
        return count

    def join(name: str) -> None:
        user = add_user(name)
        session(database, user)
        handed_in(database, user, 1.0, 2.0)

    join("one")
    few = queries()
    for i in range(12):
        join(f"more{i}")
    assert queries() == few


def test_the_page_shows_it(instructor: Browser, database: Database, add_user: AddUser) -> None:
    ann = add_user("ann", display_name="Ann O'Neill")
    session(database, ann, hand_raised_at=now())
    handed_in(database, ann, 12.5)
    page = instructor.get("/class")
    assert page.status_code == 200
    assert "Ann O&#39;Neill" in page.text
    assert "<b>12.5</b> of 14" in page.text
    assert "Raised hands" in page.text
    assert f"/class/{ann.id}/services" in page.text


def test_an_empty_class_says_how_to_fill_it(instructor: Browser) -> None:
    assert "seatrial user import" in instructor.get("/class").text


def test_what_has_not_changed_is_not_sent_again(instructor: Browser, database: Database, add_user: AddUser) -> None:
    ann = add_user("ann")
    have = re.search(r'hx-get="[^"?]*(\?have=\w+)"', instructor.get("/class").text)
    assert have is not None
    assert instructor.get(f"/class/table{have[1]}").status_code == 204
    session(database, ann)
    changed = instructor.get(f"/class/table{have[1]}")
    assert changed.status_code == 200
    assert "working" in changed.text
    assert have[1] not in changed.text


def test_a_hand_is_lowered_and_it_is_noted_by_whom(instructor: Browser, database: Database, add_user: AddUser) -> None:
    ann = add_user("ann")
    made = session(database, ann, hand_raised_at=now())
    answer = instructor.post(f"/class/{ann.id}/services/hand")
    assert answer.status_code == 303
    with database.reading() as db:
        row = db.get(LabSession, made)
        assert row is not None
        assert row.hand_raised_at is None
        (noted,) = db.query(AuditEntry).filter(AuditEntry.action == "lower hand")
        assert instructor.user is not None
        assert (noted.actor_id, noted.subject, noted.detail) == (instructor.user.id, "services", {"student": "ann"})
    assert instructor.post(f"/class/{ann.id}/services/hand").status_code == 303


def test_one_students_page(instructor: Browser, database: Database, add_user: AddUser) -> None:
    ann = add_user("ann", display_name="Ann")
    made = session(database, ann, hand_raised_at=now())
    with database.transaction() as db:
        db.add(HintTaken(session_id=made, task="cluster-ip"))
    handed = handed_in(database, ann, 3.0)
    text = instructor.get(f"/class/{ann.id}/services").text
    assert "Give the web Pods one address" in text
    assert f"/class/submissions/{handed}" in text
    assert "Lower the hand" in text
    assert "There is no cluster of this lab" in text


@pytest.mark.parametrize(
    "path", ["/class/1/no-such-lab", "/class/999/services", "/class/1/../../x", "/class/x/services"]
)
def test_what_is_not_there_is_404(instructor: Browser, add_user: AddUser, path: str) -> None:
    add_user("ann")
    assert instructor.get(path).status_code == 404


@pytest.mark.parametrize("where", ["display_name", "message", "fault"])
def test_a_script_in_any_text_stays_text(
    instructor: Browser, database: Database, add_user: AddUser, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    ann = add_user("ann", display_name=HOSTILE if where == "display_name" else "Ann")
    fault = {"fault": HOSTILE, "observed": Observed.FAILED} if where == "fault" else {}
    session(database, ann, hand_raised_at=now(), **fault)
    says = HOSTILE if where == "message" else "no"
    monkeypatch.setattr("webapp.teaching.views._last_known", lambda *_: report("failed", says=says))
    for path in ("/class", "/class/table", f"/class/{ann.id}/services", f"/class/{ann.id}/services/now"):
        page = instructor.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
