from __future__ import annotations

import socket
from pathlib import Path

import pytest

from clusters import ports, store
from clusters.errors import TransientError

PORTS = ("api", "scheduler", "metrics")


def test_ports_differ_and_lie_below_those_of_outgoing_connections(data: Path) -> None:
    chosen = ports.choose(PORTS)
    assert set(chosen) == set(PORTS)
    assert len(set(chosen.values())) == len(PORTS)
    assert max(chosen.values()) < int(ports.EPHEMERAL.read_text().split()[0])


def test_a_port_in_use_and_one_of_a_stopped_cluster_are_left_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five ports one is taken, one is a stopped cluster's, and three are left for three names."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "free", lambda p: p != port)
        draws = [port, port + 1, port + 2, port + 3, port + 4]
        store.make("old")
        store.save(store.Record("old", "any", "ada", "https://x", store.now(), ready=True, ports=(port + 1,)))
        store.make("damaged")
        store.write(store.folder("damaged") / store.RECORD, "[]")
        monkeypatch.setattr(ports, "LOWEST", 0)
        monkeypatch.setattr(ports.secrets, "randbelow", lambda _n: draws.pop(0))
        assert set(ports.choose(["a", "b", "c"]).values()) == {port + 2, port + 3, port + 4}


def test_no_port_at_all_is_a_sentence(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "free", lambda _p: False)
    with pytest.raises(TransientError, match="no free ports between"):
        ports.choose(PORTS)


@pytest.mark.parametrize("text", ["", "x y", "1 2", "1024 65535", "20500 60999"])
def test_a_kernel_that_does_not_say_is_no_hindrance(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = tmp_path / "range"
    monkeypatch.setattr(ports, "EPHEMERAL", file)
    if text:
        file.write_text(text)
    if text == "1 2":
        monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "none")
    assert len(ports.choose(PORTS)) == len(PORTS)
