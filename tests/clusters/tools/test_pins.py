"""The pins: complete, and in agreement with go.mod."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from clusters.errors import PermanentError, ToolMissing
from clusters.tools import VERSIONS, pins, program

SYSTEMS = [("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64")]


def read(folder: str = "") -> str:
    return (pins.folder() / folder / "go.mod").read_text()


def tools(go_mod: str) -> set[str]:
    several = re.search(r"^tool \((.*?)^\)", go_mod, re.MULTILINE | re.DOTALL)
    return set(several[1].split()) if several else set(re.findall(r"^tool (\S+)$", go_mod, re.MULTILINE))


@pytest.fixture(scope="module")
def go_mod() -> str:
    return read()


@pytest.mark.parametrize("name", VERSIONS)
def test_go_mod_builds_the_pinned_version(name: str) -> None:
    pinned = pins.pinned().programs[name]
    go_mod = read(pinned.gomod)
    required = dict(re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", go_mod, re.MULTILINE))
    assert required[pinned.module] == pinned.version
    assert pinned.package in tools(go_mod)
    # The module that the package itself belongs to: etcd's programs have one each.
    owner = max((m for m in required if pinned.package.startswith(m)), key=len)
    assert required[owner] == pinned.version


@pytest.mark.parametrize("folder", ["", "helm"])
def test_go_mod_names_no_program_that_is_not_pinned(folder: str) -> None:
    every = [p for each in (pins.pinned(), pins.of_a_node()[0]) for p in each.programs.values()]
    assert tools(read(folder)) == {p.package for p in every if p.gomod == folder}


def test_kubernetes_libraries_have_the_version_of_kubernetes(go_mod: str) -> None:
    version = VERSIONS["kube-apiserver"].replace("v1.", "v0.")
    replaced = re.findall(r"^\t(k8s\.io/\S+) => \1 (\S+)$", go_mod, re.MULTILINE)
    assert len(replaced) > 20
    assert {found for _, found in replaced} == {version}


def test_etcd_is_built_with_its_own_libraries(go_mod: str) -> None:
    replaced = dict(re.findall(r"^\t(go\.etcd\.io/\S+) => \1 (\S+)$", go_mod, re.MULTILINE))
    assert set(replaced.values()) == {VERSIONS["etcd"]}
    assert "go.etcd.io/etcd/api/v3" in replaced


@pytest.mark.parametrize(("os", "arch"), SYSTEMS)
def test_every_release_file_has_one_published_checksum(os: str, arch: str) -> None:
    read = pins.read(pins.folder(), os, arch)
    assert set(read.programs) == set(VERSIONS)
    for each in read.programs.values():
        if each.asset is None:
            continue
        assert (each.asset.checksum is None) != (each.asset.digests is None), each
        for url in filter(None, (each.asset.url, each.asset.checksum, each.asset.digests)):
            assert urlsplit(url).scheme == "https"
            assert "{" not in url
            assert "None" not in url
            assert each.version in url


def test_linux_has_a_release_of_every_program() -> None:
    for arch in ("amd64", "arm64"):
        programs = pins.read(pins.folder(), "linux", arch).programs.values()
        assert [each.name for each in programs if each.asset is None] == []


def test_macos_builds_only_what_kubernetes_does_not_release_for_it() -> None:
    programs = pins.read(pins.folder(), "darwin", "arm64").programs.values()
    built = {each.name for each in programs if each.asset is None}
    assert built == {"kube-apiserver", "kube-controller-manager", "kube-scheduler"}


def test_the_addresses_are_those_of_upstream() -> None:
    programs = pins.read(pins.folder(), "linux", "amd64").programs
    apiserver, etcd = programs["kube-apiserver"].asset, programs["etcdutl"]
    assert apiserver is not None
    assert etcd.asset is not None
    version = VERSIONS["kube-apiserver"]
    assert apiserver.url == f"https://dl.k8s.io/release/{version}/bin/linux/amd64/kube-apiserver"
    assert apiserver.checksum == f"{apiserver.url}.sha256"
    assert etcd.asset.file == f"etcd-{VERSIONS['etcd']}-linux-amd64.tar.gz"
    assert etcd.member == f"etcd-{VERSIONS['etcd']}-linux-amd64/etcdutl"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(PermanentError, match="did you mean kubectl"):
        pins.pinned().choose(["kubeclt"])
    with pytest.raises(PermanentError, match="there are kube-apiserver"):
        program("zzz")


def test_a_program_that_is_not_there_names_the_command_that_installs_it(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"kwok v.* is not installed; run `seatrial tools install`"):
        program("kwok")
