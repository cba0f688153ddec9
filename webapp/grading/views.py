"""Handing in, and what became of it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from webapp.accounts.models import Role, User
from webapp.accounts.signin import current_user, signed_in
from webapp.errors import Refused
from webapp.grading import marks, services
from webapp.grading.models import Grade
from webapp.sessions import labs, wake
from webapp.sessions import services as sessions
from webapp.settings import PREFIX
from webapp.web.context import reading, transaction

blueprint = Blueprint("grading", __name__)


@blueprint.record
def _listen(state: Any) -> None:
    wake.at(state.app.extensions["seatrial.settings"].run)


@blueprint.post("/labs/<slug>/submit")
@signed_in
def submit(slug: str) -> AnyResponse:
    """Hand in what stands in one's cluster now."""
    with transaction() as db:
        session = sessions.current(db, current_user(), slug)
        if session is None:
            raise Refused("This lab is not started; open its page and press Start", 409)
        services.submit(db, session)
    return redirect(f"{PREFIX}/labs/{slug}", 303)


@blueprint.get("/results")
@signed_in
def results() -> str:
    """Everything that one handed in, newest first."""
    user = current_user()
    with reading() as db:
        handed_in = services.history(db, user)
        best = {slug: services.best_of(handed_in, slug) for slug in {s.lab for s in handed_in}}
        rows = [
            {
                "submission": s,
                "lab_title": labs.title(s.lab),
                "grade": s.grade,
                "best": s.grade and s.grade is best[s.lab],
            }
            for s in handed_in
        ]
        return render_template("results.html", rows=rows)


@blueprint.get("/results/<submission_id>")
@signed_in
def result(submission_id: str) -> str:
    """One submission: its report, and how it was graded before."""
    with reading() as db:
        submission = services.owned(db, current_user(), submission_id)
        grades = list(reversed(submission.grades))
        newest = grades[0] if grades else None
        return render_template(
            "submission.html",
            submission=submission,
            lab_title=labs.title(submission.lab),
            owner=None if submission.user_id == current_user().id else _called(submission.user),
            grade=newest,
            full=newest is not None and marks.full(newest.score, newest.points, newest.skipped_points),
            report=_report(newest) if newest else None,
            by=_by(newest) if newest else "",
            earlier=[{"grade": g, "report": _report(g), "by": _by(g)} for g in grades[1:]],
            change=round(grades[0].score - grades[1].score, 2) if len(grades) > 1 else 0,
            evidence=newest is not None,
        )


@blueprint.get("/results/<submission_id>/evidence")
@signed_in
def evidence(submission_id: str) -> Response:
    """What was seen in the cluster, as a file that `seatrial regrade` reads."""
    with reading() as db:
        submission = services.owned(db, current_user(), submission_id)
        content = services.evidence_of(db, submission, reveal=current_user().role is not Role.STUDENT)
    answer = current_app.response_class(content, mimetype="application/json")
    # Slugs and ids are of a few plain characters; nothing in this header is a student's.
    answer.headers["Content-Disposition"] = f'attachment; filename="{submission.lab}-{submission.id}.json"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _report(grade: Grade) -> dict[str, Any]:
    return services.report(grade, reveal=current_user().role is not Role.STUDENT)


def _by(grade: Grade) -> str:
    return "an instructor" if grade.graded_by is not None else "seatrial"


def _called(user: User) -> str:
    return user.display_name or user.name
