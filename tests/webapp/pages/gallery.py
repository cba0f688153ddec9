"""Every page in every state, as pictures: wide and narrow, light and dark.

    python tests/webapp/pages/gallery.py FOLDER [GROUP]    only pages of one group, the first word of their names

The portal is the real one over a database of its own; the workspace, its terminals and the stream of events are played,
and the Hub's pages are drawn from its templates.
Prints what a browser's console said, and ends with 1 if it said anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, sync_playwright
from sqlalchemy.orm import Session

from tests.fakes.serving import application
from webapp.accounts import services as accounts
from webapp.accounts import signin
from webapp.accounts.models import Role, User
from webapp.app import create_app
from webapp.catalog import services as catalog
from webapp.database import Database, upgrade
from webapp.database.base import now
from webapp.grading.models import Grade, Submission, SubmissionState
from webapp.sessions.models import Desired, HintTaken, LabSession, Observed, PoolCluster, PoolState
from webapp.sessions.reconciler.loop import GONE
from webapp.sessions.reconciler.preparing import LOST
from webapp.settings import PREFIX, Settings, from_environment

SCOPES = "Action is not authorized with current scopes; requires any of [admin-ui]"
GROUPS = ("catalogue", "lab", "results", "submission", "error", "class", "hub")
SIZES = {"1280": (1280, 800), "390": (390, 844)}
SCHEMES = ("light", "dark")
PROMPT = "\x1b[1;32mada\x1b[0m:\x1b[1;34m~/labs/services\x1b[0m$ "
SCREEN = (
    PROMPT + "kubectl get deployments,services\r\n"
    "NAME                     READY   UP-TO-DATE   AVAILABLE   AGE\r\n"
    "deployment.apps/orders   2/2     2            2           4m12s\r\n"
    "deployment.apps/web      3/3     3            3           4m12s\r\n\r\n"
    "NAME             TYPE        CLUSTER-IP      EXTERNAL-IP   PORT(S)    AGE\r\n"
    "service/orders   ClusterIP   10.96.201.14    <none>        80/TCP     4m12s\r\n"
    "service/web      ClusterIP   10.96.31.7      <none>        8080/TCP   21s\r\n" + PROMPT
)


def _box(id: str, kind: str, name: str, detail: str, *at: str, state: str = "ok") -> dict[str, Any]:
    return {
        "id": id,
        "kind": kind,
        "name": name,
        "namespace": "",
        "state": state,
        "detail": detail,
        "node": at[0] if at else "",
        "count": 1,
    }


CLUSTER = {
    "namespace": "shop",
    "left_out": 0,
    "machines": [{"name": f"node-{n}", "state": "ok", "detail": "ready"} for n in (1, 2, 3)],
    "nodes": [
        _box("d1", "Deployment", "web", "3 of 3 ready"),
        _box("d2", "Deployment", "orders", "1 of 2 ready", state="pending"),
        _box("r1", "ReplicaSet", "web-7d4b9c", "3 of 3 ready"),
        _box("r2", "ReplicaSet", "orders-5f6c8d", "1 of 2 ready", state="pending"),
        *(_box(f"p{n}", "Pod", f"web-7d4b9c-x{n}", "running", f"node-{n}") for n in (1, 2, 3)),
        _box("p4", "Pod", "orders-5f6c8d-q1", "running", "node-1"),
        _box("p5", "Pod", "orders-5f6c8d-q2", "being created", "node-2", state="pending"),
        _box("s1", "Service", "web", "ClusterIP, 8080 → 80"),
        _box("s2", "Service", "orders", "ClusterIP, 80 → 80"),
    ],
    "edges": [
        {"from": "d1", "to": "r1", "kind": "owns"},
        {"from": "d2", "to": "r2", "kind": "owns"},
        *({"from": "r1", "to": f"p{n}", "kind": "owns"} for n in (1, 2, 3)),
        *({"from": "r2", "to": f"p{n}", "kind": "owns"} for n in (4, 5)),
        *({"from": "s1", "to": f"p{n}", "kind": "selects"} for n in (1, 2, 3)),
    ],
}


@dataclasses.dataclass(frozen=True)
class Shot:
    """One page in one state: where it is, who looks, and what is done before the picture is taken."""

    name: str
    path: str
    user: str
    act: Callable[[Page], None] | None = None
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    hub: dict[str, Any] | None = None  # what the Hub gives its template, for a page of the Hub's
    mute: bool = False  # the workspace does not answer

    def __post_init__(self) -> None:
        """A page of no group would be photographed by hand alone."""
        assert self.group in GROUPS, self.name

    @property
    def group(self) -> str:
        """The first word of the name."""
        return self.name.partition("-")[0]


def report(passed: int, *, hostile: bool = False) -> dict[str, Any]:
    """A report of the lab Services in which so many tasks are done."""
    tasks = []
    for at, task in enumerate(catalog.page("services").tasks):
        done = at < passed
        outcome = "passed" if done else ("skipped" if at == 5 else "failed")
        why = (
            "The Service orders selects app=order, and no Pod carries that label. The Pods of the Deployment orders "
            "carry app=orders. Is the last letter missing?"
        )
        message = "All of it is as it should be." if done else "This is not as it should be yet."
        if hostile:
            message, why = "<script>alert(1)</script> \u202egnp", "<img src=x onerror=alert(2)>" + "\U0001f9ea" * 40
        check = {"kind": "match", "outcome": outcome, "message": message, "hidden": False}
        check["why"] = None if done else why
        also = {"kind": "match", "outcome": "passed", "message": "The Service exists.", "hidden": False}
        also["why"] = None
        score = task.points if done else (0.0 if outcome == "skipped" else task.points / 2)
        tasks.append(
            {
                "id": task.id,
                "title": task.title,
                "score": score,
                "points": task.points,
                "outcome": outcome,
                "checks": [also, check] if at % 2 else [check],
            }
        )
    return {
        "lab": "services",
        "score": sum(t["score"] for t in tasks),
        "points": sum(t["points"] for t in tasks),
        "skipped_points": sum(t["points"] for t in tasks if t["outcome"] == "skipped"),
        "tasks": tasks,
    }


class Stage:
    """The portal's database with a class in it."""

    def __init__(self, db: Session) -> None:
        """Write everything."""
        self.db = db
        self.users = {
            name: accounts.add_user(db, name, None, role, shown)
            for name, role, shown in (
                ("nina", Role.STUDENT, "Nina New"),
                ("ada", Role.STUDENT, "Ada Lovelace"),
                ("wim", Role.STUDENT, "Wim Waits"),
                ("lou", Role.STUDENT, "Lou Lost"),
                ("eva", Role.STUDENT, "\u202eEva <script>alert(1)</script> \U0001d508\U0001f9ed\u0301 " + "x" * 60),
                ("ida", Role.INSTRUCTOR, "Ida Instructor"),
            )
        }
        ada, wim, eva = self.users["ada"], self.users["wim"], self.users["eva"]
        session = self.session(ada, "services", Desired.RUNNING, Observed.RUNNING)
        db.add(HintTaken(session_id=session.id, task=catalog.page("services").tasks[3].id))
        self.session(ada, "hpa", Desired.STOPPED, Observed.STOPPED)
        self.session(ada, "reconciliation", Desired.RUNNING, Observed.PREPARING, generation=2)
        fault = "the control plane of the cluster did not answer within 60 seconds"
        self.session(ada, "deployments", Desired.RUNNING, Observed.FAILED, fault=fault)
        self.session(wim, "first-pod", Desired.RUNNING, Observed.RUNNING)
        for at in range(3):
            other = accounts.add_user(db, f"queue{at}", None, Role.STUDENT, "")
            self.session(other, "first-pod", Desired.RUNNING, Observed.WAITING)
        self.session(wim, "services", Desired.RUNNING, Observed.WAITING)
        self.session(eva, "services", Desired.RUNNING, Observed.RUNNING)
        self.graded = self.submission(ada, "services", report(2), report(3))
        self.full = self.submission(ada, "first-pod", report(9))
        self.hostile = self.submission(eva, "services", report(2, hostile=True))
        self.waiting = self.submission(wim, "services")
        self.failed = self.submission(wim, "first-pod", state=SubmissionState.FAILED, fault=fault)
        self.retried(self.failed)
        lou = self.users["lou"]
        self.session(lou, "services", Desired.RUNNING, Observed.RUNNING).fault = LOST
        self.lost = self.submission(lou, "services", state=SubmissionState.FAILED, fault=GONE)
        self.hand(ada, "services", 12)
        self.hand(eva, "services", 3)

    def retried(self, submission: str) -> None:
        """It is tried again in a while."""
        row = self.db.get(Submission, submission)
        assert row is not None
        row.retry_at = now() + datetime.timedelta(minutes=2)

    def hand(self, user: User, lab: str, minutes: int) -> None:
        """Raise a student's hand so many minutes ago."""
        row = self.db.query(LabSession).filter_by(user_id=user.id, lab=lab).one()
        row.hand_raised_at = now() - datetime.timedelta(minutes=minutes)

    def session(
        self,
        user: User,
        lab: str,
        desired: Desired,
        observed: Observed,
        *,
        generation: int = 1,
        fault: str | None = None,
    ) -> LabSession:
        """A session and, where it has one, its cluster."""
        row = LabSession(user_id=user.id, lab=lab, desired=desired, observed=observed, generation=generation)
        row.observed_generation = 0 if observed in (Observed.WAITING, Observed.FAILED) else 1
        row.fault, row.retry_at = fault, now() + datetime.timedelta(seconds=40) if fault else None
        self.db.add(row)
        self.db.flush()
        if observed is not Observed.WAITING:
            state = PoolState.STOPPED if observed is Observed.STOPPED else PoolState.CLAIMED
            self.db.add(PoolCluster(name=f"pool-{row.id[:8]}", provider="kwok", state=state, session_id=row.id))
            self.db.flush()
            self.db.refresh(row)
        return row

    def submission(
        self,
        user: User,
        lab: str,
        *reports: dict[str, Any],
        state: SubmissionState | None = None,
        fault: str | None = None,
    ) -> str:
        """A submission with a grade for each report; its id."""
        chosen = state or (SubmissionState.GRADED if reports else SubmissionState.WAITING)
        row = Submission(user_id=user.id, lab=lab, state=chosen, hints=1 if len(reports) > 1 else 0, fault=fault)
        row.submitted_at = now() - datetime.timedelta(hours=20, minutes=len(reports))
        self.db.add(row)
        self.db.flush()
        for at, one in enumerate(reports):
            by = self.users["ida"].id if at else None
            grade = Grade(submission_id=row.id, graded_by=by, lab_digest="d", report=one)
            grade.score, grade.points, grade.skipped_points = one["score"], one["points"], one["skipped_points"]
            self.db.add(grade)
        self.db.flush()
        return row.id


