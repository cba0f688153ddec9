"""What every provider promises. The fake keeps it always, kwok where the upstream programs are, kind where an engine
is too."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clusters import store
from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.existing import ExistingProvider
from clusters.kind import KindProvider
from clusters.kubectl import kubectl
from clusters.kwok import KwokProvider
from clusters.model import KUBECONFIG_EXTENSION, ClusterSpec, Identity, Provider
from tests.fakes.clusters import BrokenProvider, FakeProvider

if TYPE_CHECKING:
    from tests.conftest import RealCluster


@dataclass
class Case:
    """A provider, how to ask it for a cluster, and how to change and read something that is the cluster's state."""

    provider: Provider
    spec: Callable[[str], ClusterSpec]
    write: Callable[[str, str], None]
    read: Callable[[str], str]
    managed: bool = True  # False: the provider runs nothing, and refuses to stop, start, snapshot and restore


def fake() -> Case:
    def write(name: str, value: str) -> None:
        (store.folder(name) / "state").write_text(value)

    return Case(FakeProvider(), ClusterSpec, write, lambda name: (store.folder(name) / "state").read_text())


def real(provider: Provider) -> Case:

    def write(name: str, value: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "state"}, "data": {"value": value}}
        # What refuses some of a student's objects before any policy of the platform's does.
        limits = [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}}]
        strict = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "strict"}, "spec": {"limits": limits}}
        both = {"apiVersion": "v1", "kind": "List", "items": [body, strict]}
        student = provider.kubeconfig(name, "student")
        kubectl(student, "apply", "-f", "-", stdin=json.dumps(both))
        kubectl(student, "label", "namespace", "default", "pod-security.kubernetes.io/enforce=baseline", "--overwrite")

    def read(name: str) -> str:
        file = provider.kubeconfig(name, "student")
        return kubectl(file, "get", "configmap", "state", "-o", "jsonpath={.data.value}").stdout

    return Case(provider, ClusterSpec, write, read)


def existing(file: Path) -> Case:
    def spec(name: str) -> ClusterSpec:
        return ClusterSpec(name, kubeconfig=file)

    def write(_name: str, _value: str) -> None:
        """Somebody else's cluster is never changed."""

    return Case(ExistingProvider(), spec, write, lambda _name: "", managed=False)


PARAMETERS = [
    "fake",
    pytest.param("kwok", marks=pytest.mark.cluster),
    pytest.param("existing", marks=pytest.mark.cluster),
    pytest.param("kind", marks=pytest.mark.kind),
]


@pytest.fixture(params=PARAMETERS)
def case(request: pytest.FixtureRequest, data: Path) -> Iterator[Case]:
    if request.param == "fake":
        made = fake()
    elif request.param == "kind":
        request.getfixturevalue("engine")
        made = real(KindProvider())
    else:
        shared: RealCluster = request.getfixturevalue("cluster")
        made = real(KwokProvider()) if request.param == "kwok" else existing(shared.admin)
    yield made
    for name in store.names():
        made.provider.delete(name)


def only(provider: Provider) -> Any:
    (found,) = provider.list()
    return found


def test_a_cluster_is_made_listed_and_removed(case: Case) -> None:
    assert case.provider.list() == []
    made = case.provider.create(case.spec("one"))
    assert made == only(case.provider)
    assert (made.name, made.provider, made.state) == ("one", case.provider.name, "running")
    assert made.server.startswith("https://")
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    case.provider.delete("one")
    assert case.provider.list() == []
    assert not made.folder.exists()
    case.provider.delete("one")


def test_both_kubeconfigs_are_private_and_say_what_the_cluster_is(case: Case) -> None:
    case.provider.create(case.spec("one"))
    identities: tuple[Identity, ...] = ("admin", "student")
    for identity in identities:
        file = case.provider.kubeconfig("one", identity)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        entry = yaml.safe_load(file.read_text())["clusters"][0]["cluster"]
        (extension,) = [e["extension"] for e in entry["extensions"] if e["name"] == KUBECONFIG_EXTENSION]
        assert extension["provider"] == case.provider.name
        assert extension["student"] == "student"
        assert set(extension["capabilities"]) >= case.provider.capabilities
        assert ("auditLog" in extension) == (identity == "admin" and "audit" in case.provider.capabilities)


def test_an_unknown_cluster_is_a_sentence_and_its_removal_a_success(case: Case, tmp_path: Path) -> None:
    case.provider.delete("nobody")
    for ask in (
        lambda: case.provider.kubeconfig("nobody", "student"),
        lambda: case.provider.stop("nobody"),
        lambda: case.provider.start("nobody"),
        lambda: case.provider.snapshot("nobody", tmp_path / "s"),
        lambda: case.provider.restore("nobody", tmp_path / "s"),
    ):
        with pytest.raises(PermanentError, match="there is no cluster 'nobody'"):
            ask()


