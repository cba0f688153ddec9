"""Run a lab's script in a sandbox (bubblewrap): it reads the lab's folder and, through a gate, the cluster.

Beside the sandbox's own programs this is the only place of the grader that starts a process.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.collect import sandbox_guest
from grader.collect.access import Access
from grader.collect.gate import gate
from grader.model import Observation, Outcome

# Seconds that a script may take, and bytes that it may print.
TIME_LIMIT = 30.0
OUTPUT_LIMIT = 1 << 20
# What a program of the system needs beside /usr; whatever of it there is.
_SYSTEM = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/nix/store")


@dataclass(frozen=True, slots=True)
class Script:
    """What to run: a program of the lab's folder, the namespace it is about, and the parameters drawn."""

    folder: Path
    program: str
    namespace: str
    student: str
    params: Mapping[str, object]
    time_limit: float = TIME_LIMIT


def run(script: Script, access: Access) -> Observation:
    """Run it to its end. Exit code 0 is passed, any other failed; the last line printed is the message.

    error: there is no sandbox, the program cannot be started, takes too long or prints too much.
    """
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        return _error(
            "Checks by script need bubblewrap (bwrap); install it, for example with `apt-get install bubblewrap`."
        )
    with tempfile.TemporaryDirectory(prefix="seatrial-script-") as folder:
        socket = Path(folder) / "api"
        with gate(access, socket):
            return _observe(script, _Sandbox(bubblewrap, socket, _kubectl(access)))


def _kubectl(access: Access) -> Path | None:
    found = access.kubectl or shutil.which("kubectl")
    return Path(found).resolve() if found else None


@dataclass(frozen=True, slots=True)
class _Sandbox:
    bubblewrap: str
    socket: Path
    kubectl: Path | None

    def argv(self, script: Script, status: int) -> list[str]:
        """The sandbox's whole command line."""
        python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        shown: list[str] = ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            if Path(f"/{name}").is_symlink():
                shown += ["--symlink", f"usr/{name}", f"/{name}"]
            elif Path(f"/{name}").exists():
                shown += ["--ro-bind", f"/{name}", f"/{name}"]
        for path in _SYSTEM:
            shown += ["--ro-bind-try", path, path]
        shown += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
        if not python.is_relative_to("/usr"):
            shown += ["--ro-bind", sys.base_prefix, sys.base_prefix]
        guest = sandbox_guest.__file__
        shown += ["--ro-bind", guest, "/run/guest.py", "--ro-bind", str(self.socket), "/run/api"]
        shown += ["--ro-bind", str(script.folder.resolve()), "/lab", "--chdir", "/lab"]
        if self.kubectl is not None:
            shown += ["--ro-bind", str(self.kubectl), "/run/bin/kubectl"]
        for name, value in _environment(script).items():
            shown += ["--setenv", name, value]
        alone = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
        inside = [
            str(python),
            "-I",
            "/run/guest.py",
            "/run/api",
            script.namespace,
            str(status),
            f"/lab/{script.program}",
        ]
        return [self.bubblewrap, *alone, *shown, "--remount-ro", "/", "--", *inside]


def _environment(script: Script) -> dict[str, str]:
    """NAMESPACE, STUDENT, KUBECONFIG, and PARAM_PORT for the parameter `port`."""
    params = {
        "PARAM_" + re.sub(r"\W", "_", name, flags=re.ASCII).upper(): value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in script.params.items()
    }
    fixed = {"HOME": "/tmp", "KUBECONFIG": "/tmp/kubeconfig", "LANG": "C.UTF-8", "PATH": "/run/bin:/usr/bin:/bin"}  # noqa: S108
    return {**params, **fixed, "NAMESPACE": script.namespace, "STUDENT": script.student}


def _observe(script: Script, sandbox: _Sandbox) -> Observation:
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            sandbox.argv(script, writing),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[writing],
            start_new_session=True,
        )
    except OSError as fault:
        return _error(f"The sandbox of {script.program} could not be started ({fault.strerror}).")
    finally:
        os.close(writing)
    try:
        with open(reading, "rb") as status:  # noqa: PTH123 - a descriptor, not a path
            output, trouble = _drain(process, time.monotonic() + script.time_limit)
            if trouble:
                return _error(f"The script {script.program} {trouble.format(limit=script.time_limit)}.")
            return _judged(script, output, status.read().decode())
    finally:
        _end(process)


_TOO_LONG = "was not done after {limit:g} s and was ended"


def _drain(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, str]:
    """What it prints until it ends (its errors where there is nothing else), and what is wrong with it, if anything."""
    said: dict[str, bytes] = {"out": b"", "err": b""}
    with selectors.DefaultSelector() as ready:
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            assert pipe is not None  # noqa: S101 - pipes were asked for
            ready.register(pipe, selectors.EVENT_READ, name)
        while ready.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in ready.select(left):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    ready.unregister(key.fileobj)
                said[key.data] += chunk
            if sum(map(len, said.values())) > OUTPUT_LIMIT:
                return b"", f"printed more than {OUTPUT_LIMIT >> 20} MiB and was ended"
    try:  # it may have closed its output and gone on
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return b"", _TOO_LONG
    return said["out"].strip() or said["err"], ""


def _judged(script: Script, output: bytes, status: str) -> Observation:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    ended = re.search(r"^exited (-?\d+)$", status, re.MULTILINE)
    if "started" not in status:
        return _error(f"The script {script.program} could not be started: {last or 'the sandbox gave no reason'}.")
    if ended is None:
        return _error(f"The script {script.program} was ended from outside.")
    code = int(ended[1])
    if code == 0:
        return Observation(Outcome.PASSED, last or f"The script {script.program} is content.", {"exit_code": 0})
    return Observation(
        Outcome.FAILED, last or f"The script {script.program} ended with exit code {code}.", {"exit_code": code}
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the sandbox and with it everything inside: its processes have a PID namespace that dies with the first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _error(message: str) -> Observation:
    return Observation(Outcome.ERROR, message)