def shots(stage: Stage) -> list[Shot]:
    """What is photographed."""
    tasks = (("tasks", report(3)), ("cluster", CLUSTER))

    def tab(view: str) -> Callable[[Page], None]:
        def act(page: Page) -> None:
            there = page.locator(f"[role=tab][data-view={view}]:visible, [role=tab][data-work={view}]:visible")
            if there.count():  # Text and tasks have no tab in a wide window: they are always to be seen.
                there.first.click()

        return act

    def silent(page: Page) -> None:
        tab("terminal")(page)
        page.locator("#terminal-notice").filter(has_text="does not answer").wait_for()

    def away(page: Page) -> None:
        tab("jupyter")(page)
        page.locator("#pane-jupyter").filter(has_text="not running").wait_for()

    def reset(page: Page) -> None:
        page.get_by_role("button", name="Reset").first.click()

    def run(page: Page) -> None:
        page.wait_for_selector(".screen.shown", state="attached")
        page.locator("button.run").first.click()

    return [
        Shot("catalogue-new", "/", "nina"),
        Shot("catalogue", "/", "ada"),
        Shot("catalogue-hostile", "/", "eva"),
        Shot("lab-none", "/labs/services", "nina"),
        Shot("lab-running", "/labs/services", "ada", events=tasks),
        Shot("lab-running-terminal", "/labs/services", "ada", tab("terminal"), tasks),
        Shot("lab-running-tasks", "/labs/services", "ada", tab("tasks"), tasks),
        Shot("lab-running-cluster", "/labs/services", "ada", tab("cluster"), tasks),
        Shot("lab-run", "/labs/services", "ada", run, tasks),
        Shot("lab-reset", "/labs/services", "ada", reset, tasks),
        Shot("lab-lost", "/labs/services", "lou", events=tasks),
        Shot("lab-given-up", "/labs/services", "lou", tab("tasks"), tasks),
        Shot("lab-workspace-away", "/labs/services", "ada", silent, tasks, mute=True),
        Shot("lab-jupyter-away", "/labs/services", "ada", away, tasks, mute=True),
        Shot("lab-waiting", "/labs/services", "wim"),
        Shot("lab-preparing", "/labs/reconciliation", "ada"),
        Shot("lab-stopped", "/labs/hpa", "ada"),
        Shot("lab-failed", "/labs/deployments", "ada"),
        Shot("lab-hostile", "/labs/services", "eva", tab("tasks"), (("tasks", report(2, hostile=True)),)),
        Shot("results-none", "/results", "nina"),
        Shot("results", "/results", "ada"),
        Shot("results-failed", "/results", "wim"),
        Shot("results-given-up", "/results", "lou"),
        Shot("submission", f"/results/{stage.graded}", "ada"),
        Shot("submission-full", f"/results/{stage.full}", "ada"),
        Shot("submission-waiting", f"/results/{stage.waiting}", "wim"),
        Shot("submission-failed", f"/results/{stage.failed}", "wim"),
        Shot("submission-given-up", f"/results/{stage.lost}", "lou"),
        Shot("submission-hostile", f"/results/{stage.hostile}", "eva"),
        Shot("error-404", "/labs/nothing", "ada"),
        Shot("error-403", "/class", "ada"),
        Shot("class", "/class", "ida"),
        Shot("class-student", f"/class/{stage.users['ada'].id}/services", "ida"),
        Shot("class-student-hostile", f"/class/{stage.users['eva'].id}/services", "ida"),
        Shot("class-student-none", f"/class/{stage.users['nina'].id}/services", "ida"),
        Shot("class-submission", f"/class/submissions/{stage.graded}", "ida"),
        Shot("class-given-up", f"/class/submissions/{stage.lost}", "ida"),
        Shot("class-regrade", "/class/regrade/services", "ida"),
        *hub(),
    ]


