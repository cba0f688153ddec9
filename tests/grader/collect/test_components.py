"""Which processes of a cluster have ended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from grader.collect import components
from grader.collect.components import down


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "PATIENCE", 0.0)


def _address(one: socket.socket) -> str:
    return f"127.0.0.1:{one.getsockname()[1]}"


def _nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return _address(one)


def test_what_listens_runs_and_what_does_not_has_ended(listening: socket.socket) -> None:
    stated = {"b": _nobody(), "kwok-controller": _address(listening), "a": "127.0.0.1:99999"}
    assert down({"components": stated}, metrics=False) == ("a", "b")


def test_a_metrics_server_is_missed_by_those_that_need_metrics(listening: socket.socket) -> None:
    extension = {"components": {"metrics-server": _nobody(), "kube-scheduler": _address(listening)}}
    assert down(extension, metrics=False) == ()
    assert down(extension, metrics=True) == ("metrics-server",)


@pytest.mark.parametrize("extension", [{}, {"components": None}, {"components": ["kube-scheduler"]}])
def test_of_a_cluster_that_states_none_nothing_is_said(extension: dict[str, object]) -> None:
    assert down(extension, metrics=True) == ()


def test_one_that_listens_a_moment_later_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "PATIENCE", 60.0)
    address, opened = _nobody(), []
    looked = threading.Event()
    listens = components._listens

    def look(at: str) -> bool:
        if looked.is_set() and not opened:
            opened.append(socket.create_server(("127.0.0.1", int(at.rpartition(":")[2]))))
        looked.set()
        return listens(at)

    monkeypatch.setattr(components, "_listens", look)
    try:
        assert down({"components": {"kube-scheduler": address}}, metrics=False) == ()
    finally:
        for one in opened:
            one.close()
