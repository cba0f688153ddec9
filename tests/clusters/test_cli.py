"""`seatrial cluster …` with providers that are fakes, and one whole round with a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

import seatrial
from clusters import store
from tests.conftest import demand_programs

pytestmark = pytest.mark.usefixtures("fakes")


def seat(*args: str) -> Result:
    done = CliRunner().invoke(seatrial.main, ["cluster", *args], catch_exceptions=False)
    assert "Traceback" not in done.output
    return done


def test_up_says_how_to_go_on_and_list_what_there_is(data: Path) -> None:
    done = seat("up", "one", "--provider", "fake", "--student", "ada@example.org")
    assert done.exit_code == 0
    assert f"export KUBECONFIG={data / 'one' / 'student.yaml'}" in done.stdout
    listed = seat("list").stdout.splitlines()
    assert listed[0].split() == ["NAME", "PROVIDER", "STATE", "STUDENT", "SERVER", "CREATED"]
    assert listed[1].split()[:4] == ["one", "fake", "running", "ada@example.org"]


def test_up_installs_what_it_is_asked_to_and_refuses_what_it_cannot(data: Path) -> None:
    assert seat("up", "one", "--provider", "fake", "--with", "ingress").exit_code == 0
    assert "ingress" in seat("kubeconfig", "one").stdout
    refused = seat("up", "two", "--provider", "kwok", "--with", "ingress")
    assert refused.exit_code == 3
    assert "the provider kwok cannot install ingress in cluster two" in refused.stderr
    assert not (data / "two").exists()


def test_every_command_speaks_json(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    made = json.loads(seat("up", "one", "--provider", "fake", "-o", "json").stdout)
    assert made["state"] == "running"
    assert Path(made["kubeconfig"]["admin"]).is_file()
    assert [c["name"] for c in json.loads(seat("list", "-o", "json").stdout)] == ["one"]
    assert json.loads(seat("kubeconfig", "one", "-o", "json").stdout)["kind"] == "Config"
    assert json.loads(seat("kubeconfig", "one", "--path", "-o", "json").stdout) == {
        "path": str(data / "one/student.yaml")
    }
    assert json.loads(seat("snapshot", "one", str(file), "-o", "json").stdout)["bytes"] == file.stat().st_size
    assert json.loads(seat("stop", "one", "-o", "json").stdout) == {"name": "one", "state": "stopped"}
    assert json.loads(seat("start", "one", "-o", "json").stdout) == {"name": "one", "state": "running"}
    assert json.loads(seat("restore", "one", str(file), "-o", "json").stdout) == {"name": "one", "state": "running"}
    assert json.loads(seat("down", "one", "-o", "json").stdout) == {"name": "one", "removed": True}
    assert json.loads(seat("down", "one", "-o", "json").stdout) == {"name": "one", "removed": False}
    assert json.loads(seat("list", "-o", "json").stdout) == []


def test_a_kubeconfig_is_printed_for_either_identity(data: Path) -> None:
    seat("up", "one", "--provider", "fake")
    student, admin = (yaml.safe_load(seat("kubeconfig", "one", *a).stdout) for a in ([], ["--as", "admin"]))
    assert "auditLog" not in student["clusters"][0]["cluster"]["extensions"][0]["extension"]
    assert "auditLog" in admin["clusters"][0]["cluster"]["extensions"][0]["extension"]
    assert seat("kubeconfig", "one", "--path").stdout == f"{data / 'one' / 'student.yaml'}\n"


NOBODY = "there is no cluster 'nobody'; make it with `seatrial cluster up nobody`"
FAKE, EXISTING, KWOK = ("up", "one", "--provider", "fake"), ("up", "one", "--provider", "existing"), ("up", "one")
FAULTS = {
    ("kubeconfig", "nobody"): NOBODY,
    ("stop", "nobody"): NOBODY,
    ("start", "nobody"): NOBODY,
    ("snapshot", "nobody", "f"): NOBODY,
    ("restore", "nobody", "f"): NOBODY,
    ("up", "one", "--provider", "broken"): "the control plane ended: the disk is full",
    ("up", "one", "--provider", "busy"): "a port is taken; try again",
    EXISTING: "the provider existing needs the kubeconfig of a cluster: add --kubeconfig FILE",
    ("up", "one", "--kubeconfig", "/no/such"): "there is no kubeconfig /no/such; name another with --kubeconfig FILE",
    (*KWOK, "--provider", "kwok", "--kubeconfig", "x"): (
        "the provider kwok makes a cluster of its own; a kubeconfig is for the provider existing"
    ),
    (*FAKE, "--student", "system:x"): (
        "'system:x' cannot be a student's name: system: and seatrial are the platform's"
    ),
}


@pytest.mark.parametrize(("args", "sentence"), FAULTS.items(), ids=[" ".join(a) for a in FAULTS])
def test_a_fault_is_one_sentence_and_exit_code_3(data: Path, args: tuple[str, ...], sentence: str) -> None:
    done = seat(*args)
    assert done.exit_code == 3
    assert done.stderr == f"seatrial: {sentence}\n"
    assert done.stdout == ""
    assert store.names() == []


def test_an_unknown_provider_names_those_there_are(data: Path) -> None:
    done = seat("up", "one", "--provider", "kwack")
    assert done.exit_code == 3
    assert done.stderr.startswith(
        "seatrial: there is no provider 'kwack'; there are: auto, broken, busy, existing, fake"
    )


def test_a_name_that_is_none_is_a_usage_error(data: Path) -> None:
    done = seat("up", "Not_A_Name")
    assert done.exit_code == 2
    assert "cannot be a cluster's name" in done.stderr


def test_a_second_up_of_a_name_is_refused(data: Path) -> None:
    seat("up", "one", "--provider", "fake")
    done = seat("up", "one", "--provider", "fake")
    assert done.exit_code == 3
    assert done.stderr == "seatrial: cluster one exists already; `seatrial cluster down one` removes it\n"


def test_a_half_made_cluster_that_was_kept_is_shown_as_broken_and_can_be_removed(data: Path) -> None:
    assert seat("up", "one", "--provider", "broken", "--keep-on-failure").exit_code == 3
    assert json.loads(seat("list", "-o", "json").stdout)[0]["state"] == "broken"
    assert seat("start", "one").stderr.startswith("seatrial: cluster one is only half made")
    assert seat("down", "one").exit_code == 0
    assert store.names() == []


def child(site: Path, *args: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("seatrial")), "cluster", *args]
    path = os.pathsep.join([str(site), str(Path(__file__).parents[2])])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_what_takes_longer_than_two_seconds_says_so(data: Path, fakes: Path) -> None:
    with child(fakes, "up", "one", "--provider", "slow") as slow:
        _, said = slow.communicate(timeout=60)
    assert slow.returncode == 0
    assert said.startswith("Making cluster one … ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_up_leaves_nothing(data: Path, fakes: Path, number: signal.Signals) -> None:
    with child(fakes, "up", "one", "--provider", "slow") as slow:
        end = time.monotonic() + 60
        while not (data / "one" / "student.yaml").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        slow.send_signal(number)
        _, said = slow.communicate(timeout=60)
    assert slow.returncode == 130
    assert said.splitlines()[-1] == "seatrial: interrupted; nothing half made was left"
    assert not (data / "one").exists()


@pytest.mark.cluster
def test_a_whole_round_with_a_real_cluster(data: Path, tmp_path: Path) -> None:
    demand_programs()
    file = tmp_path / "snapshot"
    for args in (
        ["up", "one", "--provider", "kwok"],
        ["snapshot", "one", str(file)],
        ["stop", "one"],
        ["start", "one"],
        ["restore", "one", str(file)],
        ["down", "one"],
    ):
        done = seat(*args)
        assert done.exit_code == 0, done.stderr
    assert store.names() == []
