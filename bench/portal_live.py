"""How soon a change made with kubectl is a green task: the portal as it is served, one real cluster, one viewer.

live(scratch) gives the rows for `bench/run.py`; python bench/portal_live.py prints them alone.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fleet
from measure import Row, duration, p95

from clusters.kubectl import kubectl
from grader import labfile
from proving.start import start
from webapp.accounts import services, signin
from webapp.accounts.models import Role
from webapp.database import Database, upgrade
from webapp.sessions.models import LabSession, Observed, PoolCluster, PoolState
from webapp.settings import PREFIX, Settings, from_environment

CLUSTER, LAB, TASK = "bench-live", "services", "headless"
RUNS, ASKED = 30, 1.0
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web-pods, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
"""


def live(scratch: Path) -> list[Row]:
    """From kubectl's exit to the event by which the page turns the task green, and red again."""
    with fleet.cluster(CLUSTER) as (admin, student):
        folder = labfile.find(LAB)
        start(labfile.read(folder), admin, student, "student")
        settings = from_environment({**os.environ, "SEATRIAL_DATA": str(scratch / "portal")})
        cookie = _session(settings)
        with _portal(settings), _Viewer(settings, cookie) as viewer:
            viewer.until(TASK, "failed")
            green, red = [], []
            for _ in range(RUNS):
                kubectl(student, "apply", "-f", "-", stdin=SERVICE)
                green.append(viewer.since(time.perf_counter(), TASK, "passed"))
                kubectl(student, "delete", "service", "web-pods", "-n", "shop")
                red.append(viewer.since(time.perf_counter(), TASK, "failed"))
    return [
        _row("kubectl apply ends, the task is green in the event stream", green, True),
        _row("kubectl delete ends, the task is red again", red, False),
    ]


def _row(what: str, taken: list[float], bounded: bool) -> Row:
    side = f"{duration(statistics.median(taken))} (p95 of {len(taken)}: {duration(p95(taken))})"
    return Row(
        what, side, "", "", f"p95 ≤ {ASKED:g} s" if bounded else "stated", p95(taken) <= ASKED if bounded else None
    )


def _session(settings: Settings) -> str:
    """A student with a running session in the lab; the cookie of a browser signed in."""
    upgrade(settings)
    database = Database(settings.database_url)
    with database.transaction() as db:
        user = services.add_user(db, "bench", None, Role.STUDENT, "Bench")
        db.flush()
        session = LabSession(user_id=user.id, lab=LAB, observed=Observed.RUNNING, observed_generation=1)
        db.add(session)
        db.flush()
        db.add(PoolCluster(name=CLUSTER, provider="kwok", state=PoolState.CLAIMED, session_id=session.id, generation=1))
        token = signin.begin(db, user)
    database.close()
    return f"{signin.COOKIE}={token}"


@contextmanager
def _portal(settings: Settings) -> Iterator[None]:
    """The portal's own process, as `seatrial up` runs it, at its socket."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = [sys.executable, "-m", "gunicorn", "-c", "python:webapp.platform.serving", "webapp.platform.wsgi:app"]
    environment = {**os.environ, "SEATRIAL_DATA": str(settings.data)}
    with subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            fleet.until("the portal answers", (settings.run / "portal.sock").exists)
            yield
        finally:
            process.terminate()


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class _Viewer:
    """A browser that looks at the lab: the outcome of each task, and when it was told."""

    def __init__(self, settings: Settings, cookie: str) -> None:
        self._connection = _Unix(settings.run / "portal.sock")
        headers = {"Cookie": cookie, "Accept": "text/event-stream"}
        self._connection.request("GET", f"{PREFIX}/labs/{LAB}/events", headers=headers)
        self._socket = self._connection.sock  # the connection forgets it where the answer ends with it
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            raise RuntimeError(f"the stream is refused: {self._answer.status} {self._answer.read(500)!r}")
        self._told = threading.Condition()
        self._outcomes: dict[str, str] = {}
        self._at = 0.0
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Viewer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def until(self, task: str, outcome: str) -> float:
        """When the task was told to be so, on the clock of `perf_counter`."""
        with self._told:
            if not self._told.wait_for(lambda: self._outcomes.get(task) == outcome, 60):
                raise TimeoutError(f"{task} is not {outcome} after 60 s")
            return self._at

    def since(self, began: float, task: str, outcome: str) -> float:
        """How long after `began` the task was so, in seconds; 0 where it was before."""
        return max(0.0, self.until(task, outcome) - began)

    def _read(self) -> None:
        name = b""
        while line := self._answer.readline():
            if line.startswith(b"event: "):
                name = line[7:].strip()
            elif line.startswith(b"data: ") and name == b"tasks":
                said: dict[str, Any] = json.loads(line[6:])
                with self._told:
                    self._at = time.perf_counter()
                    self._outcomes = {task["id"]: task["outcome"] for task in said["tasks"]}
                    self._told.notify_all()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as there:
        for row in live(Path(there)):
            print(row)
