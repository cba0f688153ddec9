"""A session's state in words: one sentence for every pair of desired and observed, and none of them blames anybody."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.sessions.models import Because, Desired, LabSession, Observed
from webapp.sessions.reconciler.preparing import LOST
from webapp.sessions.states import NONE, describe

NOW = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)


def session(
    desired: Desired, observed: Observed, *, generation: int = 1, seen: int = 1, fault: str | None = None
) -> LabSession:
    """A session that is in no database."""
    row = LabSession(
        lab="services", desired=desired, observed=observed, generation=generation, observed_generation=seen
    )
    row.fault, row.retry_at = fault, None
    return row


@pytest.mark.parametrize(
    ("row", "place", "kind", "words"),
    [
        (None, 0, "none", "Start gives you a cluster"),
        (session(Desired.RUNNING, Observed.WAITING, seen=0), 1, "waiting", "You are next"),
        (session(Desired.RUNNING, Observed.WAITING, seen=0), 7, "waiting", "number 7 in the queue"),
        (session(Desired.RUNNING, Observed.STOPPED), 3, "waiting", "number 3"),
        (session(Desired.RUNNING, Observed.WAITING, seen=0), 0, "waiting", "in a moment"),
        (session(Desired.RUNNING, Observed.PREPARING, seen=0), 0, "preparing", "being put into it"),
        (session(Desired.RUNNING, Observed.PREPARING), 0, "preparing", "coming back as you left it"),
        (session(Desired.RUNNING, Observed.STOPPED), 0, "preparing", "coming back as you left it"),
        (session(Desired.RUNNING, Observed.RUNNING, generation=2), 0, "preparing", "fresh cluster"),
        (session(Desired.RUNNING, Observed.RUNNING), 0, "running", "is running"),
        (session(Desired.STOPPED, Observed.RUNNING), 0, "stopping", "being put to sleep"),
        (session(Desired.STOPPED, Observed.STOPPED), 0, "stopped", "press Start"),
        (session(Desired.REMOVED, Observed.RUNNING), 0, "none", "Start gives you"),
    ],
)
def test_each_state_has_its_sentence(row: LabSession | None, place: int, kind: str, words: str) -> None:
    state = describe(row, place=place)
    assert state.kind == kind
    assert words in state.sentence


@pytest.mark.parametrize(
    ("because", "words"),
    [
        (Because.IDLE, "nothing had happened"),
        (Because.RESTART, "the portal was down"),
        (Because.ROOM, "somebody without a cluster waited"),
    ],
)
def test_who_was_put_to_sleep_is_told_why(because: Because, words: str) -> None:
    row = session(Desired.STOPPED, Observed.STOPPED)
    assert "because" not in describe(row).sentence
    row.because = because
    assert words in describe(row, keep_days=30).sentence
    assert "is kept for 30 days" in describe(row, keep_days=30).sentence


@pytest.mark.parametrize(
    ("because", "words"), [(Because.FINISHED, "handed in all"), (Because.EXPIRED, "for a long time")]
)
def test_whose_session_the_platform_removed_is_told_why(because: Because, words: str) -> None:
    row = session(Desired.REMOVED, Observed.REMOVED)
    row.because = because
    state = describe(row)
    assert state.kind == "none" and words in state.sentence and "Start gives you" in state.sentence


def test_what_was_lost_is_told_while_the_fresh_cluster_runs() -> None:
    row = session(Desired.RUNNING, Observed.RUNNING, fault=LOST)
    assert describe(row).notice == f"Y{LOST[1:]}."
    assert describe(session(Desired.RUNNING, Observed.RUNNING)).notice == ""


@pytest.mark.parametrize(
    ("after", "words"), [(-100, "right now"), (40, "in about 40 seconds"), (600, "in about 10 minutes")]
)
def test_a_failure_says_why_and_what_happens_next(after: int, words: str) -> None:
    row = session(Desired.RUNNING, Observed.FAILED, fault="The API server did not answer.")
    row.retry_at = NOW + datetime.timedelta(seconds=after)
    told = describe(row, now=NOW).sentence
    assert told == (
        f"This is not your fault: the API server did not answer. It is tried again {words} by itself. "
        "What you handed in is kept."
    )


@given(
    st.sampled_from(Desired),
    st.sampled_from(Observed),
    st.tuples(st.integers(1, 3), st.integers(0, 3)),
    st.integers(0, 9),
    st.none() | st.sampled_from(Because),
)
def test_there_is_a_sentence_whatever_the_row_says(
    desired: Desired, observed: Observed, generations: tuple[int, int], place: int, because: Because | None
) -> None:
    generation, seen = generations
    row = session(desired, observed, generation=generation, seen=seen)
    row.because = because
    state = describe(row, place=place)
    assert state.sentence.endswith(".")
    assert state.word
    # What does not pass by itself waits for the student, and only then.
    assert state.changes is (state.kind not in {"none", "running", "stopped"})
    if desired is Desired.REMOVED:
        assert (state.kind, state.word) == (NONE.kind, NONE.word)
