"""A cluster's containers and its network: made by kind, looked at and removed here, so that removal needs no program
but the
engine."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import time
from pathlib import Path

from clusters.engine import Engine
from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.exec import CommandError, run
from clusters.kind import drivers
from clusters.kind.config import PODS
from clusters.kind.layout import LABEL, Layout
from clusters.tools import program

# Seconds for making all nodes and starting Kubernetes on them, for ending them in order, and for anything else.
CREATE_TIMEOUT, STOP_TIMEOUT, COMMAND_TIMEOUT = 600.0, 120.0, 60.0
# How long a node may take to end before it is killed, in seconds.
GRACE = 10
# Where the clusters' networks lie, and how many addresses each has: engines give every network 65,536 of their own
# choice, of which
# there are thirty.
SPACE, PREFIX = ipaddress.ip_network("10.213.0.0/16"), 28
# How often another network is drawn where one is taken.
DRAWS = 20
# The pause before a removal is begun again that something came in between of, in seconds.
REMOVALS_PAUSE = 0.5
NODE_FILES = Path(__file__).parent / "node"
UNITS = ("fence", "exchange")
# What a node may use. A student's command whose output nobody reads once filled 22 GB of an API server's memory.
MEMORY = "4g"
STARTED_AT_ONCE = (
    "for u in $UNITS; do systemctl enable --quiet seatrial-$u.service; done; systemctl start seatrial-fence.service"
)


def create(engine: Engine, layout: Layout, image: str) -> None:
    """Let kind make the nodes. Returns when the API server answers; nodes may not be ready yet. Raises ClusterError."""
    _network(engine, layout)
    environment = {
        "KIND_EXPERIMENTAL_PROVIDER": engine.name,
        f"KIND_EXPERIMENTAL_{engine.name.upper()}_NETWORK": layout.network,
    }
    argv: list[str | Path] = [program("kind"), "create", "cluster", "--name", layout.kind_name, "--image", image]
    argv += ["--config", layout.config, "--kubeconfig", layout.folder / "kind.kubeconfig"]
    try:
        run(argv, timeout=CREATE_TIMEOUT, env=environment)
    except CommandError as fault:
        raise _refused(engine, layout, fault) from fault


def _refused(engine: Engine, layout: Layout, fault: CommandError) -> ClusterError:
    told = engine.told(fault)
    if told is not fault:
        return told
    if fault.code is None:
        return TransientError(f"cluster {layout.name} did not start in time; the machine may be too busy, try again")
    said = [line for line in fault.output.splitlines() if line.startswith("ERROR: ")]
    last = said[-1].removeprefix("ERROR: ") if said else str(fault)
    if not engine.answers():
        return TransientError(
            f"{engine.name} ended while cluster {layout.name} was made; start it again and repeat this", retry_after=5.0
        )
    if "address already in use" in fault.output or "port is already allocated" in fault.output:
        return TransientError(f"another process took a port of cluster {layout.name} meanwhile; try again")
    return PermanentError(f"kind cannot make cluster {layout.name}: {last}")


def _network(engine: Engine, layout: Layout) -> None:
    """Make the cluster's network, of a few addresses that nobody has."""
    for left in reversed(range(DRAWS)):
        offset = secrets.randbelow(SPACE.num_addresses >> (32 - PREFIX)) << (32 - PREFIX)
        subnet = ipaddress.ip_network((int(SPACE.network_address) + offset, PREFIX))
        try:
            engine.run(
                "network", "create", "--driver", "bridge", "--subnet", str(subnet),
                "--label", f"{LABEL}={layout.kind_name}", layout.network, timeout=COMMAND_TIMEOUT,
            )  # fmt: skip
            return
        except CommandError as fault:
            taken = "overlap" in fault.output or "already used" in fault.output
            if not (taken and left):
                raise PermanentError(
                    f"{engine.name} cannot make a network for cluster {layout.name}: {fault.last_line}"
                ) from fault


def equip(engine: Engine, layout: Layout) -> None:
    """Limit each node, and lay into it what its Pods may reach and how a restored etcd is taken into use."""
    parts = []
    for unit in UNITS:
        for name, goal, mode in (
            (unit, f"/usr/local/bin/seatrial-{unit}", "0755"),
            (f"{unit}.service", f"/etc/systemd/system/seatrial-{unit}.service", "0644"),
        ):
            text = (NODE_FILES / name).read_text()
            parts.append(f"cat > {goal} <<'SEATRIAL_END'\n{text}SEATRIAL_END\nchmod {mode} {goal}\n")
    script = "set -e\n" + "".join(parts) + STARTED_AT_ONCE.replace("$UNITS", " ".join(UNITS))
    names = containers(engine, layout)
    for name in names:
        engine.run("exec", name, "sh", "-c", script, timeout=COMMAND_TIMEOUT)
    # Not every engine may limit memory (rootless, on cgroup v1).
    with contextlib.suppress(CommandError):
        engine.run("update", "--memory", MEMORY, "--memory-swap", MEMORY, *names, timeout=COMMAND_TIMEOUT)


def containers(engine: Engine, layout: Layout) -> list[str]:
    """The cluster's containers, whatever their state, the control plane first."""
    asked = ("--filter", f"label={LABEL}={layout.kind_name}", "--format", "{{.Names}}")
    found = engine.run("ps", "--all", *asked, timeout=COMMAND_TIMEOUT).stdout.split()
    return sorted(found, key=lambda name: (name != layout.control_plane, name))


