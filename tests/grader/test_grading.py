from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from grader import grading
from grader.collect import Access, collecting
from grader.collect import access as access_module
from grader.collect.probes import asking
from grader.grading import grade, lab_for
from grader.labfile import LabFaults
from grader.model import ClusterUnreachable, Outcome, Report
from tests.fakes.apiserver import FakeApiServer, serving, status
from tests.fakes.pods import FakePod, page
from tests.grader import small

HELD = small.ONE_TASK + "    hold: 3s\n"
BOTH = HELD + "  - match: {apiVersion: v1, kind: Service, metadata: {name: web}}\n"


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.at: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        due = [one for one in self.at if one[0] <= self.now]
        self.at = [one for one in self.at if one[0] > self.now]
        for _, what in sorted(due, key=lambda one: one[0]):
            what()

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        self.at.append((self.now + seconds, what))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(grading, "time", made)
    monkeypatch.setattr(collecting, "time", made)
    monkeypatch.setattr(asking, "time", made)
    monkeypatch.setattr(access_module, "PAUSES", (0.001, 0.001))
    return made


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as one:
        yield one


@pytest.fixture
def access(server: FakeApiServer, tmp_path: Path) -> Access:
    return Access.from_kubeconfig(server.kubeconfig(tmp_path, extension={"capabilities": []}))


def _looks(server: FakeApiServer, what: str = "pods") -> int:
    return len(server.seen(f"/shop/{what}"))


def _come(server: FakeApiServer) -> Callable[[], object]:
    return lambda: server.add("v1", "Pod", "web", "shop")


