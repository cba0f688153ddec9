"""Scripts in the real sandbox, against the fake API server."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import pytest

from grader.collect import Access, script
from grader.collect.gate import gate
from grader.model import Observation, Outcome
from tests.fakes.apiserver import FakeApiServer


def _bubblewrap_works() -> bool:
    import subprocess

    found = shutil.which("bwrap")
    if found is None:
        return False
    argv = [found, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


needs_bubblewrap = pytest.mark.skipif(not _bubblewrap_works(), reason="bubblewrap is not installed or may not run here")


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


def _run(lab: Path, access: Access, body: str, *, first: str = "#!/bin/sh", limit: float = 10.0) -> Observation:
    program = lab / "check.sh"
    program.write_text(f"{first}\n{body}\n")
    program.chmod(0o755)
    return script.run(script.Script(lab, "check.sh", "shop", "ada", {"port": 8080, "odd name": "x"}, limit), access)


@needs_bubblewrap
def test_exit_0_passes_and_the_last_line_is_the_message(lab: Path, access: Access) -> None:
    seen = _run(lab, access, 'echo first; echo "$NAMESPACE $STUDENT $PARAM_PORT $PARAM_ODD_NAME"; echo; echo noise >&2')
    assert seen == Observation(Outcome.PASSED, "shop ada 8080 x", {"exit_code": 0})


@needs_bubblewrap
def test_another_exit_code_fails(lab: Path, access: Access) -> None:
    assert _run(lab, access, "echo no; exit 3") == Observation(Outcome.FAILED, "no", {"exit_code": 3})
    assert _run(lab, access, "echo why >&2; exit 1").message == "why"
    assert _run(lab, access, "kill -9 $$").outcome is Outcome.FAILED


@needs_bubblewrap
def test_it_reads_the_cluster(server: FakeApiServer, tmp_path: Path, lab: Path) -> None:
    server.add("v1", "Pod", "web", "shop")
    access = Access.from_kubeconfig(server.kubeconfig(tmp_path, token="s3cret"))
    body = """
import json, os, re, urllib.request
kubeconfig = open(os.environ["KUBECONFIG"]).read()
assert "s3cret" not in kubeconfig
url = re.search(r'"(http://[^"]+)"', kubeconfig)[1]
ask = urllib.request.Request(url + "/api/v1/namespaces/shop/pods", headers={"Impersonate-User": "root"})
print(json.load(urllib.request.urlopen(ask))["items"][0]["metadata"]["name"])
"""
    seen = _run(lab, access, body, first="#!/usr/bin/env python3")
    assert (seen.outcome, seen.message) == (Outcome.PASSED, "web")
    assert server.headers[-1]["Authorization"] == "Bearer s3cret"
    assert "Impersonate-User" not in server.headers[-1]


@needs_bubblewrap
def test_it_writes_nothing_and_sees_nothing_else(lab: Path, access: Access, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    body = f"""
touch /lab/new 2>/dev/null && echo "wrote into the lab" && exit 1
touch /usr/new 2>/dev/null && echo "wrote into /usr" && exit 1
test -e {tmp_path}/secret && echo "sees our files" && exit 1
test -e /etc/shadow && echo "sees /etc/shadow" && exit 1
test "$(cat /proc/net/dev | grep -c :)" = 1 || {{ echo "has a network"; exit 1; }}
env | grep -q PYTEST && echo "has our environment" && exit 1
echo fine
"""
    assert _run(lab, access, body).message == "fine"
    assert [p.name for p in lab.iterdir()] == ["check.sh"]


@needs_bubblewrap
@pytest.mark.parametrize(
    "body", ["sleep 60", "exec >&- 2>&-; sleep 60", "(sleep 60) & wait"], ids=["sleeps", "silent", "child"]
)
def test_too_long(lab: Path, access: Access, body: str) -> None:
    begun = time.monotonic()
    seen = _run(lab, access, body, limit=1.0)
    assert seen.outcome is Outcome.ERROR
    assert "1 s" in seen.message
    assert time.monotonic() - begun < 30


@needs_bubblewrap
def test_what_it_leaves_running_ends_with_it(lab: Path, access: Access) -> None:
    assert _run(lab, access, "sleep 61.25 & echo done").message == "done"
    running = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _text(p) == "sleep\x0061.25\x00"]
    assert running == []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended while we looked
        return ""


@needs_bubblewrap
def test_too_much(lab: Path, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "OUTPUT_LIMIT", 100_000)
    seen = _run(lab, access, "yes")
    assert (seen.outcome, "printed more than" in seen.message) == (Outcome.ERROR, True)


@needs_bubblewrap
def test_memory_and_processes_are_limited(lab: Path, access: Access) -> None:
    seen = _run(lab, access, "x = bytearray(8 << 30)", first="#!/usr/bin/env python3")
    assert (seen.outcome, "MemoryError" in seen.message) == (Outcome.FAILED, True)
    assert _run(lab, access, "grep processes /proc/self/limits").message.split()[2:4] == ["256", "256"]


@needs_bubblewrap
def test_what_cannot_be_started_is_our_fault(lab: Path, access: Access) -> None:
    seen = _run(lab, access, "true", first="#!/no/such/program")
    assert seen.outcome is Outcome.ERROR
    assert "check.sh could not be started" in seen.message
    (lab / "check.sh").unlink()
    gone = script.run(script.Script(lab, "check.sh", "shop", "ada", {}), access)
    assert gone.outcome is Outcome.ERROR


def test_without_bubblewrap(lab: Path, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = _run(lab, access, "true")
    assert seen.outcome is Outcome.ERROR
    assert "apt-get install bubblewrap" in seen.message


def test_a_sandbox_that_may_not_start(
    lab: Path, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuses = tmp_path / "bin" / "bwrap"
    refuses.parent.mkdir()
    refuses.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refuses.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refuses.parent}:/usr/bin:/bin")
    seen = _run(lab, access, "true")
    assert seen.outcome is Outcome.ERROR
    assert "No permissions to create new namespace" in seen.message


def _ask(path: Path, request: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
            if b"\r\n\r\n" in answer and b"Connection: close" not in answer:
                break
        return answer.decode()


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /api/v1/namespaces",
        "DELETE /api/v1/namespaces/shop",
        "PATCH /api/v1/namespaces/shop",
        "GET /api/v1/namespaces/shop/pods/web/exec?command=id",
        "GET /api/v1/namespaces/shop/pods/web/%65xec?command=id",
        "GET /api/v1/nodes/n1/proxy/run",
        "GET http://example.com/",
    ],
)
def test_only_reading_passes_the_gate(server: FakeApiServer, access: Access, tmp_path: Path, request_line: str) -> None:
    with gate(access, tmp_path / "api"):
        assert "405" in _ask(tmp_path / "api", request_line).splitlines()[0]
    assert server.requests == []


def test_the_gate_tells_of_a_server_that_is_gone(server: FakeApiServer, access: Access, tmp_path: Path) -> None:
    server.die()
    with gate(access, tmp_path / "api"):
        assert "502" in _ask(tmp_path / "api", "GET /version").splitlines()[0]
