"""The catalogue and the lab page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, current_app, render_template
from markupsafe import Markup
from sqlalchemy.orm import Session

from grader.reports.shown import plain
from webapp.accounts.models import Role
from webapp.accounts.signin import current_user, signed_in
from webapp.catalog import needs, progress, services
from webapp.catalog.markdown import inline
from webapp.catalog.services import LabPage
from webapp.errors import Refused
from webapp.grading import services as grading
from webapp.sessions import services as sessions
from webapp.sessions.models import LabSession
from webapp.sessions.states import describe
from webapp.web import headers
from webapp.web.context import reading, settings

blueprint = Blueprint("catalog", __name__)
# For what students write into their clusters, and reports then quote: nothing that turns text around.
blueprint.add_app_template_filter(plain, "plain")


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task on the lab page. `told` is its hint, once it was asked for; `outcome` comes by events, later."""

    id: str
    title: str
    points: float
    hint: bool
    told: Markup | None
    outcome: str = ""


@blueprint.get("/")
@signed_in
def catalogue() -> str:
    """All labs, with how far the student is and what comes next."""
    user = current_user()
    with reading() as db:
        standings = progress.of(db, user)
    pages = services.labs(student=user.name, secret=settings().secret)
    tracks = services.tracks(pages, standings)
    following = next((entry for track in tracks for entry in track.entries if entry.next), None)
    faults = services.faults() if user.role is not Role.STUDENT else {}
    return render_template("catalogue.html", tracks=tracks, next=following, begun=bool(standings), faults=faults)


@blueprint.get("/labs/<slug>")
@signed_in
def lab(slug: str) -> str:
    """One lab: text, a place to work, tasks."""
    user = current_user()
    with reading() as db:
        session = sessions.current(db, user, slug)
        page = _page(slug, session, user.name)
        seen = session or sessions.removed(db, user, slug)
        place = sessions.place_in_queue(db, session) if session else 0
        tasks = _tasks(db, page, session)
        handed_in = next(iter(grading.history(db, user, slug)), None)
        headers.allow_terminal_styles()
        return render_template(
            "lab.html",
            lab=page,
            session=session,
            state=describe(seen, place=place, keep_days=settings().keep_days),
            lacking=needs.lacking(page, settings().provider),
            tasks=tasks,
            handed_in=handed_in,
            server=f"/user/{quote(user.name, safe='')}/",
        )


def _page(slug: str, session: LabSession | None, student: str) -> LabPage:
    params = session.params if session and session.observed_generation else None
    return services.page(slug, student=student, secret=settings().secret, params=params)


def _tasks(db: Session, page: LabPage, session: LabSession | None) -> list[TaskLine]:
    taken = sessions.hints_taken(db, session) if session else set()
    return [TaskLine(one.id, one.title, one.points, one.hint, _told(page, one.id, taken)) for one in page.tasks]


def _told(page: LabPage, task: str, taken: set[str]) -> Markup | None:
    if task not in taken:
        return None
    try:
        return inline(services.hint(page.slug, task, params=page.params))
    except Refused as gone:  # The lab was changed since, and the hint is no longer there.
        current_app.logger.info("no hint for %s/%s: %s", page.slug, task, gone)
        return None