def test_one_look(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    seen, report = grade(small.lab(tmp_path), access)
    assert (report.score, _looks(server), clock.now) == (0.0, 1, 1000.0)
    server.add("v1", "Pod", "web", "shop")
    seen, report = grade(small.lab(tmp_path), access)
    assert (report.score, report.full_marks, _looks(server)) == (2.0, True, 2)
    assert seen.earlier == ()


def test_what_must_hold_is_watched_until_it_has(
    server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock
) -> None:
    server.add("v1", "Pod", "web", "shop")
    server.add("v1", "Service", "web", "shop")
    seen, report = grade(small.lab(tmp_path, BOTH), access)
    assert report.full_marks
    assert 1003.0 <= clock.now < 1003.0 + grading.HOLD_PAUSE
    assert _looks(server, "services") == 2  # the first and the last look; those between take only what must hold
    assert _looks(server, "pods") > 4
    assert seen.now.seconds - seen.earlier[0].seconds >= 3


def test_what_does_not_hold_fails_and_is_not_watched_further(
    server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock
) -> None:
    server.add("v1", "Pod", "web", "shop")
    clock.after(1.0, server.objects.clear)
    _, report = grade(small.lab(tmp_path, HELD), access)
    assert report.score == 0
    assert clock.now < 1002.0


def test_a_flicker_does_not_pass(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    server.add("v1", "Pod", "web", "shop")
    clock.after(0.9, server.objects.clear)
    clock.after(1.3, _come(server))
    _, report = grade(small.lab(tmp_path, HELD), access)
    assert report.score == 0


def test_what_is_not_true_is_not_watched(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    grade(small.lab(tmp_path, HELD), access)
    assert _looks(server) == 1


def test_waiting_ends_when_it_comes_true(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    clock.after(5.0, _come(server))
    _, report = grade(small.lab(tmp_path), access, wait=True)
    assert report.full_marks
    assert 1005.0 <= clock.now <= 1005.0 + grading.PAUSE
    assert _looks(server) < 20  # pauses grow


def test_waiting_ends_when_its_time_is_over(access: Access, tmp_path: Path, clock: Clock) -> None:
    for within, ends in (("", 1030.0), ("    within: 3s\n", 1033.0)):
        _, report = grade(small.lab(tmp_path, small.ONE_TASK + within), access, wait=True)
        assert report.score == 0
        assert clock.now == pytest.approx(ends)


def test_waiting_also_for_what_must_hold(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    clock.after(4.0, _come(server))
    _, report = grade(small.lab(tmp_path, HELD), access, wait=True)
    assert report.full_marks
    assert clock.now >= 1007.0


def test_a_long_wait_keeps_no_more_looks_than_hold_needs(
    server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock
) -> None:
    seen, _ = grade(small.lab(tmp_path, HELD), access, wait=True)
    assert seen.earlier
    assert len(seen.earlier) <= 6
    assert seen.now.seconds - seen.earlier[0].seconds >= 3


def test_an_outage_that_passes_within_the_wait(
    server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock
) -> None:
    server.add("v1", "Pod", "web", "shop")
    server.fault("/shop/pods", status(500, "etcd is down"), lasting=True)
    clock.after(5.0, server.faults.clear)
    told: list[Report] = []
    _, report = grade(small.lab(tmp_path), access, wait=True, on_look=lambda r, _left: told.append(r))
    assert report.full_marks
    assert told[0].score is None
    assert told[0].tasks[0].outcome is Outcome.ERROR


def test_an_outage_is_no_score(server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock) -> None:
    server.fault("/shop/pods", status(500, "etcd is down"), lasting=True)
    for wait in (False, True):
        _, report = grade(small.lab(tmp_path), access, wait=wait)
        assert (report.score, report.full_marks) == (None, False)
        assert report.tasks[0].outcome is Outcome.ERROR


def test_a_server_that_dies_at_any_moment_is_never_a_0(tmp_path: Path, clock: Clock) -> None:
    """Killed after each number of requests in turn: an outage, or full marks once everything was read."""
    outcomes = []
    for requests in range(40):
        with serving() as server:
            server.add("v1", "Pod", "web", "shop")
            server.add("v1", "Service", "web", "shop")
            server.dies_after = requests
            access = Access.from_kubeconfig(server.kubeconfig(tmp_path))
            try:
                _, report = grade(small.lab(tmp_path, BOTH), access)
            except ClusterUnreachable:
                outcomes.append("unreachable")
                continue
            outcomes.append("full marks" if report.full_marks else f"{report.score}")
            if report.full_marks:
                break
    assert outcomes[0] == "unreachable"
    assert outcomes[-1] == "full marks"
    assert set(outcomes) <= {"unreachable", "None", "full marks"}
    assert "None" in outcomes


def test_a_lab_that_cannot_be_graded_is_told_before_the_cluster_is_asked(
    server: FakeApiServer, access: Access, tmp_path: Path
) -> None:
    made = small.folder(
        tmp_path, small.ONE_TASK.replace("match: {", "cel: '1 +'\n    with: {x: {").replace("}}", "}}}")
    )
    with pytest.raises(LabFaults, match=r"lab\.yaml:"):
        lab_for(made, access)
    assert server.requests == []


def test_on_look_is_told_how_long_it_may_take(
    server: FakeApiServer, access: Access, tmp_path: Path, clock: Clock
) -> None:
    left: list[float] = []
    grade(small.lab(tmp_path), access, wait=True, on_look=lambda _report, seconds: left.append(seconds))
    assert left[0] == 30.0
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0.0


PARAMETERS = """\
parameters:
  port: {choose: [8080, 8081, 9090, 9091, 9092, 9093]}
tasks:
- id: web
  title: A Pod named web
  checks:
  - match: {apiVersion: v1, kind: Pod, metadata: {name: "web-${port}"}}
"""


def test_the_record_s_parameters_win(server: FakeApiServer, access: Access, tmp_path: Path) -> None:
    made = small.folder(tmp_path, PARAMETERS)
    drawn = lab_for(made, access, student="ada", secret="s").params["port"]
    assert lab_for(made, access, student="ada", secret="s").params["port"] == drawn
    other = 9090 if drawn != 9090 else 8080
    server.add(
        "v1", "ConfigMap", "lab-small", "seatrial-system", data={"student": "bob", "params": f'{{"port": {other}}}'}
    )
    assert lab_for(made, access, student="ada", secret="s").params["port"] == other


PROBE = """\
tasks:
- id: page
  title: A page
  points: 2
  checks:
  - probe: {http: {pod: web, port: 80, status: 200}}
    %s
  - match: {apiVersion: v1, kind: Pod, metadata: {name: web}}
"""


@pytest.fixture
def real(server: FakeApiServer, tmp_path: Path) -> Access:
    """Access to a cluster whose Pods are real."""
    status = {"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}]}
    server.add("v1", "Pod", "web", "shop", spec={"nodeName": "n", "containers": [{"name": "web"}]}, status=status)
    server.pods["shop", "web"] = FakePod(ports={80: page(status=503)})
    return Access.from_kubeconfig(server.kubeconfig(tmp_path, extension={"capabilities": ["pods"]}))


def serves(server: FakeApiServer, code: int) -> None:
    server.pods["shop", "web"] = FakePod(ports={80: page(status=code)})


def test_waits_for_a_probe_to_be_answered(server: FakeApiServer, real: Access, tmp_path: Path, clock: Clock) -> None:
    lab = small.lab(tmp_path, PROBE % "within: 30s")
    assert grade(lab, real)[1].score == 1
    clock.after(5, lambda: serves(server, 200))
    assert grade(lab, real, wait=True)[1].full_marks
    assert 1005 <= clock.now < 1010


def test_a_probe_that_must_hold_is_made_at_every_look(
    server: FakeApiServer, real: Access, tmp_path: Path, clock: Clock
) -> None:
    lab = small.lab(tmp_path, PROBE % "hold: 3s")
    serves(server, 200)
    seen, report = grade(lab, real)
    assert report.full_marks and clock.now >= 1003
    assert [set(look.probes or ()) for look in (*seen.earlier, seen.now)] == [{"page/0"}] * (len(seen.earlier) + 1)
    clock.after(1, lambda: serves(server, 500))
    assert "status 500" in grade(lab, real)[1].tasks[0].checks[0].message


def test_what_must_hold_is_watched_from_its_first_answer(
    server: FakeApiServer, real: Access, tmp_path: Path, clock: Clock
) -> None:
    """Not from the look that asked: between a slow answer and a fast one lies less time than between their looks."""
    fast = page()

    def slow(sent: bytes) -> Iterable[bytes] | None:
        server.pods["shop", "web"] = FakePod(ports={80: fast})
        clock.now += 2.5
        return fast(sent)

    server.pods["shop", "web"] = FakePod(ports={80: slow})
    seen, report = grade(small.lab(tmp_path, PROBE % "hold: 3s"), real)
    assert report.full_marks
    first, last = ((look.probes or {})["page/0"].seconds or 0.0 for look in (seen.earlier[0], seen.now))
    assert first == 1002.5 and last - first >= 3


def test_without_real_pods_no_probe_is_made(
    server: FakeApiServer, real: Access, access: Access, tmp_path: Path
) -> None:
    lab = small.lab(tmp_path, PROBE % "within: 30s")
    seen, report = grade(lab, access)
    assert (report.skipped_points, report.full_marks, seen.now.probes) == (1, True, None)
    assert server.seen("proxy|portforward") == []
