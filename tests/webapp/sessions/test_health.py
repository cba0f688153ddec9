"""What `seatrial status`, the health page and the class say of the reconciler and its clusters."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from tests.fakes.sessions import World
from tests.webapp.conftest import Browser
from tests.webapp.sessions.test_reconciler import begin
from webapp.accounts import record
from webapp.accounts.models import Role, User
from webapp.accounts.services import audit
from webapp.database import Database
from webapp.database.base import now
from webapp.platform import cli, operations
from webapp.platform import standing as module
from webapp.sessions import health
from webapp.sessions.models import Pass
from webapp.settings import Settings

Users = Callable[[str], User]
FULL = "the disk is full"


@pytest.fixture
def passed(database: Database) -> Callable[..., None]:
    """A last pass so many seconds ago: passed(4, claimed=2)."""

    def write(ago: float, **detail: object) -> None:
        with database.transaction() as db:
            db.merge(Pass(process="reconciler", at=now() - datetime.timedelta(seconds=ago), detail=detail))

    return write


def test_places_as_the_passes_tell_them(world: World, user: Users) -> None:
    for name in ("ada", "bob", "eve", "ida", "zoe"):
        begin(world, user(name))
    world.settle()
    with world.database.reading() as db:
        found = health.read(db, world.settings)
        assert (found.places, found.used, found.free, found.ready, found.waiting) == (4, 4, 0, 0, 1)
        assert found.age is not None and not found.hangs and health.faults(found) == []
        assert health.notice(db, world.settings) == [
            "All 4 clusters are in use, and 1 student session waits. A lab that is stopped makes room."
        ]


def test_before_the_first_pass_nothing_is_wrong(database: Database, settings: Settings) -> None:
    with database.reading() as db:
        assert health.faults(health.read(db, settings)) == []
        assert health.notice(db, settings) == []


def test_a_hung_reconciler_and_a_pool_that_cannot_fill_are_told_with_what_to_do(
    database: Database, settings: Settings, passed: Callable[..., None]
) -> None:
    passed(600, fault=FULL)
    with database.reading() as db:
        hangs, pool = health.faults(health.read(db, settings))
        told = health.notice(db, settings)
    assert "no pass for 10 minutes" in hangs and "`seatrial up`" in hangs
    assert FULL in pool and "`seatrial doctor`" in pool
    assert len(told) == 2 and all("`seatrial status`" in each for each in told)
    assert FULL not in " ".join(told), "what the machine says may name its folders"


def test_the_class_shows_it_to_those_who_teach(instructor: Browser, passed: Callable[..., None]) -> None:
    passed(1)
    assert "No cluster can be made" not in instructor.get("/class").text
    passed(1, fault=FULL)
    assert "No cluster can be made at the moment" in instructor.get("/class").text


def test_the_health_page_tells_of_the_pool_and_of_nobody(stranger: Browser, passed: Callable[..., None]) -> None:
    passed(100, fault=FULL, waiting=3)
    answer = stranger.get("/healthz")
    assert answer.json is not None
    assert (answer.json["pool"], answer.json["waiting"]) == (False, 3)
    assert 100 <= answer.json["reconciler"] < 1000 and FULL not in answer.text


def standing(seconds: int) -> module.Standing:
    return module.Standing("reconciler", "grades", "running", 1, seconds, 0, 0, None)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[[int], module.Status]:
    """The status of a portal whose processes all run, for so many seconds."""

    def status(seconds: int) -> module.Status:
        monkeypatch.setattr(module.Supervisor, "processes", lambda _: [None])
        monkeypatch.setattr(module, "_standing", lambda *_: standing(seconds))
        monkeypatch.setattr(module, "healthz", lambda _: {"database": True})
        return module.status(settings)

    return status


def test_a_status_is_not_well_while_the_reconciler_hangs(
    runs: Callable[[int], module.Status], passed: Callable[..., None], database: Database
) -> None:
    passed(1, claimed=2, stopped=1)
    found = runs(300)
    assert found.healthy and found.clusters is not None and (found.clusters.used, found.clusters.asleep) == (2, 1)
    passed(120)
    assert runs(10).healthy, "it was begun just now"
    found = runs(300)
    assert not found.healthy and found.fault is not None and "no pass for 2 minutes" in found.fault
    passed(1, fault=FULL)
    assert not runs(300).healthy


def test_the_command_says_what_to_do(
    runs: Callable[[int], module.Status],
    passed: Callable[..., None],
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed(1, fault=FULL, claimed=1)
    monkeypatch.setattr(cli, "from_environment", lambda: settings)
    runs(300)
    said = CliRunner().invoke(cli.status, [])
    assert said.exit_code == 1
    assert said.output.count(FULL) == 1 and "`seatrial doctor`" in said.output
    assert f"Clusters: 1 of {settings.clusters} in use, 0 ready, 0 asleep; 0 MiB on the disk." in said.output
    assert json.loads(CliRunner().invoke(cli.status, ["-o", "json"]).output)["clusters"]["fault"] == FULL


def test_the_record_tells_who_did_what_newest_first(
    database: Database, settings: Settings, add_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = add_user("ada", Role.STUDENT)
    add_user("bob", Role.STUDENT)
    with database.transaction() as db:
        audit(db, ada, "start", "services")
        audit(db, None, "put to sleep", "services", user="ada", because="idle")
        audit(db, "root at the command line", "password set", "bob")
    with database.reading() as db:
        lines = record.newest(db, 3)
        assert [(line.actor, line.action) for line in lines] == [
            ("root at the command line", "password set"),
            (record.PLATFORM, "put to sleep"),
            ("ada", "start"),
        ]
        assert "password set" not in [line.action for line in record.newest(db, 50, "Ada")]
        assert {"start", "put to sleep"} <= {line.action for line in record.newest(db, 50, "Ada")}
    monkeypatch.setattr(cli, "from_environment", lambda: settings)
    said = CliRunner().invoke(cli.audit, ["-n", "2"])
    assert said.exit_code == 0 and "platform" in said.output and "because=idle" in said.output
    assert "start" not in said.output
    found = json.loads(CliRunner().invoke(cli.audit, ["--user", "ada", "-n", "1", "-o", "json"]).output)
    assert found[0]["action"] == "put to sleep" and found[0]["detail"] == {"user": "ada", "because": "idle"}


def test_passwords_are_shown_before_their_users_are_there(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cut off while they are shown begins anew: no user is left whose password nobody knows."""
    from webapp.accounts import services
    from webapp.platform import hub

    monkeypatch.setattr(hub, "prepare", lambda _: None)

    def killed(_: list[operations.SignIn]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        operations._database(settings, killed)
    with database.reading() as db:
        assert services.users(db) == []
    shown: list[operations.SignIn] = []
    operations._database(settings, shown.extend)
    assert [each.name for each in shown] == ["student", "instructor"]
