"""What a lab needs of a cluster beside the usual: asked for where one is made for it, told where it is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from clusters import store
from clusters.model import ClusterSpec
from grader import labfile
from grader.collect.kubeconfig import read
from proving import begin, stand
from proving.demand import Demand, needs
from proving.stand import Stand
from tests.fakes.clusters import FakeProvider

QUAY = Path(__file__).parents[1] / "fakes" / "labs" / "91-quay"


class WithContexts(FakeProvider):
    """Its kubeconfigs can be read, though nobody answers."""

    def _work(self, spec: ClusterSpec) -> None:
        for identity in ("admin", "student"):
            file = store.folder(spec.name) / f"{identity}.yaml"
            config = yaml.safe_load(file.read_text())
            config["users"] = [{"name": identity, "user": {"token": "none"}}]
            config["contexts"] = [{"name": "it", "context": {"cluster": spec.name, "user": identity}}]
            store.write(file, yaml.safe_dump({**config, "current-context": "it"}))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    made = WithContexts()
    monkeypatch.setattr(stand, "provider", lambda _name: made)
    monkeypatch.setattr(begin, "owner", lambda _name: made)
    return made


def test_a_lab_needs_what_it_or_a_check_of_it_names() -> None:
    assert needs(labfile.read(QUAY)) == {"pods", "ingress"}


def test_a_fresh_cluster_has_of_what_is_needed_all_that_it_can_have(fake: FakeProvider) -> None:
    with stand.fresh("test", kind="fake", demand=Demand(frozenset({"pods", "ingress"}))) as its:
        assert set(read(its.admin).extension["capabilities"]) == fake.capabilities | {"ingress"}
    with stand.fresh("test", kind="fake", demand=Demand(nodes=3)):
        assert fake.asked is not None
        assert fake.asked.nodes == 3
    with stand.fresh("test", kind="fake") as its:
        assert fake.asked is not None
        assert fake.asked.nodes is None
        assert set(read(its.admin).extension["capabilities"]) == fake.capabilities
    assert fake.list() == []


def test_a_cluster_that_was_made_without_is_told_when_the_lab_starts(fake: FakeProvider) -> None:
    lab = labfile.read(QUAY)
    for name, extras in (("plain", frozenset[str]()), ("more", frozenset({"ingress"}))):
        fake.create(ClusterSpec(name, extras=extras))
    plain, more = (
        Stand(name, fake.kubeconfig(name, "admin"), fake.kubeconfig(name, "student"), "student")
        for name in ("plain", "more")
    )
    assert "made without ingress" in begin.lacking(lab, plain)
    assert "`seatrial cluster up NAME --provider fake --with ingress`" in begin.lacking(lab, plain)
    assert begin.lacking(lab, more) == ""


def test_a_cluster_with_too_few_nodes_is_told_when_the_lab_starts(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    quay = labfile.read(QUAY)
    lab = replace(quay, spec=quay.spec.model_copy(update={"nodes": 3, "needs": ()}))
    fake.create(ClusterSpec("small", extras=frozenset({"ingress"})))
    small = Stand("small", fake.kubeconfig("small", "admin"), fake.kubeconfig("small", "student"), "student")
    for count, told in ((1, "1 of the 3 nodes"), (3, "")):
        monkeypatch.setattr(begin.Access, "get", lambda _self, _path, n=count: {"items": [{}] * n})
        said = begin.lacking(lab, small)
        assert told in said
        assert bool(said) == bool(told)
        assert ("`seatrial cluster up NAME --provider fake --nodes 3`" in said) == bool(told)
