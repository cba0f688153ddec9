"""The commands as a person types them: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proving.cli import demo, lab

LAMP = Path(__file__).parents[1] / "fakes" / "labs" / "90-lamp"


@pytest.fixture
def home(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's cluster is one of this user's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(cluster.admin.parents[3]))


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(lab, [str(a) for a in args], catch_exceptions=False)


def test_list_shows_every_lab_with_its_points() -> None:
    rows = json.loads(run("list", "-o", "json").stdout)
    assert {"first-pod", "services", "hpa"} <= {row["slug"] for row in rows}
    assert all(row["points"] > 0 and row["tasks"] > 0 for row in rows)
    table = run("list").stdout
    assert all(row["slug"] in table for row in rows)


def test_list_shows_a_lab_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labs" / "01-torn").mkdir(parents=True)
    (tmp_path / "labs" / "01-torn" / "lab.yaml").write_text("title: [\n")
    monkeypatch.chdir(tmp_path)
    (row,) = json.loads(run("list", "-o", "json").stdout)
    assert row["slug"] == "torn"
    assert "lab.yaml" in row["fault"]


def test_show_gives_the_text_the_tasks_and_the_students_own_parameters() -> None:
    shown = run("show", LAMP, "--student", "ada", "--width", "80").stdout
    assert "Write the note" in shown
    assert "Take the old lamp away" in shown
    assert "red" in shown or "green" in shown
    assert "${colour}" not in shown


@pytest.mark.parametrize("command", ["show", "start", "test", "lint"])
def test_an_unknown_lab_is_a_sentence_and_exit_code_2(command: str) -> None:
    result = run(command, "servises")
    assert result.exit_code == 2
    assert "services" in result.stderr
    assert "Traceback" not in result.stderr


def test_lint_gives_exit_code_0_for_a_good_lab() -> None:
    result = run("lint", "services")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no fault" in result.stderr


def test_lint_tells_each_fault_on_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "10-torn"
    folder.mkdir()
    (folder / "lab.yaml").write_text("title: Torn\nmintues: 3\n")
    result = run("lint", folder)
    assert result.exit_code == 2
    assert "lab.yaml:2" in result.stdout


def test_nothing_named_is_a_sentence() -> None:
    assert run("lint").exit_code == 2
    assert run("test").exit_code == 2
    assert run("lint", "services", "--all").exit_code == 2


def test_start_without_a_cluster_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = run("start", "services")
    assert result.exit_code == 3
    assert "seatrial cluster up" in result.stderr


def test_start_refuses_options_that_contradict(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("")
    assert run("start", "services", "--cluster", "a", "--kubeconfig", file).exit_code == 2
    assert run("start", "services", "--cluster", "a", "--student", "ada").exit_code == 2


def test_a_kubeconfig_that_leads_nowhere_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("not: a kubeconfig\n")
    result = run("start", "services", "--kubeconfig", file)
    assert result.exit_code == 3
    assert str(file) in result.stderr


def test_new_writes_a_lab_that_lints(tmp_path: Path) -> None:
    result = run("new", "tides", "--into", tmp_path)
    assert result.exit_code == 0, result.stderr
    (made,) = tmp_path.iterdir()
    assert made.name.endswith("-tides")
    assert run("lint", made).exit_code == 0


@pytest.mark.cluster
@pytest.mark.usefixtures("home")
def test_start_says_what_to_do_next(cluster: Any, folder: Path) -> None:
    result = run("start", folder, "--cluster", cluster.name)
    assert result.exit_code == 0, result.stderr
    assert f"export KUBECONFIG={cluster.student}" in result.stdout
    assert "First: Write the note (1 point)." in result.stdout
    assert "A ConfigMap `note` whose `colour` is" in result.stdout
    assert f"seatrial grade {folder} --kubeconfig" in result.stdout
    again = run("start", folder, "--cluster", cluster.name)
    assert "your work was left alone" in again.stdout


@pytest.mark.cluster
@pytest.mark.usefixtures("home")
def test_test_gives_exit_code_1_and_the_faults_for_a_lab_with_a_gap(cluster: Any, folder: Path) -> None:
    spec = folder / "lab.yaml"
    spec.write_text(spec.read_text().replace(", resources: {requests: {cpu: 50m}}", ""))
    result = run("test", folder, "--cluster", cluster.name, "--times", "1", "-o", "json")
    assert result.exit_code == 1, result.stderr
    (verdict,) = json.loads(result.stdout)
    assert verdict["proved"] is False
    assert {gap["path"] for gap in verdict["mutants"]["survivors"]} == {
        "spec.template.spec.containers[].resources.requests.cpu"
    }
    assert verdict["solved"] == 1


@pytest.mark.cluster
def test_the_demo_ends_with_full_marks_and_leaves_no_cluster(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = CliRunner().invoke(demo, ["--lab", str(LAMP)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Full marks, after" in result.stdout
    assert "0 of 6 points" in result.stdout
    assert list((tmp_path / "seatrial" / "clusters").glob("demo-*")) == []
