from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import evidence as evidence_module
from grader.evidence import dump, load, open_file, save
from grader.model import Call, Evidence, EvidenceError, ObjectList, Observation, Outcome, Probed, Snapshot

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)
LISTS = st.lists(
    st.builds(ObjectList, TEXT, TEXT, TEXT, st.lists(OBJECT, max_size=3), TEXT, st.booleans(), st.none() | TEXT),
    max_size=3,
).map(tuple)
PROBED = st.builds(Probed, TEXT, st.just(()), st.none() | st.floats(0, 1e9))
SNAPSHOT = st.builds(
    Snapshot, TEXT, st.floats(0, 1e9), LISTS, st.none() | st.dictionaries(TEXT, PROBED, min_size=1, max_size=2)
)
EVIDENCE = st.builds(
    Evidence,
    lab=TEXT,
    namespace=TEXT,
    student=TEXT,
    params=OBJECT,
    kubernetes=TEXT,
    capabilities=st.frozensets(TEXT, max_size=3),
    now=SNAPSHOT,
    earlier=st.lists(SNAPSHOT, max_size=2).map(tuple),
    calls=st.none() | st.lists(st.builds(Call, code=st.integers(0, 599)), max_size=2).map(tuple),
    observations=st.dictionaries(TEXT, st.builds(Observation, st.sampled_from(Outcome), TEXT, OBJECT), max_size=2),
    lab_digest=TEXT,
    down=st.lists(TEXT, max_size=2).map(tuple),
)


def small(**changes: Any) -> Evidence:
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    lists = (ObjectList("v1", "Pod", "shop", [made], "7"),)
    return Evidence(
        **{
            "lab": "small",
            "namespace": "shop",
            "student": "ada",
            "params": {"port": 80},
            "kubernetes": "v1.36.3",
            "capabilities": frozenset({"metrics", "audit"}),
            "now": Snapshot("2026-01-01T00:00:00.000Z", 1.5, lists),
            **changes,
        }
    )


@given(EVIDENCE)
def test_what_is_read_is_what_was_written(evidence: Evidence) -> None:
    data = dump(evidence)
    again = load(data)
    assert again == evidence
    assert dump(again) == data
    # The order of keys too: explanations name labels in it.
    assert [list(o) for one in again.now.lists for o in one.items] == [
        list(o) for one in evidence.now.lists for o in one.items
    ]


@given(EVIDENCE, st.data())
def test_any_truncation_is_told(evidence: Evidence, data: st.DataObject) -> None:
    whole = dump(evidence)
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(EvidenceError) as caught:
        load(whole[:cut])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no evidence"),
        (b"hello", "no evidence"),
        (b"[]", "no evidence"),
        (b"{}", "no evidence"),
        (b'{"format":true}', "no evidence"),
        (b'{"format":1', "truncated"),
        (b'{"format":1}', "lacks parts"),
        (b'{"format":3}', "format 3, and this seatrial reads up to 2; install a newer seatrial"),
        (b"\xff\xfe\x00", "no evidence"),
    ],
)
def test_what_is_no_evidence(data: bytes, says: str) -> None:
    with pytest.raises(EvidenceError, match=says):
        load(data)


@pytest.mark.parametrize(
    "change",
    [
        {"lab": 1},
        {"now": None},
        {"now": {"at": "", "seconds": "soon", "lists": []}},
        {"now": {"at": "", "seconds": 0, "lists": [{"kind": "Pod"}]}},
        {"calls": [{"verb": "get"}]},
        {"calls": ["get"]},
        {"observations": {"a/0": {"outcome": "splendid", "message": "", "detail": {}}}},
        {"capabilities": [1]},
        {"params": []},
        {"earlier": {}},
    ],
    ids=str,
)
def test_parts_of_the_wrong_shape(change: dict[str, Any]) -> None:
    document = json.loads(dump(small())) | change
    with pytest.raises(EvidenceError, match="lacks parts"):
        load(json.dumps(document).encode())


def test_a_file_is_ours_alone_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text("old")
    path.chmod(0o644)
    save(path, small())
    assert open_file(path) == small()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["evidence.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "evidence.json"
    save(path, small())

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(evidence_module.os, "fsync", full)
    with pytest.raises(EvidenceError, match=r"evidence\.json \(No space left on device\); make room"):
        save(path, small(student="bob"))
    assert open_file(path).student == "ada"
    assert [p.name for p in tmp_path.iterdir()] == ["evidence.json"]


def test_a_disk_that_is_really_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(EvidenceError, match="could not be written"):
        save(Path("/dev/full/evidence.json"), small())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"absent\.json cannot be read: No such file"):
        open_file(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_bytes(dump(small())[:100])
    with pytest.raises(EvidenceError, match=r"cut\.json cannot be graded: .*truncated"):
        open_file(tmp_path / "cut.json")


def test_processes_that_had_ended_are_kept_and_an_evidence_without_them_is_read() -> None:
    data = dump(small(down=("kube-scheduler",)))
    assert load(data).down == ("kube-scheduler",)
    assert load(data.replace(b',"down":["kube-scheduler"]', b"")).down == ()


def test_when_a_probe_was_answered_is_kept_and_an_evidence_without_it_is_read() -> None:
    data = dump(small(now=Snapshot("", 1.5, (), {"a/0": Probed("?", (), 2.5)})))
    for written, seconds in ((data, 2.5), (data.replace(b',"seconds":2.5', b""), None)):
        probes = load(written).now.probes
        assert probes is not None and probes["a/0"].seconds == seconds
