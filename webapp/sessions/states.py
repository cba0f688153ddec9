"""A session's state in words, for its owner and for whoever watches. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from webapp.sessions.models import Because, Desired, LabSession, Observed

Kind = Literal["none", "waiting", "preparing", "running", "stopping", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class State:
    """What is told of a session: `word` in a table, `sentence` on the lab's page.

    `changes` says that the state passes by itself, so that a page looks again. `notice` is what has happened to the
    session and stands until its owner has read it, "" for nothing.
    """

    kind: Kind
    word: str
    sentence: str
    changes: bool = False
    notice: str = ""


NONE = State("none", "not started", "Start gives you a cluster of your own. It is ready in a few seconds.")


# Why the platform put a session to sleep, and why it removed one.
_ASLEEP = {
    Because.IDLE: ", because nothing had happened in it for a while",
    Because.RESTART: ", because the portal was down for a while",
    Because.ROOM: ", because somebody without a cluster waited for one, and you have another",
}
_REMOVED = {
    Because.FINISHED: "You have handed in all of this lab, so its cluster was removed.",
    Because.EXPIRED: "Nobody had been at this lab for a long time, so its cluster was removed.",
}


def describe(
    session: LabSession | None, *, place: int = 0, keep_days: int = 0, now: datetime.datetime | None = None
) -> State:
    """The state of a session, of one that was removed, or of none.

    `place` is the one in the queue, 0 for who does not wait in it; `keep_days` for how long one that sleeps is kept.
    """
    if session is None:
        return NONE
    if session.desired is Desired.REMOVED or session.observed is Observed.REMOVED:
        why = _REMOVED.get(session.because) if session.because else None
        told = f"{why} Your submissions are kept. Start gives you a fresh one." if why else NONE.sentence
        return State(NONE.kind, NONE.word, told)
    if session.observed is Observed.FAILED:
        return State("failed", "failed", _failed(session, now), changes=True)
    if session.desired is Desired.STOPPED:
        return _stopped(session, keep_days)
    if place > 0:
        return State("waiting", "waiting", _place(place), changes=True)
    return _coming(session)


def _coming(session: LabSession) -> State:
    """A session that shall run, and has its cluster or gets it at once."""
    if session.observed_generation and session.generation > session.observed_generation:
        word, what = "being reset", "A fresh cluster is being prepared; the old one is put away."
    elif session.observed is Observed.RUNNING:
        return State("running", "running", "Your cluster is running.", notice=_sentence(session.fault or ""))
    elif session.observed_generation:
        word, what = "coming back", "Your cluster is coming back as you left it."
    elif session.observed is Observed.WAITING:
        return State("waiting", "waiting", "Your cluster comes in a moment.", changes=True)
    else:
        word, what = "preparing", "Your cluster is there, and the lab is being put into it."
    return State("preparing", word, f"{what} This takes a few seconds.", changes=True)


def _stopped(session: LabSession, keep_days: int) -> State:
    because = _ASLEEP.get(session.because, "") if session.because else ""
    if session.observed in (Observed.RUNNING, Observed.STOPPING, Observed.PREPARING):
        sentence = f"Your cluster is being put to sleep{because}. What you did in it is kept."
        return State("stopping", "stopping", sentence, changes=True)
    days = f" for {keep_days} days" if keep_days > 1 else " for a day" if keep_days else ""
    kept = f"What you did in it is kept{days}: press Start, and it comes back as you left it."
    return State("stopped", "asleep", f"Your cluster sleeps{because}. {kept}")


def _place(place: int) -> str:
    if place == 1:
        return "All clusters are in use. You are next; this page goes on by itself."
    return f"All clusters are in use. You are number {place} in the queue; this page goes on by itself."


def _failed(session: LabSession, now: datetime.datetime | None) -> str:
    why = (session.fault or "The cluster could not be made ready").strip().rstrip(".")
    again = ""
    if session.retry_at is not None:
        moment = now or datetime.datetime.now(datetime.UTC)
        seconds = max(0, round((session.retry_at - moment).total_seconds()))
        again = f" It is tried again {_soon(seconds)} by itself."
    return f"This is not your fault: {why[:1].lower()}{why[1:]}.{again} What you handed in is kept."


def _sentence(words: str) -> str:
    words = words.strip()
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""


def _soon(seconds: int) -> str:
    if seconds < 5:
        return "right now"
    if seconds < 90:
        return f"in about {seconds} seconds"
    return f"in about {round(seconds / 60)} minutes"
