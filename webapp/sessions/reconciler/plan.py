"""What a session needs next. Pure: rows and facts in, one move out."""

from __future__ import annotations

import enum

from webapp.sessions.models import Desired, LabSession, Observed, PoolState
from webapp.sessions.reconciler.facts import Seen


class Move(enum.Enum):
    """One step of a session towards what is desired."""

    NOTHING = "nothing"
    WAIT = "wait"  # for a cluster, or for a place for the one that sleeps
    PREPARE = "prepare"  # bring the cluster up, put the lab in, hand it over
    GIVE_BACK = "give back"  # the cluster is not wanted any more; another may be
    LOSE = "lose"  # the cluster is gone, and the work in it
    SLEEP = "sleep"
    END = "end"  # nothing is left to do: stopped, or removed, as desired


def move(session: LabSession, seen: Seen | None, *, holds: bool, due: bool) -> Move:
    """The next move. `seen` is the cluster's state, `holds` that a submission has yet to be collected from it, `due`
    that the time to try again has come for a session that failed."""
    holds = holds and session.observed is Observed.RUNNING  # From any other, nothing can be collected.
    if session.desired is Desired.RUNNING:
        return _towards_running(session, seen, holds=holds, due=due)
    return _towards_rest(session, seen, holds=holds)


def _towards_rest(session: LabSession, seen: Seen | None, *, holds: bool) -> Move:
    if session.cluster is None:
        return Move.END if session.observed is not _end(session) else Move.NOTHING
    if holds and seen != "gone":
        return Move.NOTHING  # The grader gives up after some attempts, if the cluster does not answer.
    if session.desired is Desired.REMOVED or session.cluster.generation == 0:
        return Move.GIVE_BACK
    if seen == "gone":
        return Move.LOSE
    if session.cluster.state is PoolState.STOPPED:
        return Move.END if session.observed is not Observed.STOPPED else Move.NOTHING
    return Move.SLEEP


def _towards_running(session: LabSession, seen: Seen | None, *, holds: bool, due: bool) -> Move:
    cluster = session.cluster
    if cluster is None:
        waits = session.observed in (Observed.WAITING, Observed.FAILED)
        return Move.NOTHING if waits else Move.WAIT
    if seen == "gone":
        return Move.LOSE
    if cluster.generation not in (0, session.generation):
        return Move.NOTHING if holds else Move.GIVE_BACK
    if cluster.state is PoolState.STOPPED:
        return Move.NOTHING  # It waits in the queue for a place.
    if session.observed is Observed.FAILED:
        return Move.PREPARE if due else Move.NOTHING
    stands = session.observed is Observed.RUNNING and session.observed_generation == session.generation
    return Move.NOTHING if stands and seen in ("running", None) else Move.PREPARE


def _end(session: LabSession) -> Observed:
    return Observed.REMOVED if session.desired is Desired.REMOVED else Observed.STOPPED
