"""Doing a lab as a student would: manifests and scripts, with the student's kubeconfig and rights."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clusters.exec import CommandError, run
from clusters.kubectl import NoServer, kubectl
from clusters.tools import program
from grader.labfile import Manifest, Script, Solution, Wrong
from grader.model import GraderError
from proving.start import documents

# How long one script may take, in seconds: some wait for rollouts and for an autoscaler.
SCRIPT_PATIENCE = 180.0


class WorkRefused(GraderError):
    """What a solution or a known mistake does was refused; the text is what the API server or the script said."""


def solve(solution: Solution, kubeconfig: Path) -> None:
    """Apply a solution. `kubeconfig` is the student's, its default namespace the lab's. Raises WorkRefused."""
    _apply(solution.manifests, kubeconfig)
    _script(solution.script, kubeconfig)


def err(wrong: Wrong, kubeconfig: Path) -> None:
    """Make a known mistake, on whatever stands there. Raises WorkRefused."""
    if wrong.delete:
        _refusable(kubeconfig, "delete", *wrong.delete, "--grace-period=1")
    _apply(wrong.manifests, kubeconfig)
    _script(wrong.script, kubeconfig)


def _apply(manifests: Sequence[Manifest], kubeconfig: Path) -> None:
    if manifests:
        _refusable(kubeconfig, "apply", "--filename=-", stdin=documents(manifests))


def _refusable(kubeconfig: Path, *args: str, stdin: str | None = None) -> None:
    try:
        kubectl(kubeconfig, *args, stdin=stdin)
    except NoServer:
        raise
    except CommandError as fault:
        raise WorkRefused(f"`kubectl {args[0]}` as the student: {_said(fault)}") from fault


def _script(script: Script | None, kubeconfig: Path) -> None:
    """Run a script with bash, in its folder, with the pinned kubectl first on PATH."""
    if script is None:
        return
    path = os.pathsep.join([str(program("kubectl").parent), os.environ.get("PATH", os.defpath)])
    with tempfile.NamedTemporaryFile("w", suffix=".sh", prefix="seatrial-") as file:
        file.write(script.text)
        file.flush()
        env = {"KUBECONFIG": str(kubeconfig), "PATH": path}
        try:
            run(["bash", file.name], timeout=SCRIPT_PATIENCE, env=env, cwd=script.path.parent)
        except CommandError as fault:
            how = (
                f"took more than {SCRIPT_PATIENCE:.0f} s"
                if fault.code is None
                else f"ended with exit code {fault.code}"
            )
            raise WorkRefused(f"{script.path.name} {how}: {_said(fault)}") from fault


def _said(fault: CommandError) -> str:
    lines = [line.strip() for line in fault.output.strip().splitlines() if line.strip()]
    return " / ".join(lines[-4:]) or "it printed nothing"
