"""`seatrial tools` and `seatrial doctor` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clusters.tools import VERSIONS, cache
from clusters.tools.pins import pinned
from seatrial import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_list_as_json(root: Path) -> None:
    path = cache.place(root, pinned().programs["kwok"])
    path.parent.mkdir(parents=True)
    path.write_text("")
    result = run("tools", "list", "-o", "json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert {name: row["version"] for name, row in rows.items()} == VERSIONS
    assert [name for name, row in rows.items() if row["installed"]] == ["kwok"]
    assert rows["kwok"]["path"] == str(path)


def test_list_as_a_table(root: Path) -> None:
    result = run("tools", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "INSTALLED", "PATH"]
    assert [line.split()[0] for line in lines[1:]] == list(VERSIONS)
    assert all(line.split()[2] == "no" for line in lines[1:])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kubeclt"], "kubeclt is none of the pinned programs: did you mean kubectl?"),
        (["--mirror", "somewhere"], "--mirror somewhere: write HOST=URL"),
        (["--mirror", "dl.k8s.io=ftp://there"], "write HOST=URL"),
        (["--from", "magic"], "'magic' is not one of"),
    ],
)
def test_bad_usage_has_exit_code_2(root: Path, arguments: list[str], said: str) -> None:
    result = run("tools", "install", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not root.exists()


def test_a_failure_is_one_sentence_and_exit_code_1(root: Path) -> None:
    nowhere = [f"--mirror={host}=http://127.0.0.1:1" for host in ("dl.k8s.io", "github.com", "api.github.com")]
    result = run("tools", "install", "--from", "download", *nowhere, "kubectl")
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("seatrial: http://127.0.0.1:1/ is out of reach (")
    assert result.stdout == ""