def states(engine: Engine) -> dict[str, list[str]]:
    """The states of every kind cluster's containers ("running", "exited", …), by kind's name of the cluster."""
    asked = ("ps", "--all", "--filter", f"label={LABEL}", "--format")
    if engine.name == "docker":
        said = engine.run(*asked, f'{{{{.Label "{LABEL}"}}}} {{{{.State}}}}', timeout=COMMAND_TIMEOUT).stdout
        seen = [(name, state) for name, _, state in (line.partition(" ") for line in said.splitlines())]
    else:  # Podman's {{.State}} is a sentence.
        listed = json.loads(engine.run(*asked, "json", timeout=COMMAND_TIMEOUT).stdout)
        seen = [(one["Labels"][LABEL], one["State"]) for one in listed]
    found: dict[str, list[str]] = {}
    for name, state in seen:
        found.setdefault(name, []).append(state)
    return found


def routed(engine: Engine, layout: Layout) -> bool:
    """Whether each node knows the way to the Pods of every other one. Nodes are ready before they do."""
    names = containers(engine, layout)
    ways = ("ip", "-4", "route", "list", "root", PODS)
    return all(inside(engine, name, *ways).count(" via ") >= len(names) - 1 for name in names)


def stop(engine: Engine, layout: Layout) -> None:
    """End the containers in order; those that do not run are left as they are."""
    names = containers(engine, layout)
    if not names:
        return
    command = ("stop", "--time", str(GRACE), *reversed(names))
    try:
        engine.run(*command, timeout=STOP_TIMEOUT)
    except CommandError:
        _thaw(engine, names)
        engine.run(*command, timeout=STOP_TIMEOUT)


def start(engine: Engine, layout: Layout) -> bool:
    """Run the containers, one after another: so each gets the address that it had. False where all of them ran
    already."""
    if set(states(engine).get(layout.kind_name, ())) == {"running"}:
        return False
    for name in containers(engine, layout):
        engine.run("start", name, timeout=COMMAND_TIMEOUT)
    return True


def remove(engine: Engine, layout: Layout) -> None:
    """Remove containers, their volumes and the network. Nothing there is no fault. Raises ClusterError.

    Begun again until nothing is left: Docker does not know a container yet that it lists, while it fills its volumes;
    and one that was ordered before its kind was ended may come after our look.
    """
    drivers.end(layout)
    deadline = time.monotonic() + STOP_TIMEOUT
    while True:
        names, fault = containers(engine, layout), None
        try:
            if names:
                engine.run("rm", "--force", "--volumes", *names, timeout=STOP_TIMEOUT)
            if _has_network(engine, layout):
                engine.run("network", "rm", layout.network, timeout=COMMAND_TIMEOUT)
            if disks := _named_volumes(engine, layout):
                engine.run("volume", "rm", *disks, timeout=COMMAND_TIMEOUT)
        except CommandError as refused:
            fault = refused
            _thaw(engine, containers(engine, layout))
        if fault is None and not containers(engine, layout):
            return
        if time.monotonic() >= deadline:
            raise fault or TransientError(f"{engine.name} does not remove {', '.join(names)}; try again in a minute")
        time.sleep(REMOVALS_PAUSE)


def _thaw(engine: Engine, names: list[str]) -> None:
    """Let go what stands still in these containers, which no signal ends: on cgroup v1 runc holds a Pod's processes for
    a moment while it makes them, and where it is killed in that moment, for ever."""
    host = "--volume=/sys/fs/cgroup:/host"
    for name in names:
        with contextlib.suppress(CommandError):  # where there is nothing to let go
            shown = engine.run("inspect", "--format", "{{.Id}} {{.Image}}", name, timeout=COMMAND_TIMEOUT).stdout
            identity, image = shown.split()
            engine.run(
                "run", "--rm", "--privileged", "--network=none", host, "--entrypoint=find", image,
                "/host/freezer", "-path", f"*{identity}/*", "-name", "freezer.state",
                "-exec", "sh", "-c", 'echo THAWED > "$0"', "{}", ";", timeout=COMMAND_TIMEOUT,
            )  # fmt: skip


def _named_volumes(engine: Engine, layout: Layout) -> list[str]:
    """With Podman kind makes a node's volume itself, labelled with the node's name; Docker's go with the container."""
    if engine.name == "docker":
        return []
    listed = json.loads(engine.run("volume", "ls", "--format", "json", timeout=COMMAND_TIMEOUT).stdout or "[]")
    ours = f"{layout.kind_name}-"
    return [one["Name"] for one in listed if any(label.startswith(ours) for label in one.get("Labels") or {})]


def _has_network(engine: Engine, layout: Layout) -> bool:
    shown = ("--filter", f"name={layout.network}", "--format", "{{.Name}}")
    return layout.network in engine.run("network", "ls", *shown, timeout=COMMAND_TIMEOUT).stdout.split()


def inside(engine: Engine, name: str, *command: str, timeout: float = COMMAND_TIMEOUT) -> str:
    """Run a command in a node; what it printed. Raises CommandError."""
    return engine.run("exec", name, *command, timeout=timeout).stdout


def copy(engine: Engine, source: str | Path, goal: str | Path, timeout: float = CREATE_TIMEOUT) -> None:
    """Copy a file or folder from or to a node, written NODE:PATH there."""
    engine.run("cp", source, goal, timeout=timeout)
