"""The process around the passes: alone on its database, woken at once, ended by a signal."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType

from clusters.model import Provider
from webapp.database import Database, DatabaseFault
from webapp.sessions.reconciler.alone import alone
from webapp.sessions.reconciler.crew import Crew
from webapp.sessions.reconciler.loop import PERIOD, Parts, Reconciler
from webapp.sessions.reconciler.ports import Submissions, Workspaces
from webapp.sessions.wake import Bell
from webapp.settings import Settings

LOG = logging.getLogger(__name__)
# Threads for steps that mostly wait for programs, and the pause between two passes at least, in seconds.
THREADS, BREATH = 16, 0.02


def work(
    settings: Settings, database: Database, its: Provider, workspaces: Workspaces, submissions: Submissions
) -> None:
    """Make passes until SIGTERM or Ctrl-C. Raises NotAlone where another reconciler works on the database."""
    with alone(database) as held:
        bell = Bell(settings.run)
        crew = Crew(THREADS, bell.ring)
        ended: list[int] = []

        def end(signum: int, _: FrameType | None) -> None:
            ended.append(signum)
            bell.ring()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        reconciler = Reconciler(Parts(settings, database, its, workspaces, submissions, crew))
        LOG.info("reconciling %s with provider %s", database.where, its.name)
        while not ended and held():
            _pass(reconciler)
            bell.wait(PERIOD)
            time.sleep(BREATH)  # Many ring at once: one pass answers them all.
        crew.close()


def _pass(reconciler: Reconciler) -> None:
    try:
        reconciler.run_pass()
    except DatabaseFault as fault:
        LOG.warning("%s", fault)  # The next pass carries on.
    except Exception:  # A bug in one pass must not end all those after it.
        LOG.exception("a pass failed")
