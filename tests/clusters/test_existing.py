"""Kubeconfigs that somebody hands in: good ones, and every other kind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clusters import store
from clusters.errors import PermanentError
from clusters.existing import ExistingProvider
from clusters.identity import certificates
from clusters.kubectl import kubectl
from clusters.model import ClusterSpec
from tests.conftest import demand_programs

if TYPE_CHECKING:
    from tests.conftest import RealCluster


@pytest.fixture
def provider(data: Path) -> ExistingProvider:
    demand_programs()
    return ExistingProvider()


def refused(provider: ExistingProvider, file: Path) -> str:
    with pytest.raises(PermanentError) as caught:
        provider.create(ClusterSpec("theirs", kubeconfig=file))
    assert provider.list() == []
    assert not store.folder("theirs").exists()
    return str(caught.value)


def edited(real: RealCluster, folder: Path, **changes: Any) -> Path:
    """The student's kubeconfig with other words in its cluster or its user."""
    config = yaml.safe_load(real.student.read_text())
    config["clusters"][0]["cluster"].update(changes.get("cluster", {}))
    config["users"][0]["user"] = changes.get("user", config["users"][0]["user"])
    file = folder / "edited.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_file_that_is_not_there(provider: ExistingProvider, tmp_path: Path) -> None:
    assert (
        refused(provider, tmp_path / "none")
        == f"there is no kubeconfig {tmp_path / 'none'}; name another with --kubeconfig FILE"
    )


@pytest.mark.parametrize(
    "text", ["", "hello", "{", "kind: Config", "apiVersion: v1\nkind: Config\ncurrent-context: x\n", "\0\1"]
)
def test_a_file_that_is_no_kubeconfig(provider: ExistingProvider, tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    what = f"{file} is no kubeconfig with a current context and a cluster"
    assert refused(provider, file) == f"{what}; name another with --kubeconfig FILE"


@pytest.mark.cluster
def test_a_kubeconfig_that_points_nowhere(provider: ExistingProvider, cluster: RealCluster, tmp_path: Path) -> None:
    file = edited(cluster, tmp_path, cluster={"server": "https://127.0.0.1:1"})
    assert refused(provider, file).startswith(f"no API server answers at https://127.0.0.1:1, where {file} points")


@pytest.mark.cluster
def test_a_token_that_nobody_issued(provider: ExistingProvider, cluster: RealCluster, tmp_path: Path) -> None:
    file = edited(cluster, tmp_path, user={"token": "x.y.z"})
    assert "does not let in the identity" in refused(provider, file)


@pytest.mark.cluster
def test_a_certificate_that_has_expired(
    provider: ExistingProvider, cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", -certificates.SKEW / 2)
    late = certificates.Authority("late").issue("ada", ("seatrial:students",))
    data = {"client-certificate-data": late.certificate, "client-key-data": late.key}
    file = edited(cluster, tmp_path, user={k: base64.b64encode(v.encode()).decode() for k, v in data.items()})
    assert "it may have expired, ask for a new one" in refused(provider, file)


@pytest.mark.cluster
def test_the_copy_stands_alone_and_says_what_the_cluster_shows(
    provider: ExistingProvider, cluster: RealCluster, tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster.admin.read_text())
    entry, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for owner, field in ((entry, "certificate-authority"), (user, "client-certificate"), (user, "client-key")):
        part = tmp_path / field
        part.write_bytes(base64.b64decode(owner.pop(f"{field}-data")))
        owner[field] = field
    other = {"name": "other", "cluster": {"server": "https://192.0.2.1"}}
    config["clusters"].append(other)
    entry.pop("extensions")
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config))
    spec = ClusterSpec("theirs", "ada", kubeconfig=file, student_kubeconfig=cluster.student)
    made = provider.create(spec)
    assert (made.state, made.student, made.server) == ("running", "ada", entry["server"])
    for part in ("certificate-authority", "client-certificate", "client-key", "config"):
        (tmp_path / part).unlink()
    admin, student = provider.kubeconfig("theirs", "admin"), provider.kubeconfig("theirs", "student")
    assert "other" not in admin.read_text()
    assert json.loads(kubectl(admin, "auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]["username"] == (
        "seatrial-admin"
    )
    assert json.loads(kubectl(student, "auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]["username"] == (
        "student"
    )
    known = yaml.safe_load(admin.read_text())["clusters"][0]["cluster"]["extensions"][0]["extension"]
    assert known["provider"] == "existing"
    assert "pods" not in known["capabilities"]
    provider.delete("theirs")
    assert kubectl(cluster.admin, "get", "nodes", "-o", "name").stdout


@pytest.mark.cluster
def test_a_cluster_that_has_gone_is_shown_as_broken(
    provider: ExistingProvider, cluster: RealCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.create(ClusterSpec("theirs", kubeconfig=cluster.admin))
    record = store.ready("theirs")
    store.save(store.Record(record.name, record.provider, record.student, "https://127.0.0.1:1", record.created, True))
    assert [c.state for c in provider.list()] == ["broken"]
    provider.delete("theirs")
