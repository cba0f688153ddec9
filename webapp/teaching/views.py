"""The instructor's pages. Each asks its service, which asks first who wants it."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from grader.reports.shown import number
from webapp.accounts.models import Role
from webapp.accounts.signin import current_user, role
from webapp.database.base import now
from webapp.live.views import feeds
from webapp.sessions import health
from webapp.teaching import roster, services, timeline
from webapp.web.context import reading, settings, transaction
from webapp.workspaces import bare

blueprint = Blueprint("teaching", __name__)


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"number": number, "since": since}


@blueprint.get("/class")
@role(Role.INSTRUCTOR)
def class_page() -> str:
    """The class as a table."""
    with reading() as db:
        found = services.class_table(db, current_user(), _last_known)
        piece = _table(found)
        notices = [*health.notice(db, settings()), *filter(None, [bare.notice(settings())])]
    return render_template("teaching/class.html", table=piece.html, columns=found.columns, notices=notices)


@blueprint.get("/class/table")
@role(Role.INSTRUCTOR)
def table_now() -> AnyResponse:
    """The table alone; 204 where it is as the reader has it."""
    with reading() as db:
        return _table(services.class_table(db, current_user(), _last_known)).answer()


@blueprint.get("/class/<int(max=2147483647):user>/<slug>")
@role(Role.INSTRUCTOR)
def student(user: int, slug: str) -> str:
    """One student in one lab, with the timeline."""
    before = request.args.get("before")
    with reading() as db:
        seen = services.student(db, current_user(), user, slug, _last_known)
        piece = _now(seen)
    changes, not_kept = timeline.Page(()), ""
    if seen.admin is None:
        not_kept = "There is no cluster of this lab at the moment, so there is nothing to look back at."
    else:
        try:
            changes = timeline.read(seen.admin, slug, before=before)
        except timeline.NoTimeline as fault:
            not_kept = str(fault)
    return render_template(
        "teaching/student.html", seen=seen, now=piece.html, timeline=changes, not_kept=not_kept, before=before
    )


@blueprint.get("/class/<int(max=2147483647):user>/<slug>/now")
@role(Role.INSTRUCTOR)
def student_now(user: int, slug: str) -> AnyResponse:
    """The tasks alone; 204 where they are as the reader has them."""
    with reading() as db:
        return _now(services.student(db, current_user(), user, slug, _last_known)).answer()


@blueprint.post("/class/<int(max=2147483647):user>/<slug>/hand")
@role(Role.INSTRUCTOR)
def lower(user: int, slug: str) -> AnyResponse:
    """Lower the hand, and back to where the button was."""
    with transaction() as db:
        services.lower_hand(db, current_user(), user, slug)
    if request.form.get("back") == "student":
        return redirect(url_for(".student", user=user, slug=slug), 303)
    return redirect(url_for(".class_page"), 303)


@blueprint.get("/class/submissions/<id>")
@role(Role.INSTRUCTOR)
def submission(id: str) -> str:
    """One submission's report, nothing hidden."""
    with reading() as db:
        return render_template("teaching/submission.html", seen=services.submission(db, current_user(), id))


@blueprint.get("/class/regrade/<slug>")
@role(Role.INSTRUCTOR)
def regrade_preview(slug: str) -> str:
    """Whose score would change."""
    with reading() as db:
        found = services.preview_regrade(db, current_user(), slug)
        return render_template("teaching/regrade.html", found=found, done=_count(request.args.get("done")))


@blueprint.post("/class/regrade/<slug>")
@role(Role.INSTRUCTOR)
def regrade(slug: str) -> AnyResponse:
    """Do it, and show what is left to change: nothing."""
    with transaction() as db:
        done = services.regrade(db, current_user(), slug)
    return redirect(url_for(".regrade_preview", slug=slug, done=done), 303)


@blueprint.get("/class/scores.csv")
@role(Role.INSTRUCTOR)
def scores() -> Response:
    """Every score."""
    with reading() as db:
        text = services.scores(db, current_user())
    name = f"scores-{now():%Y-%m-%d}.csv"
    # The byte order mark tells spreadsheets that names are UTF-8.
    return Response(
        "\ufeff" + text,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _last_known(session: str, generation: int) -> Mapping[str, Any] | None:
    """The tasks as they were live last; asks no cluster."""
    return feeds().last(session, generation)


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None


def since(moment: datetime.datetime) -> str:
    """How long ago, in whole minutes or hours."""
    minutes = max(0, int((now() - moment).total_seconds() // 60))
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page that asks for itself again every two seconds. `digest` is what it names itself by."""

    digest: str
    html: Markup

    def answer(self) -> Response:
        """The part; 204, at which htmx leaves the page alone, where the reader has this very one."""
        if request.args.get("have") == self.digest:
            return Response(status=204)
        return Response(self.html, mimetype="text/html")


def _table(found: roster.ClassTable) -> Piece:
    body = render_template("teaching/_table.html", table=found)
    return _live("class-table", url_for(".table_now"), body)


def _now(seen: services.Student) -> Piece:
    body = render_template("teaching/_now.html", seen=seen)
    return _live("tasks-now", url_for(".student_now", user=seen.user.id, slug=seen.lab), body)


def _live(id: str, address: str, body: str) -> Piece:
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    rendered = Markup(body)  # noqa: S704 - a template's own output, escaped there
    piece = render_template("teaching/_live.html", id=id, address=f"{address}?have={digest}", body=rendered)
    return Piece(digest, Markup(piece))  # noqa: S704 - as above
