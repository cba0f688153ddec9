from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import cli
from grader import evidence as evidence_module
from grader.cli import grade, regrade
from grader.collect import access as access_module
from grader.reports import FORMATS
from tests.fakes.apiserver import FakeApiServer, serving, status
from tests.grader import small

TWO_TASKS = (
    small.ONE_TASK
    + """\
- id: secret
  title: A Service
  points: 1
  checks:
  - match: {apiVersion: v1, kind: Service, metadata: {name: web}}
    hidden: true
    message: The Service is called web.
"""
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(access_module, "PAUSES", (0.001,))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as one:
        yield one


def run(*words: str | Path) -> Result:
    command = regrade if words[0] == "regrade" else grade
    return CliRunner().invoke(command, [str(w) for w in words[1:]], catch_exceptions=False)


def told(result: Result, code: int) -> str:
    """The one sentence on standard error of a run that ends with this code."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result.stderr


def test_exit_codes(server: FakeApiServer, tmp_path: Path) -> None:
    lab, kubeconfig = small.folder(tmp_path), server.kubeconfig(tmp_path)
    assert run("grade", lab, "--kubeconfig", kubeconfig).exit_code == 1
    server.add("v1", "Pod", "web", "shop")
    assert run("grade", lab, "--kubeconfig", kubeconfig).exit_code == 0
    server.fault("/pods", status(500, "down"), lasting=True)
    assert "No score" in told(run("grade", lab, "--kubeconfig", kubeconfig, "-o", "json"), 3)
    assert json.loads(run("grade", lab, "--kubeconfig", kubeconfig, "-o", "json").stdout)["score"] is None
    assert run("grade").exit_code == 2
    assert run("grade", lab, "-o", "xml").exit_code == 2


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("state", ["nothing", "all", "outage"])
def test_a_regrade_gives_the_same_report_to_the_byte(
    server: FakeApiServer, tmp_path: Path, format: str, state: str
) -> None:
    lab, file = small.folder(tmp_path, TWO_TASKS), tmp_path / "evidence.json"
    # Keys in an order of their own, as the API server gives them; an explanation may name them.
    server.add("v1", "Pod", "wbe", "shop", metadata={"labels": {"z": "1", "a": "2"}}, status={"phase": "Pending"})
    if state == "all":
        server.add("v1", "Pod", "web", "shop")
        server.add("v1", "Service", "web", "shop", spec={"selector": {"z": "1", "a": "3"}})
    if state == "outage":
        server.fault("/pods", status(500, "down"), lasting=True)
    first = run("grade", lab, "--kubeconfig", server.kubeconfig(tmp_path), "--evidence", file, "-o", format)
    server.die()
    second = run("regrade", file, "--lab", lab, "-o", format)
    assert first.stdout
    assert second.stdout_bytes == first.stdout_bytes
    assert second.exit_code == first.exit_code == {"nothing": 1, "all": 0, "outage": 3}[state]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_lab_that_has_changed_since(server: FakeApiServer, tmp_path: Path) -> None:
    lab, file = small.folder(tmp_path), tmp_path / "evidence.json"
    server.add("v1", "Pod", "web", "shop")
    run("grade", lab, "--kubeconfig", server.kubeconfig(tmp_path), "--evidence", file)
    assert run("regrade", file, "--lab", lab).stderr == ""
    small.folder(tmp_path, small.ONE_TASK.replace("points: 2", "points: 4"))
    again = run("regrade", file, "--lab", lab, "-o", "json")
    assert "has changed since" in again.stderr
    assert json.loads(again.stdout)["points"] == 4


def test_evidence_that_cannot_be_graded(server: FakeApiServer, tmp_path: Path) -> None:
    lab, file = small.folder(tmp_path), tmp_path / "evidence.json"
    run("grade", lab, "--kubeconfig", server.kubeconfig(tmp_path), "--evidence", file)
    whole = file.read_bytes()
    other = lab.rename(lab.parent / "02-other")
    assert 'of lab "small"' in told(run("regrade", file, "--lab", other), 2)
    file.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in told(run("regrade", file, "--lab", other), 2)
    file.write_bytes(whole.replace(b'{"format":2', b'{"format":99', 1))
    assert "install a newer seatrial" in told(run("regrade", file, "--lab", other), 2)
    assert "cannot be read" in told(run("regrade", tmp_path / "absent", "--lab", other), 2)


def test_evidence_that_cannot_be_written(server: FakeApiServer, tmp_path: Path) -> None:
    lab = small.folder(tmp_path)
    result = run("grade", lab, "--kubeconfig", server.kubeconfig(tmp_path), "--evidence", tmp_path / "no" / "file")
    assert "could not be written" in told(result, 2)
    assert "A Pod named web" in result.stdout  # the report is there all the same


def test_what_takes_long_is_told(server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "TELL", 0.05)
    lab, kubeconfig = small.folder(tmp_path, small.ONE_TASK + "    within: 1s\n"), server.kubeconfig(tmp_path)
    assert "Waiting: 0 of 1 tasks pass" in run("grade", lab, "--kubeconfig", kubeconfig, "--wait").stderr


def test_no_cluster(server: FakeApiServer, tmp_path: Path) -> None:
    lab, kubeconfig = small.folder(tmp_path), server.kubeconfig(tmp_path)
    missing = told(run("grade", lab, "--kubeconfig", tmp_path / "absent"), 3)
    assert missing.count("\n") == 1
    assert "seatrial cluster up" in missing
    assert "There is no kubeconfig at" in told(run("grade", lab), 3)  # nor is there one in the home
    server.fault("/version", status(401, "Unauthorized"), lasting=True)
    assert "refuses the identity" in told(run("grade", lab, "--kubeconfig", kubeconfig), 3)
    server.die()
    assert "does not answer" in told(run("grade", lab, "--kubeconfig", kubeconfig), 3)


def test_a_bad_lab_is_told_before_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no lab" in told(run("grade", "no-such-lab", "--kubeconfig", tmp_path / "absent"), 2)
    bad = small.folder(tmp_path, "tasks: []\nunknown: 1\n")
    faults = told(run("grade", bad, "--kubeconfig", tmp_path / "absent"), 2)
    assert faults.count("lab.yaml:") == 2


def test_the_kubeconfig_of_the_environment_and_of_the_home(
    server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, kubeconfig = small.folder(tmp_path), server.kubeconfig(tmp_path)
    server.add("v1", "Pod", "web", "shop")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}{os.pathsep}{kubeconfig}")
    assert run("grade", lab).exit_code == 0
    monkeypatch.delenv("KUBECONFIG")
    (tmp_path / ".kube").mkdir()
    kubeconfig.rename(tmp_path / ".kube" / "config")
    assert run("grade", lab).exit_code == 0


def test_hidden_checks(server: FakeApiServer, tmp_path: Path) -> None:
    lab, kubeconfig = small.folder(tmp_path, TWO_TASKS), server.kubeconfig(tmp_path)
    assert "called web" not in run("grade", lab, "--kubeconfig", kubeconfig).stdout
    assert "called web" in run("grade", lab, "--kubeconfig", kubeconfig, "--reveal-hidden").stdout


def test_the_summary_for_github(server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, kubeconfig, file = small.folder(tmp_path), server.kubeconfig(tmp_path), tmp_path / "summary.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    run("grade", lab, "--kubeconfig", kubeconfig)
    assert file.read_text() == "before\n"
    assert run("grade", lab, "--kubeconfig", kubeconfig, "-o", "github").stdout.startswith("::error ")
    assert file.read_text().startswith("before\n### small\n")


def test_the_course_s_secret_and_the_student(server: FakeApiServer, tmp_path: Path) -> None:
    lab = small.folder(
        tmp_path,
        f"parameters:\n  port: {{choose: {list(range(1000))}}}\n"
        + small.ONE_TASK.replace("name: web}", 'name: "web-${port}"}'),
    )
    kubeconfig, file, secret = server.kubeconfig(tmp_path), tmp_path / "evidence", tmp_path / "secret"

    def drawn(*words: str | Path) -> object:
        run("grade", lab, "--kubeconfig", kubeconfig, "--evidence", file, *words)
        return evidence_module.open_file(file).params["port"]

    secret.write_text("s3cret\n")
    ada = drawn("--student", "ada", "--course-secret-file", secret)
    assert ada == drawn("--student", "ada", "--course-secret-file", secret)
    assert len({ada, drawn("--student", "ada"), drawn("--student", "bob", "--course-secret-file", secret)}) == 3
    assert run("regrade", file, "--lab", lab).exit_code == 1
    result = run("grade", lab, "--kubeconfig", kubeconfig, "--course-secret-file", tmp_path / "absent")
    assert "secret" in told(result, 2)


def _command(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    code = "import seatrial; seatrial.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **(env or {})},
    )


def test_what_grading_does_not_need_is_not_imported(server: FakeApiServer, tmp_path: Path) -> None:
    """A grade is one short command: what costs tenths of a second stays out of it."""
    lab, kubeconfig = small.folder(tmp_path), server.kubeconfig(tmp_path)
    code = (
        "import sys\nfrom grader.cli import grade\n"
        f"try: grade(['{lab}', '--kubeconfig', '{kubeconfig}', '-o', 'json'])\n"
        "except SystemExit as end: print(end.code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    heavy = "heavy = {'kubernetes', 'rich', 'requests', 'urllib3', 'clusters', 'proving', 'aiohttp'}\n"
    done = subprocess.run(
        [sys.executable, "-c", heavy + code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.stderr == "1 []\n"


def test_standard_output_that_is_closed_is_no_traceback(server: FakeApiServer, tmp_path: Path) -> None:
    lab, kubeconfig = small.folder(tmp_path), server.kubeconfig(tmp_path)
    code = f"import os; os.close(1); from grader.cli import grade; grade(['{lab}', '--kubeconfig', '{kubeconfig}'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
