"""A container engine that holds names of images and nothing else: a `docker` command that answers from a folder."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/sh
here="{folder}"
echo "$*" >> "$here/asked"
if [ -e "$here/fault" ]; then cat "$here/fault" >&2; exit 1; fi
last=; for each in "$@"; do last=$each; done
case "$1 $2" in
"version --format") echo 20.10.24;;
"image inspect")
    grep -qxF "$last" "$here/images" || {{ echo "Error: No such image: $last" >&2; exit 1; }}
    echo "sha256:0123456789abcdef";;
"manifest inspect") grep -qxF "$last" "$here/registry" || {{ echo "no such manifest" >&2; exit 1; }};;
"pull "*)
    if [ -e "$here/full" ]; then echo "write /var/lib/docker: no space left on device" >&2; exit 1; fi
    grep -qxF "$last" "$here/registry" || {{ echo "manifest for $last not found" >&2; exit 1; }}
    echo "$last" >> "$here/images";;
"save --output")
    [ -e "$3" ] && {{ echo "$3 is there" >&2; exit 1; }}
    for word in images: 1 2 3; do echo "$word" >> "$3"; done;;
"load "*)
    grep -q ^images: "$last" || {{ echo "unexpected EOF" >&2; exit 1; }}
    echo "Loaded image: {prefix}nginx:1.27";;
"tag "*) echo "$last" >> "$here/images";;
"untag "*) ;;
"ps "*) ;;
"network "*) ;;
*) echo "the fake engine does not know: $*" >&2; exit 1;;
esac
"""


class FakeEngine:
    """The command, in a folder of PATH, with what it knows beside it."""

    def __init__(self, place: Path, name: str = "docker") -> None:
        """It answers, and has nothing."""
        self.folder = place / f".{name}"
        self.folder.mkdir(exist_ok=True)
        for file in ("images", "registry", "asked"):
            (self.folder / file).touch()
        command = place / name
        command.write_text(SCRIPT.format(folder=self.folder, prefix="localhost/" if name == "podman" else ""))
        command.chmod(0o755)

    def _fails(self, said: str) -> None:
        (self.folder / "fault").write_text(said)

    def denied(self) -> None:
        """From now on the user may not speak to it."""
        self._fails(
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\n"
        )

    def gone(self) -> None:
        """From now on nobody is there."""
        self._fails(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
        )

    def has(self, image: str) -> None:
        """An image is on the machine."""
        with (self.folder / "images").open("a") as file:
            file.write(f"{image}\n")

    def registry_has(self, image: str) -> None:
        """An image can be pulled."""
        with (self.folder / "registry").open("a") as file:
            file.write(f"{image}\n")

    def full(self) -> None:
        """From now on its disk takes nothing."""
        (self.folder / "full").touch()

    def asked(self) -> list[str]:
        """Every command that it was given."""
        return (self.folder / "asked").read_text().splitlines()
