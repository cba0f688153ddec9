from __future__ import annotations

import base64
import os
import ssl
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.collect.access import Access
from grader.collect.kubeconfig import read
from grader.model import ClusterUnreachable
from tests.fakes.apiserver import FakeApiServer, status
from tests.fakes.tunnel import tunnel
from tests.grader.collect.certificates import DAY, NOW, Authority, Pair


def _document(**changes: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", **changes.pop("cluster", {})}}],
        "users": [{"name": "u", "user": changes.pop("user", {})}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **changes,
    }


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def one(name: str = "config", /, **changes: Any) -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(_document(**changes)))
        return path

    return one


def _data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def test_token_file_and_extension(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    extension = {"provider": "kwok", "capabilities": ["audit"], "student": "ada"}
    path = write(
        cluster={"extensions": [{"name": "other", "extension": {}}, {"name": "seatrial", "extension": extension}]},
        user={"tokenFile": "token"},
    )
    found = read(path)
    assert found.headers == {"Authorization": "Bearer s3cret"}
    assert found.extension == extension
    assert found.url == "http://127.0.0.1:1"


def test_basic(write: Write) -> None:
    found = read(write(user={"username": "ada", "password": "pw"}))
    assert found.headers == {"Authorization": "Basic " + base64.b64encode(b"ada:pw").decode()}


def test_several_files_the_first_wins(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first, second = write("one", **{"current-context": None, "users": []}), write("sub/two", user={"tokenFile": "t"})
    (tmp_path / "sub" / "t").write_text("deep")
    missing = tmp_path / "absent"
    found = read(os.pathsep.join(map(str, (missing, first, second))))
    assert found.headers == {"Authorization": "Bearer deep"}  # relative to its own file


def test_client_certificate_from_data_leaves_no_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    authority = Authority()
    pair = authority.sign("ada")
    path = write(
        cluster={"server": "https://127.0.0.1:1", "certificate-authority-data": _data(authority.certificate)},
        user={"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)},
    )
    found = read(path)
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"current-context": None}, "no current-context"),
        ({"current-context": "gone"}, '"gone", which it does not have'),
        ({"clusters": []}, '"c", which it does not have'),
        ({"users": []}, '"u", which it does not have'),
        ({"clusters": [{"name": "c"}]}, "has no cluster"),
        ({"clusters": [{"cluster": {}}]}, "has no name"),
        ({"clusters": {"name": "c"}}, "not a kubeconfig"),
        ({"cluster": {"server": None}}, "no address"),
        ({"cluster": {"server": "127.0.0.1:80"}}, "no address"),
        ({"cluster": {"server": "https://host:port"}}, "no address"),
        ({"cluster": {"server": "https://host", "certificate-authority-data": "@@"}}, "not base64"),
        ({"cluster": {"server": "https://host", "certificate-authority-data": "aGVsbG8="}}, "not a PEM certificate"),
        ({"cluster": {"server": "https://host", "certificate-authority": "absent.crt"}}, "absent.crt"),
        (
            {"cluster": {"server": "https://host"}, "user": {"client-certificate-data": "aGVsbG8="}},
            "client-certificate and client-key",
        ),
        ({"cluster": {"proxy-url": "socks5://127.0.0.1:1"}}, "its proxy-url"),
        ({"user": {"token": "a\r\nX-Evil: 1"}}, "its token"),
        ({"user": {"tokenFile": "absent"}}, "absent"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_one_sentence(write: Write, changes: dict[str, Any], says: str) -> None:
    path = write(**changes)
    with pytest.raises(ClusterUnreachable) as caught:
        read(path)
    assert says in str(caught.value)
    assert str(path.parent) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "not YAML at line"), ("- 1", "not a kubeconfig"), ("", "not a kubeconfig"), ("\x00", "not YAML")],
)
def test_a_file_that_is_something_else(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ClusterUnreachable, match=says):
        read(path)


def test_a_file_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match=r"There is no kubeconfig at .*absent.*--kubeconfig"):
        read(tmp_path / "absent")
    with pytest.raises(ClusterUnreachable, match="cannot be read"):
        read(tmp_path)


