"""A restore that is killed or fails at any of its steps: one of the two states, whole, and no work lost."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from clusters.engine import Engine
from clusters.exec import CommandError
from clusters.kind import KindProvider, nodes, state
from clusters.kind.layout import Layout
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec
from tests.fakes.node import OneNode

# The commands to the engine of a restore that succeeds.
STEPS = range(1, 12)


class Killed(BaseException):
    """Nothing of ours runs any more."""


def write(etcd: Path, text: str) -> None:
    for name in ("snap", "wal"):
        (etcd / name).mkdir(parents=True, exist_ok=True)
        (etcd / name / "file").write_text(text)


def read(etcd: Path) -> str:
    """The state in a folder of etcd's, which must be whole."""
    (text,) = {(etcd / name / "file").read_text() for name in ("snap", "wal")}
    return text


class Case:
    """A cluster of one node in a temporary folder, in the state `old`."""

    def __init__(self, place: Path) -> None:
        self.layout = Layout("one", place)
        self.lib = place / "lib"
        write(self.lib / "etcd", "old")
        self.node = OneNode(self.layout, self.lib)

    def restore(self, text: str) -> None:
        """As the provider does it."""
        prepared = self.layout.folder / "prepared"
        shutil.rmtree(prepared, ignore_errors=True)
        write(prepared, text)
        nodes.start(self.node.engine, self.layout)
        state.settle(self.node.engine, self.layout)
        try:
            state.lay(self.node.engine, self.layout, prepared)
            nodes.start(self.node.engine, self.layout)
        except Exception:
            state.undo(self.node.engine, self.layout)
            nodes.start(self.node.engine, self.layout)
            raise
        state.commit(self.node.engine, self.layout)

    def cut(self, step: int, done: bool, fault: BaseException) -> None:
        """The step that many from now fails."""
        self.node.fails, self.node.done, self.node.fault = self.node.asked + step, done, fault

    def worked(self) -> str:
        """What the student leaves: the state that the cluster is in when it runs, and something of his own."""
        self.node.fails = 0
        nodes.start(self.node.engine, self.layout)
        text = f"{read(self.lib / 'etcd')} and work"
        write(self.lib / "etcd", text)
        return text

    def restarted(self) -> str:
        """The state after a stop and a start."""
        self.node.fails = 0
        nodes.stop(self.node.engine, self.layout)
        nodes.start(self.node.engine, self.layout)
        return read(self.lib / "etcd")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_restore_leaves_nothing_but_the_new_state(case: Case) -> None:
    case.restore("new")
    assert case.node.asked == STEPS[-1]
    assert case.restarted() == "new"
    assert [path.name for path in case.lib.iterdir()] == ["etcd"]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_restore_that_is_killed_ends_in_one_of_both_states_and_takes_no_work_back(
    case: Case, step: int, done: bool
) -> None:
    case.cut(step, done, Killed())
    with contextlib.suppress(Killed):
        case.restore("new")
    work = case.worked()
    assert work in {"old and work", "new and work"}
    assert case.restarted() == work
    assert [path.name for path in case.lib.iterdir()] == ["etcd"]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_restore_that_fails_after_one_that_was_killed_takes_no_work_back(
    tmp_path: Path, step: int, done: bool
) -> None:
    for second, its in itertools.product(STEPS, (False, True)):
        case = Case(tmp_path / f"{second}-{its}")
        case.cut(step, done, Killed())
        with contextlib.suppress(Killed):
            case.restore("new")
        work = case.worked()
        case.cut(second, its, CommandError(["docker"], "no space left on device", 1))
        try:
            case.restore("newer")
        except CommandError:
            assert case.restarted() in {work, "newer"}, (second, its)
        else:
            assert case.restarted() == "newer"


def test_a_restore_that_cannot_be_laid_down_leaves_the_nodes_running(case: Case) -> None:
    case.cut(3, False, CommandError(["docker"], "no space left on device", 1))
    with pytest.raises(CommandError):
        case.restore("new")
    assert case.node.running
    assert read(case.lib / "etcd") == "old"


@pytest.mark.kind
def test_a_node_goes_back_when_it_is_told_to(engine: Engine, data: Path, tmp_path: Path) -> None:
    kind, layout = KindProvider(), Layout.of("one")
    try:
        kind.create(ClusterSpec("one"))
        kind.snapshot("one", tmp_path / "snapshot")
        student = kind.kubeconfig("one", "student")
        kubectl(student, "create", "configmap", "work")
        prepared = state.prepare(engine, layout, tmp_path / "snapshot")
        state.lay(engine, layout, prepared)
        shutil.rmtree(prepared)
        kind.start("one")
        assert "work" not in kubectl(student, "get", "configmaps", "-o", "name").stdout
        state.undo(engine, layout)
        kind.start("one")
        assert "work" in kubectl(student, "get", "configmaps", "-o", "name").stdout
        kind.restore("one", tmp_path / "snapshot")
        assert "work" not in kubectl(student, "get", "configmaps", "-o", "name").stdout
        there = nodes.inside(engine, layout.control_plane, "sh", "-c", "ls -d /var/lib/etcd*").split()
        assert there == ["/var/lib/etcd"]
        assert list(layout.folder.glob("etcd*")) == []
    finally:
        kind.delete("one")


# A command of the script's: does its work, or a part of it, and ends the script when it is the one whose turn it is.
ENDS = """#!/bin/sh
count=$(($(cat {place}/count) + 1))
echo $count > {place}/count
if [ $count = {last} ] && [ {half} = True ]; then
    for last in "$@"; do :; done
    [ {name} = mv ] || {real} -rf "$last/snap"
else
    {real} "$@"
fi
[ $count != {last} ] || kill -9 $PPID
"""


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("last", range(1, 9))
@pytest.mark.parametrize(
    ("there", "end"),
    [
        ({"etcd": "old"}, "old"),
        ({"etcd": "old", "etcd.new": "new"}, "old"),
        ({"etcd": "old", "etcd.before": "older", "etcd.part-1": "part"}, "old"),
        ({"etcd": "old", "etcd.new": "new", "etcd.go": None}, "new"),
        ({"etcd": "old", "etcd.before": "older", "etcd.new": "new", "etcd.go": None}, "new"),
        ({"etcd": "new", "etcd.before": "old", "etcd.undo": None}, "old"),
        ({"etcd": "old", "etcd.new": "new", "etcd.go": None, "etcd.undo": None}, "old"),
        ({"etcd.before": "old", "etcd.new": "new", "etcd.go": None, "etcd.undo": None}, "old"),
        ({"etcd": "old", "etcd.go": None}, "old"),
        ({}, None),  # a node that is no control plane
    ],
)
def test_the_exchange_is_whole_wherever_it_is_killed(
    tmp_path: Path, there: dict[str, str | None], end: str | None, last: int, half: bool
) -> None:
    lib, bin_ = tmp_path / "lib", tmp_path / "bin"
    lib.mkdir()
    bin_.mkdir()
    for name, text in there.items():
        (lib / name).touch() if text is None else write(lib / name, text)
    for name in ("rm", "mv"):
        real = shutil.which(name)
        (bin_ / name).write_text(ENDS.format(place=tmp_path, last=last, half=half, name=name, real=real))
        (bin_ / name).chmod(0o755)
    (tmp_path / "count").write_text("0")
    script = ["sh", str(nodes.NODE_FILES / "exchange"), str(lib)]
    subprocess.run(script, env={**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}, check=False)
    subprocess.run(script, check=True)
    if end is not None:
        assert read(lib / "etcd") == end
    assert {path.name for path in lib.iterdir()} <= {"etcd", "etcd.before"}
