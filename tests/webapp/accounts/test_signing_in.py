"""Names and passwords: who comes in, who does not, and how often one may try."""

from __future__ import annotations

import datetime
import threading

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from webapp.accounts import limits, passwords, services
from webapp.accounts.models import AuditEntry, BrowserSession, Role, SignInAttempt, User
from webapp.accounts.signin import begin
from webapp.database import Database
from webapp.database.base import now
from webapp.errors import PortalError, Refused

GOOD = "correct horse"
HERE = "192.0.2.7"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 itself, with the least memory: what is tested here is not how long it takes."""
    import argon2

    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()


@pytest.fixture
def ada(database: Database) -> User:
    with database.transaction() as db:
        return services.add_user(db, "ada", GOOD)


def enter(database: Database, name: str, password: str, address: str = HERE) -> User | None:
    with database.transaction() as db:
        return services.authenticate(db, name, password, address)


def fail(database: Database, times: int, name: str = "ada", address: str = HERE) -> None:
    for _ in range(times):
        assert enter(database, name, "wrong wrong", address) is None


def age(database: Database, by: datetime.timedelta) -> None:
    """Make every attempt older."""
    with database.transaction() as db:
        for row in db.scalars(select(SignInAttempt)):
            row.at -= by


def test_the_right_password_lets_in(database: Database, ada: User) -> None:
    found = enter(database, " ADA", GOOD)
    assert found is not None and found.id == ada.id
    assert ada.password_hash and ada.password_hash.startswith("$argon2id$") and GOOD not in ada.password_hash


@pytest.mark.parametrize("password", ["", "Correct horse", GOOD + " ", GOOD + "\0", "\ud800", "x" * 2_000_000])
def test_any_other_does_not(database: Database, ada: User, password: str) -> None:
    assert enter(database, "ada", password) is None


@pytest.mark.parametrize("name", ["bob", "", "a\0", "\ud800", "%", "ada' OR '1'='1", "a" * 10_000])
def test_a_name_that_nobody_has_costs_as_much(
    database: Database, ada: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    real = passwords.verify

    def counting(stored: str | None, password: str) -> bool:
        verified.append(stored)
        return real(stored, password)

    monkeypatch.setattr(passwords, "verify", counting)
    assert enter(database, name, GOOD) is None
    assert verified == [None]


def test_no_hash_is_never_the_right_one() -> None:
    assert passwords.verify(None, GOOD) is False
    assert passwords.verify("", GOOD) is False
    assert passwords.verify("not a hash", GOOD) is False


def test_who_is_disabled_or_signs_in_elsewhere_has_no_password(database: Database, ada: User) -> None:
    with database.transaction() as db:
        services.add_user(db, "eve", None)
        found = services.by_name(db, "ada")
        assert found is not None
        services.disable(db, found)
    assert enter(database, "ada", GOOD) is None
    assert enter(database, "eve", "") is None


def test_five_failures_and_the_right_one_waits_too(database: Database, ada: User) -> None:
    fail(database, limits.SAME_NAME_AND_ADDRESS)
    with pytest.raises(Refused, match="Too many failed sign-ins; try again in 15 minutes") as refused:
        enter(database, "ada", GOOD)
    assert refused.value.status == 429
    age(database, limits.WINDOW - datetime.timedelta(seconds=30))
    with pytest.raises(Refused, match="try again in a minute"):
        enter(database, "ada", GOOD)
    age(database, datetime.timedelta(seconds=31))
    assert enter(database, "ada", GOOD) is not None


def test_to_be_refused_again_and_again_does_not_make_it_longer(database: Database, ada: User) -> None:
    fail(database, limits.SAME_NAME_AND_ADDRESS)
    for _ in range(10):
        with pytest.raises(Refused):
            enter(database, "ada", GOOD)
    with database.reading() as db:
        assert db.scalar(select(func.count(SignInAttempt.id))) == limits.SAME_NAME_AND_ADDRESS


def test_somebody_elses_failures_do_not_soon_keep_the_owner_out(database: Database, ada: User) -> None:
    fail(database, limits.SAME_NAME_AND_ADDRESS, address="203.0.113.9")
    assert enter(database, "ada", GOOD) is not None
    with pytest.raises(Refused):
        for number in range(limits.SAME_NAME + 1):
            fail(database, 1, address=f"198.51.100.{number}")


def test_one_address_may_not_try_every_name(database: Database, ada: User) -> None:
    with pytest.raises(Refused):
        for number in range(limits.SAME_ADDRESS + 1):
            fail(database, 1, name=f"student{number}")
    assert enter(database, "ada", GOOD, "192.0.2.8") is not None


def test_a_success_forgives_the_names_failures(database: Database, ada: User) -> None:
    for _ in range(3):
        fail(database, limits.SAME_NAME_AND_ADDRESS - 1)
        assert enter(database, "ada", GOOD) is not None


def test_a_clock_that_was_set_back_keeps_nobody_out(database: Database, ada: User) -> None:
    fail(database, limits.SAME_NAME_AND_ADDRESS)
    age(database, -datetime.timedelta(days=400))
    assert enter(database, "ada", GOOD) is not None


def outcome(database: Database) -> str:
    """What a wrong password of ada's comes to."""
    try:
        return "let in" if enter(database, "ada", "wrong wrong") else "failed"
    except Refused:
        return "refused"


