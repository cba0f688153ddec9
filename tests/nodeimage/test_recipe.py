"""The recipe: whole, in agreement with the pins and with the labs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from clusters.errors import PermanentError
from clusters.kind import ingress
from clusters.tools import VERSIONS, pins
from grader import labfile
from nodeimage import debian, images, node, recipe
from nodeimage.layers import Layer
from nodeimage.recipe import Recipe
from proving.images import wanted

NAMES = {
    **VERSIONS,
    "kubernetes": VERSIONS["kube-apiserver"],
    "kubeadm-etcd": "3.6.8-0",
    "kubeadm-coredns": "v1.14.2",
    "kube-router": "v2",
    "traefik": "v3",
    "sandbox": "registry.k8s.io/pause:3.10",
    "storage-provisioner": "docker.io/kindest/p:1",
    "storage-helper": "docker.io/kindest/h:1",
}


@pytest.fixture(scope="module")
def plan() -> Recipe:
    return recipe.read(NAMES)


def test_every_program_is_pinned(plan: Recipe) -> None:
    known = {*pins.pinned().programs, *(n for each in pins.of_a_node() for n in each.programs)}
    assert set(plan.programs()) <= known
    # And nothing is pinned for a node that no node holds.
    assert {n for each in pins.of_a_node() for n in each.programs} <= set(plan.programs())


def test_the_modules_of_a_node_build_the_pinned_versions() -> None:
    own, others = pins.of_a_node()
    assert {p.version for p in own.programs.values()} == {VERSIONS["kube-apiserver"]}
    for each in others.programs.values():
        text = (others.folder / each.gomod / "go.mod").read_text()
        assert f"{each.module} {each.version}" in text
        assert re.search(rf"^(tool |\t){re.escape(each.package)}$", text, re.MULTILINE)
        assert each.asset is None
    assert (others.go_minimum, others.go_wheel) == (own.go_minimum, own.go_wheel)


def test_every_image_that_a_lab_runs_is_made(plan: Recipe) -> None:
    made = {image.reference for image in plan.labs}
    for folder in labfile.catalogue():
        assert set(wanted(labfile.read(folder))) <= made


def test_the_image_of_the_ingress_controller_is_the_one_that_clusters_ask_for() -> None:
    versions = {n: p.version for each in pins.of_a_node() for n, p in each.programs.items()}
    assert ingress.image() in {image.reference for image in recipe.read({**NAMES, **versions}).extras}


def test_a_busybox_is_never_static(plan: Recipe) -> None:
    for image in (*plan.system, *plan.extras, *plan.labs):
        assert "busybox-static" not in image.packages
        assert not image.applets or "busybox" in image.packages


def test_a_mirror_takes_the_place_of_debians_own() -> None:
    assert (
        recipe.read(NAMES, mirror="http://mirror.example/debian").debian_of_labs.mirror
        == "http://mirror.example/debian"
    )


def test_a_name_that_upstream_does_not_give_is_a_fault() -> None:
    with pytest.raises(KeyError):
        recipe.read({})


def test_licences_stay_and_manuals_go() -> None:
    assert images.wanted("usr/share/doc/nginx/copyright")
    assert not images.wanted("usr/share/doc/nginx/changelog.gz")
    assert not images.wanted("usr/share/man/man1/x.1.gz")
    assert images.wanted("usr/sbin/nginx")


def test_a_node_starts_none_of_debians_units_and_keeps_its_libraries() -> None:
    assert not node.debian("usr/lib/systemd/system/multi-user.target.wants/getty.target")
    assert not node.debian("etc/systemd/system/timers.target.wants/fstrim.timer")
    assert node.debian("usr/lib/systemd/system/systemd-journald.service")
    assert node.debian("usr/lib/x86_64-linux-gnu/libc.so.6")
    assert not node.debian("etc/machine-id")


def test_versions_of_packages_are_told_without_their_epoch(tmp_path: Path) -> None:
    with Layer(tmp_path / "tar") as layer:
        layer.file(debian.LISTING, b"redis-server_5%3a7.0.15-1_amd64.deb\nlibc6_2.36-9_amd64.deb\n")
    assert debian.versions(tmp_path / "tar") == {"redis-server": "7.0.15-1", "libc6": "2.36-9"}


def test_without_mmdebstrap_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nodeimage.workshop import Workshop
    from tests.fakes.watch import Recorder

    monkeypatch.setenv("PATH", str(tmp_path))
    source = recipe.Debian("bookworm", "http://mirror.example")
    with pytest.raises(PermanentError, match=r"mmdebstrap is not on PATH.*install"):
        debian.unpacked(Workshop(tmp_path, Recorder()), source, ["busybox"])


# Does what Debian's does before it fetches anything, and hands over where it would.
MMDEBSTRAP = """#!/bin/sh
mkdir -p {root}/etc/apt
for word in "$@"; do case $word in
    --setup-hook=*) hook=${{word#*=}};;
    *.tar.part) goal=$word;;
esac; done
echo 'deb {trust}{mirror} bookworm main' > {root}/etc/apt/sources.list
sh -c "$hook" exec {root} && cat {root}/etc/apt/sources.list > $goal
{end}
"""


def fetched(place: Path, monkeypatch: pytest.MonkeyPatch, mirror: str, trust: str = "", end: str = "") -> list[str]:
    from nodeimage.workshop import Workshop
    from tests.fakes.watch import Recorder

    program = place / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(MMDEBSTRAP.format(root=place / "root", trust=trust, mirror=mirror, end=end))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    source = recipe.Debian("bookworm", mirror)
    return debian.unpacked(Workshop(place, Recorder()), source, ["busybox"]).read_text().splitlines()


@pytest.mark.parametrize("trust", ["", '[signed-by="/usr/share/keyrings/debian-archive-keyring.gpg"] '])
def test_debians_updates_are_fetched_from_where_its_packages_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: str
) -> None:
    assert fetched(tmp_path, monkeypatch, "http://mirror.example/debian", trust) == [
        f"deb {trust}http://mirror.example/debian bookworm main",
        f"deb {trust}http://mirror.example/debian bookworm-updates main",
        f"deb {trust}http://mirror.example/debian-security bookworm-security main",
    ]


@pytest.mark.parametrize(
    ("mirror", "security"),
    [
        ("http://deb.debian.org/debian/", "http://deb.debian.org/debian-security/"),
        ("https://m.example/debian/20260101T000000Z", "https://m.example/debian-security/20260101T000000Z"),
        ("http://mirror.example/all", "http://mirror.example/all"),
    ],
)
def test_security_lies_beside_the_packages(mirror: str, security: str) -> None:
    assert debian.security(mirror) == security


def test_a_mirror_without_updates_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "E: The repository 'http://m.example/debian-security bookworm-security Release' does not have a Release file."
    )
    with pytest.raises(PermanentError, match=r"http://m.example/debian-security has no signed bookworm-security: name"):
        fetched(tmp_path, monkeypatch, "http://m.example/debian", end=f'echo "{said}"; exit 25')
