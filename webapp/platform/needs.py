"""What the portal needs of this machine, beside what clusters need, and the one command that mends each."""

from __future__ import annotations

import shutil
from pathlib import Path

from clusters.tools import cache, node
from clusters.tools.doctor import Finding, package
from webapp.errors import PortalError
from webapp.settings import CLUSTER, Settings
from webapp.workspaces import bare, keeping, programs

FEATURE, WORKSPACES = "the portal", "workspaces"
# What the platform's own processes and one workspace take, in bytes.
PLATFORM_MEMORY = 600 * 1024**2
# What students find in their terminals where the machine has it, and the packages that bring it.
INSIDE = {"jq": "jq", "vim": "vim", "nano": "nano", "git": "git", "curl": "curl"}
COMPLETION = Path("/usr/share/bash-completion/bash_completion")


def examine() -> list[Finding]:
    """Every need of the portal's own. Nothing outside this machine is asked."""
    return [_node(), _sandbox(), _memory(), _inside()]


def _node() -> Finding:
    found = node.find(cache.folder())
    need = f"Node {node.minimum()} or newer, with npm"
    if found:
        return Finding(need, FEATURE, "ok", str(found.program), package("nodejs npm"))
    return Finding(need, FEATURE, "optional", f"not on PATH; {node.wheel()} takes its place", package("nodejs npm"))


def _sandbox() -> Finding:
    fault = sandbox_fault()
    program = shutil.which("bwrap")
    mend = package("bubblewrap") if program is None else "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    if fault:
        return Finding("a sandbox (bubblewrap)", "workspaces of strangers", "optional", fault, mend)
    return Finding("a sandbox (bubblewrap)", "workspaces of strangers", "ok", str(program), mend)


def _inside() -> Finding:
    lacking = [name for name in INSIDE if shutil.which(name) is None]
    packages = [INSIDE[name] for name in lacking]
    if not COMPLETION.is_file():
        lacking.append("bash-completion")
        packages.append("bash-completion")
    need, feature = "what students use in a terminal", WORKSPACES
    mend = package(" ".join(packages or [*INSIDE.values(), "bash-completion"]))
    if lacking:
        return Finding(need, feature, "optional", f"not here: {', '.join(lacking)}", mend)
    return Finding(need, feature, "ok", ", ".join([*INSIDE, "bash-completion"]), mend)


def _memory() -> Finding:
    lines = Path("/proc/meminfo").read_text().splitlines()
    line = next(line for line in lines if line.startswith("MemAvailable:"))
    free = int(line.split()[1]) * 1024
    fine = free >= PLATFORM_MEMORY + CLUSTER
    mend = "seatrial cluster list  # and stop one that you do not use"
    return Finding("memory", FEATURE, "ok" if fine else "missing", f"{free / 1e9:.1f} GB available", mend)


def sandbox_fault() -> str | None:
    """Why no sandbox can be made here, in a few words, or None."""
    return programs.sandbox_fault()


def refuse_strangers(settings: Settings) -> None:
    """Without a sandbox the portal is for this machine alone. Raises PortalError where it would listen elsewhere."""
    fault = sandbox_fault()
    if fault is None or bare.loopback(settings.host) or keeping.in_containers(settings):
        return
    raise PortalError(
        f"SEATRIAL_HOST is {settings.host}, and there is no working sandbox: {fault}. Students would have your own "
        f"rights on this machine; mend the sandbox (`seatrial status` says how), or leave SEATRIAL_HOST at 127.0.0.1"
    )