def hub() -> list[Shot]:
    """The pages that the Hub draws from our templates: where, and what it gives them."""
    form = {"authenticator_login_url": "/hub/login", "xsrf": "x", "username": "", "login_service": ""}
    wrong = {**form, "username": "ada", "login_error": "Invalid username or password"}
    workspace = {"url": "/hub/spawn/ada", "spawn_url": "/hub/spawn/ada"}
    broken = {**workspace, "failed": True, "failed_message": "the workspace does not start: its home is full"}
    pages: list[tuple[str, str, dict[str, Any]]] = [
        ("login", "login.html", form),
        ("login-wrong", "login.html", wrong),
        ("login-elsewhere", "login.html", {**form, "login_service": "Harbour University"}),
        ("logout", "logout.html", {}),
        ("home", "home.html", {**workspace, "default_server": {"active": False}}),
        ("home-running", "home.html", {**workspace, "default_server": {"active": True}}),
        ("not-running", "not_running.html", workspace),
        ("not-started", "not_running.html", broken),
        ("starting", "spawn_pending.html", {}),
        ("stopping", "stop_pending.html", {}),
        ("token", "token.html", {}),
        ("error-403", "error.html", {"status_code": 403, "status_message": SCOPES, "message": SCOPES}),
        ("error-404", "error.html", {"status_code": 404, "status_message": "None"}),
        ("error-503", "error.html", {"status_code": 503, "status_message": "Service Unavailable"}),
    ]
    return [Shot(f"hub-{name}", f"/../../hub/{file}", "ada", hub=given) for name, file, given in pages]