def test_many_at_the_same_moment_get_no_more_tries(database: Database, ada: User) -> None:
    answers: list[str] = []
    start = threading.Barrier(12)

    def one() -> None:
        start.wait()
        answers.append(outcome(database))

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    assert answers.count("failed") <= limits.SAME_NAME_AND_ADDRESS
    assert "let in" not in answers


def test_whoever_is_written_down_is_seen_by_whoever_counts(database: Database, ada: User) -> None:
    """Also before the commit, when nobody else can see the row: who comes then waits."""
    fail(database, limits.SAME_NAME_AND_ADDRESS - 1)
    written, go_on = threading.Event(), threading.Event()

    def hold(session: Session, _: object) -> None:
        if not written.is_set() and any(isinstance(row, SignInAttempt) for row in session.new):
            written.set()
            go_on.wait(30)

    answers: list[str] = []

    threads = [threading.Thread(target=lambda: answers.append(outcome(database))) for _ in range(2)]
    event.listen(Session, "after_flush", hold)
    try:
        threads[0].start()
        assert written.wait(30)
        threads[1].start()
        threads[1].join(0.3)
        assert answers == []
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
        event.remove(Session, "after_flush", hold)
    assert sorted(answers) == ["failed", "refused"]


def test_attempts_are_forgotten_after_a_day(database: Database, ada: User) -> None:
    fail(database, 3)
    age(database, limits.FORGOTTEN + limits.WINDOW)
    assert enter(database, "ada", GOOD) is not None
    with database.reading() as db:
        assert db.scalar(select(func.count(SignInAttempt.id))) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense" * 20, ("nonsense" * 20)[:64]),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert limits.network(address) == network


def test_a_hash_of_other_parameters_is_made_anew(database: Database, ada: User) -> None:
    import argon2

    with database.transaction() as db:
        found = services.by_name(db, "ada")
        assert found is not None
        found.password_hash = old = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(GOOD)
    assert enter(database, "ada", GOOD) is not None
    with database.reading() as db:
        again = services.by_name(db, "ada")
        assert again is not None and again.password_hash not in (None, old)
    assert enter(database, "ada", GOOD) is not None


@pytest.mark.parametrize(("password", "what"), [("1234567", "too short"), ("", "too short"), ("x" * 1025, "too long")])
def test_a_password_has_a_length(password: str, what: str) -> None:
    with pytest.raises(PortalError, match=what):
        passwords.hashed(password)


def test_drawn_passwords_are_all_different_and_long_enough() -> None:
    drawn = {passwords.draw() for _ in range(200)}
    assert len(drawn) == 200
    assert all(passwords.verify(passwords.hashed(password), password) for password in list(drawn)[:3])


def test_a_new_password_signs_every_browser_out_and_is_noted(database: Database, ada: User) -> None:
    with database.transaction() as db:
        begin(db, ada)
    with database.transaction() as db:
        found = services.by_name(db, "ada")
        assert found is not None
        services.set_password(db, found, "another one", actor="root at the command line")
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0
        noted = db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[-1]
    assert (noted.action, noted.subject, noted.detail) == ("password set", "ada", {"by": "root at the command line"})
    assert enter(database, "ada", GOOD) is None
    assert enter(database, "ada", "another one") is not None


def test_a_taken_name_is_told_and_takes_nothing_else_back(database: Database, ada: User) -> None:
    with database.transaction() as db:
        services.add_user(db, "bob", None, Role.INSTRUCTOR)
        with pytest.raises(PortalError, match="there is a user 'ada' already"):
            services.add_user(db, "ADA", None)
    with database.reading() as db:
        assert [user.name for user in services.users(db)] == ["ada", "bob"]


def test_expired_browser_sessions_are_cleared_away(database: Database, ada: User) -> None:
    with database.transaction() as db:
        db.add(BrowserSession(token_digest="old", user_id=ada.id, csrf="x", expires_at=now()))
    with database.transaction() as db:
        begin(db, ada)
    with database.reading() as db:
        assert "old" not in db.scalars(select(BrowserSession.token_digest)).all()
