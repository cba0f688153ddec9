"""What is on disk of clusters: records, damaged ones among them, and names that are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters import store
from clusters.errors import PermanentError
from clusters.store import Record


def kept(name: str, provider: str = "kwok", *, ready: bool = True) -> Record:
    record = Record(name, provider, "ada", "https://127.0.0.1:20001", store.now(), ready, (20001,), "docker")
    store.make(name)
    store.save(record)
    return record


def test_a_record_comes_back_as_it_was(data: Path) -> None:
    record = kept("one")
    assert store.load("one") == record == store.ready("one")
    assert store.records("kwok") == [record]


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"name": 1}', b"\xff\xfe", b'{"ports": 3}'])
def test_a_damaged_record_hides_no_other_and_can_be_removed(data: Path, damage: bytes) -> None:
    kept("one")
    kept("two")
    (store.folder("two") / store.RECORD).write_bytes(damage)
    assert [record.name for record in store.records("kwok")] == ["one"]
    assert store.ports() == {20001}
    with pytest.raises(PermanentError, match="cannot be read; remove the cluster with `seatrial cluster down two`"):
        store.refuse_existing("two", "kwok")


def test_a_name_is_taken_by_a_whole_cluster_and_by_what_another_provider_began(data: Path) -> None:
    store.refuse_existing("new", "kind")
    kept("whole")
    kept("half", ready=False)
    with pytest.raises(PermanentError, match="whole exists already"):
        store.refuse_existing("whole", "kwok")
    store.refuse_existing("half", "kwok")
    told = r"half was begun with the provider kwok and is only half made; `seatrial cluster down half`"
    with pytest.raises(PermanentError, match=told):
        store.refuse_existing("half", "kind")