def _plugin(path: Path, body: str) -> dict[str, Any]:
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(path),
            "interactiveMode": "Never",
        }
    }


def test_a_credential_plug_in(write: Write, tmp_path: Path) -> None:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "fresh"}}
    found = read(write(user=_plugin(tmp_path / "plugin", f"import json; print(json.dumps({answer!r}))")))
    assert found.headers == {"Authorization": "Bearer fresh"}


def test_a_credential_plug_in_that_fails(write: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClusterUnreachable, match="from a plug-in, which failed"):
        read(write(user=_plugin(tmp_path / "plugin", "raise SystemExit('no session')")))
    assert "ERROR:root" not in capfd.readouterr().err


# From here on a server answers.


def _tls_server(server: FakeApiServer, pair: Pair, folder: Path) -> str:
    """Make the fake speak TLS; gives its URL."""
    (folder / "server.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server.encrypt(context)
    return server.url.replace("http:", "https:")


def test_tls_with_the_cluster_s_own_authority(server: FakeApiServer, write: Write, tmp_path: Path) -> None:
    authority = Authority()
    url = _tls_server(server, authority.sign("kube-apiserver"), tmp_path)
    path = write(cluster={"server": url, "certificate-authority-data": _data(authority.certificate)})
    assert Access.from_kubeconfig(path).get("/version") == {"gitVersion": "v1.36.3"}


def test_tls_under_another_name(server: FakeApiServer, write: Write, tmp_path: Path) -> None:
    authority = Authority()
    url = _tls_server(server, authority.sign("kube-apiserver", address="192.0.2.1"), tmp_path)
    cluster = {"server": url, "certificate-authority-data": _data(authority.certificate)}
    with pytest.raises(ClusterUnreachable, match=r"is not the one that .* trusts"):
        Access.from_kubeconfig(write("a", cluster=cluster)).get("/version")
    assert Access.from_kubeconfig(write("b", cluster={**cluster, "tls-server-name": "kube-apiserver"})).get("/version")
    assert Access.from_kubeconfig(write("c", cluster={"server": url, "insecure-skip-tls-verify": True})).get("/version")


def test_a_server_of_another_authority(server: FakeApiServer, write: Write, tmp_path: Path) -> None:
    url = _tls_server(server, Authority().sign("kube-apiserver"), tmp_path)
    path = write(cluster={"server": url, "certificate-authority-data": _data(Authority("other").certificate)})
    with pytest.raises(ClusterUnreachable, match=r"is not the one that .* trusts"):
        Access.from_kubeconfig(path).get("/version")


def test_an_expired_client_certificate_is_named(server: FakeApiServer, write: Write, tmp_path: Path) -> None:
    authority = Authority()
    url = _tls_server(server, authority.sign("kube-apiserver"), tmp_path)
    server.fault("/version", status(401, "Unauthorized"), lasting=True)

    def sentence(pair: Pair) -> str:
        path = write(
            cluster={"server": url, "certificate-authority-data": _data(authority.certificate)},
            user={"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)},
        )
        with pytest.raises(ClusterUnreachable) as caught:
            Access.from_kubeconfig(path).get("/version")
        return str(caught.value)

    yesterday = NOW - DAY
    assert f"expired on {yesterday.date().isoformat()}" in sentence(authority.sign("ada", until=yesterday))
    valid = sentence(authority.sign("ada", until=NOW.replace(year=2060)))
    assert "certificate expired" not in valid
    assert "401" in valid
    assert "seatrial cluster kubeconfig" in valid


def test_through_a_proxy(server: FakeApiServer, write: Write, tmp_path: Path) -> None:
    """CONNECT, and TLS with the API server itself inside."""
    authority = Authority()
    url = _tls_server(server, authority.sign("kube-apiserver"), tmp_path)
    with tunnel(server.url) as (proxy, asked):
        cluster = {"server": url, "certificate-authority-data": _data(authority.certificate), "proxy-url": proxy}
        assert Access.from_kubeconfig(write(cluster=cluster)).get("/version")
    assert [line.rpartition(" ")[0] for line in asked] == [f"CONNECT {url.removeprefix('https://')}"]
