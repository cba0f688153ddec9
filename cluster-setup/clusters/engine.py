"""The container engine of this machine: Docker where it answers, else Podman, which takes the same commands."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import ClusterError, PermanentError, TransientError
from clusters.exec import CommandError, Completed, run

# The engines, in the order in which they are asked.
ENGINES = ("docker", "podman")
# Seconds within which an engine that works answers.
ANSWERS_WITHIN = 10.0
# Seconds within which it knows whether it has an image, on a machine that is busy too.
INSPECTS_WITHIN = 60.0
FULL = "no space left on device"
# What the clients say where they may not speak to the engine, and where there is none to speak to.
_FORBIDDEN = re.compile(r"permission denied", re.IGNORECASE)
_ABSENT = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon running|connection refused|no such file or directory"
    r"|unable to connect to podman|error during connect|unexpected EOF$|EOF$|connection reset",
    re.IGNORECASE,
)
# What they say of an image that is not there.
_UNKNOWN = re.compile(r"no such (image|object)|image not known|unable to find", re.IGNORECASE)


class EngineError(PermanentError):
    """No container engine can be used here until somebody acts."""


class EngineGone(TransientError):
    """The engine answered before and does not any more."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine: its name, which is also its command, and where that is."""

    name: str
    program: Path

    def run(self, *args: str | Path, timeout: float) -> Completed:
        """Run one of its commands; `timeout` is in seconds.

        Raises PermanentError for a full disk, EngineGone where it does not answer (any more), and CommandError for any
        other failure, in its own words.
        """
        try:
            return run([self.program, *args], timeout=timeout)
        except CommandError as fault:
            raise self.told(fault) from fault

    def told(self, fault: CommandError) -> ClusterError:
        """The error to raise for a command that spoke to the engine and failed."""
        said = fault.output.strip()
        if FULL in said:
            return PermanentError(
                f"the disk of {self.name} is full: free some (`{self.name} system df` shows what is on it)"
            )
        if fault.code is not None and _ABSENT.search(said) and not self.answers():
            return EngineGone(
                f"{self.name} does not answer any more; start it again (`{_start(self.name)}`) and repeat this",
                retry_after=5.0,
            )
        return fault

    def load(self, file: Path, *, timeout: float) -> list[str]:
        """Take the images of a file (`docker save`); their names. Raises as `run` does.

        Podman puts names without a registry under `localhost`; here they mean what they mean to Docker.
        """
        said = self.run("load", "--input", file, timeout=timeout).stdout
        names = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("Loaded image")]
        meant = [name.removeprefix("localhost/") for name in names] if self.name == "podman" else names
        for name, short in zip(names, meant, strict=True):
            if name != short:
                self.run("tag", name, full(short), timeout=timeout)
                self.run("untag", name, name, timeout=timeout)
        return meant

    def answers(self) -> bool:
        """Whether the engine itself answers, not only its client."""
        return _fault(self) is None

    def has(self, image: str) -> bool:
        """Whether an image is on this machine."""
        return self.image_id(image) is not None

    def image_id(self, image: str) -> str | None:
        """The digest of an image's configuration, "sha256:…"; None where it is not on this machine. Raises as `run`
        does."""
        try:
            said = self.run("image", "inspect", "--format", "{{.Id}}", image, timeout=INSPECTS_WITHIN).stdout.strip()
        except CommandError as fault:
            if fault.code is None:
                raise EngineGone(
                    f"{self.name} does not say within {INSPECTS_WITHIN:.0f} s whether it has {image}; "
                    "the machine may be too busy, try again"
                ) from fault
            if not _UNKNOWN.search(fault.output):
                raise
            return None
        return said if said.startswith("sha256:") else f"sha256:{said}"


def full(reference: str) -> str:
    """A name as containerd has it: "nginx:1.27" is "docker.io/library/nginx:1.27"."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    if not named:
        reference = f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def find(only: str = "") -> Engine:
    """The engine that answers, or the one of that name. Raises EngineError, which says what is wrong with the first
    that there is."""
    faults = []
    for name in (only,) if only else ENGINES:
        path = shutil.which(name)
        if path is None:
            continue
        engine = Engine(name, Path(path))
        fault = _fault(engine)
        if fault is None:
            return engine
        faults.append(fault)
    if faults:
        raise EngineError(faults[0])
    if only:
        raise EngineError(f"{only} is not on PATH, and what is asked for is kept by it; install it again")
    raise EngineError(
        "neither docker nor podman is on PATH, and clusters of the provider kind are made of containers; "
        "install one of them, or take --provider kwok, which needs none"
    )


def _fault(engine: Engine) -> str | None:
    """Why an engine cannot be used, or None where it answers."""
    try:
        run([engine.program, "version", "--format", "{{.Server.Version}}"], timeout=ANSWERS_WITHIN)
    except CommandError as fault:
        if fault.code is None:
            return f"{engine.name} does not answer within {ANSWERS_WITHIN:.0f} s; is the machine too busy? Try again"
        if _FORBIDDEN.search(fault.output):
            return (
                f"{engine.name} runs, but you may not use it: `sudo usermod -aG {engine.name} $USER` and sign in anew, "
                "or take --provider kwok, which needs none"
            )
        if _ABSENT.search(fault.output):
            return f"{engine.name} is installed but does not run; start it with `{_start(engine.name)}`"
        return f"{engine.name} cannot be used: {fault.last_line}"
    return None


def _start(name: str) -> str:
    return "sudo systemctl start docker" if name == "docker" else "systemctl --user start podman.socket"