@pytest.mark.parametrize("name", ["", "Upper", "-x", "x-", "a b", "../x", "x/y", "é", "x" * 41, "a.b"])
def test_a_name_that_is_no_name_is_refused(case: Case, name: str) -> None:
    with pytest.raises(PermanentError, match="cannot be a cluster's name"):
        case.provider.create(case.spec(name))
    assert case.provider.list() == []


@pytest.mark.parametrize("student", ["", "system:masters", "seatrial-admin", "x" * 65, "two\nlines", " x"])
def test_a_student_who_could_be_somebody_else_is_refused(case: Case, student: str) -> None:
    spec = case.spec("one")
    with pytest.raises(PermanentError, match="cannot be a student's name"):
        case.provider.create(ClusterSpec("one", student, kubeconfig=spec.kubeconfig))
    assert case.provider.list() == []


def test_an_extra_that_is_not_known_is_refused_with_those_that_are(case: Case) -> None:
    with pytest.raises(PermanentError, match=f"the provider {case.provider.name} cannot install sails in cluster one"):
        case.provider.create(replace(case.spec("one"), extras=frozenset({"sails"})))
    assert case.provider.list() == []


def test_a_name_is_given_once(case: Case) -> None:
    made = case.provider.create(case.spec("one"))
    with pytest.raises(PermanentError, match="exists already"):
        case.provider.create(case.spec("one"))
    assert only(case.provider) == made


def test_what_another_command_is_at_is_left_alone(case: Case) -> None:
    with store.lock("one"):
        with pytest.raises(TransientError, match="another command"):
            case.provider.create(case.spec("one"))
        with pytest.raises(TransientError, match="another command"):
            case.provider.delete("one")


def test_state_outlives_stop_and_start_and_comes_back_from_a_snapshot(case: Case, tmp_path: Path) -> None:
    case.provider.create(case.spec("one"))
    file = tmp_path / "snapshot"
    if not case.managed:
        for ask in (
            lambda: case.provider.stop("one"),
            lambda: case.provider.start("one"),
            lambda: case.provider.snapshot("one", file),
            lambda: case.provider.restore("one", file),
        ):
            with pytest.raises(PermanentError, match="somebody else's"):
                ask()
        assert only(case.provider).state == "running"
        return
    case.write("one", "first")
    case.provider.stop("one")
    case.provider.stop("one")
    assert only(case.provider).state == "stopped"
    with pytest.raises(PermanentError, match="does not run"):
        case.provider.snapshot("one", file)
    assert not file.exists()
    case.provider.start("one")
    case.provider.start("one")
    assert only(case.provider).state == "running"
    assert case.read("one") == "first"
    case.provider.snapshot("one", file)
    case.write("one", "second")
    truncated = tmp_path / "truncated"
    truncated.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    for bad in (truncated, tmp_path / "missing"):
        with pytest.raises(PermanentError, match="snapshot"):
            case.provider.restore("one", bad)
        assert only(case.provider).state == "running"
        assert case.read("one") == "second"
    case.provider.restore("one", file)
    assert case.read("one") == "first"
    with pytest.raises(ClusterError, match="cannot be written"):
        case.provider.snapshot("one", tmp_path / "no" / "folder")
    assert not list(tmp_path.glob("**/*.part"))


def test_an_extra_that_was_asked_for_is_a_capability(data: Path) -> None:
    provider = FakeProvider()
    for name, extras in (("plain", frozenset[str]()), ("more", frozenset({"ingress"}))):
        provider.create(ClusterSpec(name, extras=extras))
        entry = yaml.safe_load(provider.kubeconfig(name, "admin").read_text())["clusters"][0]["cluster"]
        known = entry["extensions"][0]["extension"]
        assert set(known["capabilities"]) == provider.capabilities | extras


def test_a_half_made_cluster_is_removed_unless_it_is_kept(data: Path) -> None:
    provider = BrokenProvider()
    with pytest.raises(PermanentError, match="disk is full"):
        provider.create(ClusterSpec("one"))
    assert store.names() == []
    with pytest.raises(PermanentError, match="disk is full"):
        provider.create(ClusterSpec("one"), keep_on_failure=True)
    assert only(provider).state == "broken"
    with pytest.raises(PermanentError, match="half made"):
        provider.kubeconfig("one", "student")
    provider.delete("one")
    assert store.names() == []
