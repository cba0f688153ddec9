"""`python -m webapp.sessions.reconciler`: the process. Ends on SIGTERM and Ctrl-C; may as well be killed."""

from __future__ import annotations

import datetime
import logging
import os
import sys

from clusters.errors import ClusterError
from clusters.registry import provider
from grader.labfile import LoadedLab
from webapp.accounts.models import User
from webapp.database import Database
from webapp.errors import PortalError
from webapp.grading.work import Grader
from webapp.sessions.models import LabSession
from webapp.sessions.reconciler.process import work
from webapp.settings import Settings, from_environment
from webapp.workspaces import files
from webapp.workspaces.hub import HubApi


class OurWorkspaces:
    """The students' workspaces, as webapp.workspaces has them."""

    def __init__(self, settings: Settings) -> None:
        """Asks for nothing yet."""
        self._settings, self._hub = settings, HubApi(settings)

    def ensure(self, user: str) -> None:
        """Have the user's server run."""
        self._hub.ensure_server(user)

    def deliver(self, user: User, session: LabSession, kubeconfig: str, lab: LoadedLab) -> None:
        """Put the lab's files where the workspace sees them."""
        files.deliver(self._settings, user, session, kubeconfig, lab)

    def withdraw(self, user: User, slug: str) -> None:
        """Take them away, and the way to the cluster."""
        files.remove(self._settings, user, slug)

    def tell(self, user: User) -> None:
        """Have the relay close that way now."""
        files.tell(self._settings, user)

    def running(self) -> dict[str, datetime.datetime | None]:
        """Whose servers run, and when something last happened in each."""
        return self._hub.servers()

    def stop(self, user: str) -> None:
        """End the user's server."""
        self._hub.stop_server(user)


def main() -> int:
    """Run. Exit code 0 when it was asked to end, 1 where it cannot work, with a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = from_environment()
        database = Database(settings.database_url)
        grader = Grader(database, lambda: settings.secret)
        work(settings, database, provider(settings.provider), OurWorkspaces(settings), grader)
    except (PortalError, ClusterError) as fault:
        print(f"reconciler: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    # Steps that are at work are cut off: they may be cut off anywhere.
    sys.stderr.flush()
    os._exit(code)
