"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from seatrial import COMMANDS, LazyGroup, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_sub_command_is_there_and_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"Usage: main {name}" in result.output


def test_help_imports_no_sub_command() -> None:
    script = """
import sys
from seatrial import main
main(["--help"], standalone_mode=False)
loaded = {"grader", "clusters", "proving", "kubernetes", "pydantic"} & set(sys.modules)
sys.exit(f"imported: {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_an_unknown_sub_command_is_bad_usage() -> None:
    result = CliRunner().invoke(main, ["sail"])
    assert result.exit_code == 2
    assert "No such command 'sail'" in result.stderr


def test_the_list_of_sub_commands_is_sorted() -> None:
    assert LazyGroup().list_commands(click.Context(main)) == sorted(COMMANDS)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("seatrial")), "lab", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == (
        "seatrial: the disk is full and does not take what this command prints; free some and run it again\n"
    )