def hub_page(file: str, given: dict[str, Any]) -> str:
    """A page as the Hub draws it: what it is not given is a fault here."""
    folder = Path(__file__).parents[3] / "webapp" / "web" / "templates" / "hub"
    loader = Environment(loader=FileSystemLoader(folder), autoescape=True)
    return loader.get_template(file).render(given)


def play(page: Page, shot: Shot) -> None:
    """The workspace, its terminals and the stream of events."""

    def terminal(socket: WebSocketRoute) -> None:
        if shot.mute:
            socket.close()
            return

        def heard(message: str | bytes) -> None:
            kind, *content = json.loads(message)
            if kind == "stdin":
                echoed = content[0].replace("\r", "\r\n")
                socket.send(json.dumps(["stdout", echoed]))

        socket.on_message(heard)
        socket.send(json.dumps(["setup", {}]))
        socket.send(json.dumps(["stdout", SCREEN]))

    def terminals(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=201, json={"name": "services_0a1b2c"})
        else:
            route.fulfill(json={"terminals": ["services_0a1b2c", "services_99ffee"]})

    def stream(route: Route) -> None:
        body = "retry: 60000\n\n" + "".join(f"event: {n}\ndata: {json.dumps(d)}\n\n" for n, d in shot.events)
        route.fulfill(body=body, content_type="text/event-stream")

    page.route_web_socket("**/terminals/websocket/**", terminal)
    if shot.hub is not None:
        body = hub_page(shot.path.rpartition("/")[2], shot.hub)
        page.route("**/hub/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    if not shot.mute:
        page.route("**/user/**", lambda route: route.fulfill(body="<p>JupyterLab</p>", content_type="text/html"))
    page.route("**/labs/*/terminals", terminals)
    page.route("**/labs/*/events", stream)


def photograph(browser: Browser, address: str, shot: Shot, cookie: str, folder: Path) -> list[str]:
    """The page in both sizes and both schemes; what its console said."""
    said: list[str] = []
    for size, (width, height) in SIZES.items():
        context = browser.new_context(viewport={"width": width, "height": height}, timezone_id="Europe/Berlin")
        context.add_cookies([{"name": signin.COOKIE, "value": cookie, "url": f"{address}{PREFIX}/"}])
        page = context.new_page()
        page.set_default_timeout(60_000)  # a machine that does other things is slow
        where = f"{shot.name} {size}"
        if not shot.name.startswith("error") and not shot.mute:  # A browser tells of every page that is an error.
            page.on("console", lambda m, w=where: said.append(f"{w}: {m.type}: {m.text}") if m.type != "log" else None)
        page.on("pageerror", lambda e, w=where: said.append(f"{w}: {e}"))
        play(page, shot)
        page.goto(f"{address}{PREFIX}{shot.path}")
        page.wait_for_load_state("load")
        if shot.events and any(kind == "tasks" for kind, _ in shot.events):
            page.wait_for_selector(".task[data-outcome]", state="attached")
        if shot.act is not None:
            shot.act(page)
        if page.locator(".screen.shown .xterm-rows").is_visible() and not shot.mute:
            page.locator(".screen.shown .xterm-rows").filter(has_text="web").wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            said.append(f"{where}: the page is {wide} px wider than the window")
        whole = not page.locator(".lab").count()
        deep = page.evaluate("document.documentElement.scrollHeight - document.documentElement.clientHeight")
        if not whole and deep > 0:
            said.append(f"{where}: the lab's page is {deep} px deeper than the window, and scrolls away")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=folder / f"{shot.name}-{size}-{scheme}.png", full_page=whole)
        context.close()
    return said


def take(browser: Browser, folder: Path, group: str = "") -> list[str]:
    """Photograph the pages of a group, or all, into a folder. Returns what was wrong with them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        settings: Settings = from_environment({"SEATRIAL_DATA": f"{data}/portal"})
        upgrade(settings)
        database = Database(settings.database_url)
        with database.transaction() as db:
            stage = Stage(db)
            cookies = {name: signin.begin(db, user) for name, user in stage.users.items()}
            wanted = [shot for shot in shots(stage) if group in ("", shot.group)]
        said: list[str] = []
        app = create_app(settings)
        with application(app) as address:
            for shot in wanted:
                said += photograph(browser, address, shot, cookies[shot.user], folder)
        app.extensions["seatrial.live"].close()
        app.extensions["seatrial.database"].close()
        database.close()
    return said


def main() -> int:
    """Take the pictures; 1 if anything was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("group", nargs="?", default="", choices=["", *GROUPS])
    chosen = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        said = take(browser, chosen.folder, chosen.group)
        browser.close()
    for line in said:
        print(line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
