"""A machine of fakes, on which the provisioning script is run, and what is skipped where Vagrant is not."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "cluster-setup" / "vagrant" / "provision.sh"
# What the script needs of any machine, and may have of this one: nothing here changes it.
HARMLESS = ("cut", "env", "grep", "paste", "sed")
# Every other program writes down how it was called. `$MACHINE` is the folder of what the machine remembers.
FAKES = {
    "apt-get": """
        [ ! -e "$MACHINE/no-network" ] || { echo "E: Unable to fetch some archives" >&2; exit 100; }
        [ "$1" = install ] || exit 0
        for word in "$@"; do case $word in install | -* | *=*) ;; *) echo "$word" >>"$MACHINE/installed" ;; esac; done
    """,
    "docker": '[ -e "$MACHINE/engine" ]',
    "dpkg-query": 'for package in "$@"; do :; done; grep -qx "$package" "$MACHINE/installed" && echo installed',
    "getent": '[ "$2" = "$NAME" ] && echo "$2:x:1000:1000::$MACHINE/home:/bin/sh"',
    "id": 'case $1 in -u) echo "$UID_HERE" ;; *) echo "$GROUP" ;; esac',
    "rsync": 'exec "$RSYNC" "$@"',
    "runuser": """
        env | grep ^SEATRIAL_ >>"$MACHINE/settings"
        case $* in *"images pull") [ ! -e "$MACHINE/no-registry" ] || exit 3 ;; esac
    """,
    "systemctl": "",
    "usermod": "",
}


def lacking(reason: str) -> NoReturn:
    """Skip the test for this reason; fail it where SEATRIAL_REQUIRE names `vagrant`."""
    if "vagrant" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
        pytest.fail(f"Vagrant and what checks its script are required here: {reason}")
    pytest.skip(reason)


def needed(program: str) -> str:
    """The path of a program of this machine; skips or fails where there is none."""
    found = shutil.which(program)
    return found or lacking(f"there is no {program} on PATH")


@dataclass
class Machine:
    """A Debian of fakes: nothing that is installed, started or given in it is so on this machine."""

    folder: Path
    source: Path
    environment: dict[str, str]

    @property
    def place(self) -> Path:
        """Where the portal's source comes to lie."""
        return self.folder / "home" / "seatrial"

    def provision(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the script, by default with this machine's source and user."""
        given = words or (str(self.source), self.environment["NAME"])
        environment = {**self.environment, **settings}
        argv = ["/bin/sh", str(SCRIPT), *given]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def calls(self) -> list[str]:
        """What was called since the last time that this was asked, each with its words."""
        log = self.folder / "calls"
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def asked_of_the_user(self) -> list[str]:
        """As `calls`, but only what was run as the user, without the change into the folder."""
        return [one.split(" && ", 1)[1] for one in self.calls() if one.startswith("runuser ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which nothing is installed, and a source to bring there."""
    rsync = needed("rsync")
    folder, programs, source = tmp_path / "machine", tmp_path / "programs", tmp_path / "source"
    for each in (folder / "home", programs, source):
        each.mkdir(parents=True)
    (folder / "installed").touch()
    for name in HARMLESS:
        (programs / name).symlink_to(needed(name))
    for name, does in FAKES.items():
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"$MACHINE/calls"\n{does}\n')
        (programs / name).chmod(0o755)
    (source / "seatrial.py").write_text("first\n")
    (source / ".gitignore").write_text((CHECKOUT / ".gitignore").read_text())
    environment = {
        "PATH": str(programs),
        "MACHINE": str(folder),
        "RSYNC": rsync,
        "UID_HERE": "0",
        # Whom files may be given to without being root: oneself.
        "NAME": pwd.getpwuid(os.getuid()).pw_name,
        "GROUP": grp.getgrgid(os.getgid()).gr_name,
    }
    return Machine(folder, source, environment)
