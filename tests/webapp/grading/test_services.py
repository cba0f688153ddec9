"""Regrading, the scores as CSV, and what a student sees of a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from grader import evidence as documents_of_evidence
from tests.webapp.grading.conftest import note
from webapp.accounts.models import Role, User
from webapp.database import Database
from webapp.errors import Refused
from webapp.grading import services
from webapp.grading.models import Grade, Submission

Users = Callable[..., User]
Made = Callable[..., Submission]


def mend(folder: Path, before: str, after: str) -> None:
    """Change the lab on disk."""
    file = folder / "lab.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def grades(database: Database, submission: Submission) -> list[float]:
    with database.reading() as db:
        return [g.score for g in db.query(Grade).filter_by(submission_id=submission.id).order_by(Grade.id)]


def test_a_regrade_is_previewed_and_changes_only_what_changes(
    database: Database, lamp: Path, add_user: Users, handed_in: Made
) -> None:
    ada, bob, ida = add_user("ada"), add_user("bob"), add_user("ida", Role.INSTRUCTOR)
    right, wrong = handed_in(ada, note("green")), handed_in(bob)
    with database.reading() as db:
        assert services.preview_regrade(db, "lamp") == []
    mend(lamp, "  points: 1", "  points: 3")
    mend(lamp, "a ConfigMap note with", "a ConfigMap called note with")
    with database.reading() as db:
        preview = services.preview_regrade(db, "lamp")
    assert [(c.user.name, c.old, c.new) for c in preview] == [("ada", 1.0, 3.0), ("bob", 0.0, 0.0)]
    assert grades(database, right) == [1.0], "a preview writes nothing"
    with database.transaction() as db:
        done = services.regrade(db, "lamp", ida)
    assert len(done) == 2
    assert grades(database, right) == [1.0, 3.0]
    assert grades(database, wrong) == [0.0, 0.0]
    with database.transaction() as db:
        assert services.regrade(db, "lamp", ida) == [], "a second time changes nothing"
    with database.reading() as db:
        kept = db.get(Submission, right.id)
        assert kept is not None and kept.grade is not None
        assert kept.grade.graded_by == ida.id
        assert services.report(kept.grade)["lab_changed"] is True


def test_what_cannot_be_graded_again_is_listed_and_left(
    database: Database, lamp: Path, add_user: Users, handed_in: Made
) -> None:
    ada, ida = add_user("ada"), add_user("ida", Role.INSTRUCTOR)
    made = handed_in(ada, note("green"))
    with database.transaction() as db:
        row = db.get(Submission, made.id)
        assert row is not None
        row.evidence = b"garbage"
    with database.transaction() as db:
        (change,) = services.preview_regrade(db, "lamp")
        assert change.new is None and change.fault
        assert services.regrade(db, "lamp", ida) == []
    mend(lamp, "title: Lamp", "titel: Lamp")
    with database.reading() as db, pytest.raises(Refused, match="cannot be read"):
        services.preview_regrade(db, "lamp")


def test_only_who_teaches_may_grade_again(database: Database, lamp: Path, add_user: Users) -> None:
    ada = add_user("ada")
    with database.transaction() as db, pytest.raises(Refused) as refused:
        services.regrade(db, "lamp", ada)
    assert refused.value.status == 403
    with database.reading() as db, pytest.raises(Refused) as refused:
        services.preview_regrade(db, "../lamp")
    assert refused.value.status == 404


def test_hidden_checks_are_cut_out_of_what_a_student_sees(
    database: Database, lamp: Path, add_user: Users, handed_in: Made
) -> None:
    mend(
        lamp,
        "    message: There must be a ConfigMap note",
        "    hidden: true\n    message: There must be a ConfigMap note",
    )
    made = handed_in(add_user("ada"), note("red"))
    with database.reading() as db:
        row = db.get(Submission, made.id)
        assert row is not None and row.grade is not None
        seen, whole = services.report(row.grade), services.report(row.grade, reveal=True)
        evidence, all_of_it = services.evidence_of(db, row), services.evidence_of(db, row, reveal=True)
    assert "ConfigMap note" not in str(seen) and "ConfigMap note" in str(whole)
    assert seen["tasks"][0]["checks"][0]["outcome"] == "failed"
    for secret in (b"hidden script", b"hidden probe"):
        assert secret not in evidence and secret in all_of_it
    assert documents_of_evidence.load(evidence).now.lists == documents_of_evidence.load(all_of_it).now.lists


def test_the_best_of_the_grades_that_count(database: Database, lamp: Path, add_user: Users, handed_in: Made) -> None:
    ada = add_user("ada")
    handed_in(ada)
    good = handed_in(ada, note("green"))
    handed_in(ada, note("red"))
    with database.reading() as db:
        best = services.best(db, ada, "lamp")
        assert best is not None and best.submission_id == good.id
        assert services.best(db, add_user("bob"), "lamp") is None
        assert [s.id for s in services.history(db, ada, "lamp")][1] == good.id


@pytest.mark.parametrize(
    "name", ['O, "Brien"', "=cmd|' /C calc'!A0", "line\nbreak", "\U0001f469‍\U0001f680", "-1+1", " =1", "\n+1", "＝1"]
)
def test_csv_survives_every_name(database: Database, lamp: Path, add_user: Users, handed_in: Made, name: str) -> None:
    user = add_user("ada")
    with database.transaction() as db:
        row = db.get(User, user.id)
        assert row is not None
        row.display_name = name
    handed_in(user, note("green"))
    handed_in(user)
    with database.reading() as db:
        text = services.scores_csv(db)
    header, line = list(csv.reader(io.StringIO(text, newline="")))
    told: dict[str, Any] = dict(zip(header, line, strict=True))
    assert told["name"].lstrip("'") == name and told["name"].lstrip()[0] not in "=-+＝"
    assert (told["user"], told["lab"], told["score"], told["submissions"]) == ("ada", "lamp", "1.0", "2")


def test_csv_has_every_student_in_every_lab(database: Database, lamp: Path, add_user: Users, handed_in: Made) -> None:
    ada, gone = add_user("ada"), add_user("gone")
    add_user("bob", display_name="@Bob")
    add_user("ida", Role.INSTRUCTOR)
    handed_in(ada, note("green"))
    with database.transaction() as db:
        row = db.get(User, gone.id)
        assert row is not None
        row.active = False
        db.add(Submission(user_id=ada.id, lab="an-old-lab"))
        text = services.scores_csv(db)
    told = [(r["user"], r["name"], r["lab"], r["score"], r["submissions"]) for r in csv.DictReader(io.StringIO(text))]
    assert told == [
        ("ada", "", "an-old-lab", "", "1"),
        ("ada", "", "lamp", "1.0", "1"),
        ("bob", "'@Bob", "lamp", "", "0"),
    ]


def test_a_history_reads_no_reports(database: Database, lamp: Path, add_user: Users, handed_in: Made) -> None:
    ada = add_user("ada")
    handed_in(ada, note("green"))
    with database.reading() as db:
        for found in (services.history(db, ada), services.history(db, ada, "lamp")):
            (grade,) = found[0].grades
            assert "report" in inspect(grade).unloaded
        assert services.owned(db, ada, found[0].id).grades[0].report["lab"] == "lamp"


def test_evidence_that_is_not_there_yet(database: Database, add_user: Users) -> None:
    ada = add_user("ada")
    with database.transaction() as db:
        made = Submission(user_id=ada.id, lab="lamp")
        db.add(made)
        db.flush()
        with pytest.raises(Refused):
            services.evidence_of(db, made)
