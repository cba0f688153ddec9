"""What a student's sandbox is made of: the arguments of bubblewrap.

Nothing is there but what is named here: the system's programs, the Python environment, the home, and the folder that
the platform hands in. As root each student has a user id of their own, to which the sandbox's first process changes;
as another user, who cannot give such ids, the sandbox is a user namespace.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webapp.workspaces.limits import Limits
from webapp.workspaces.places import Place, write

# The first student's user id is the one after it. Login ids end at 60000, and systemd's containers begin at 524288.
FIRST_UID = 200_000
HOME = "/home/student"
# Inside: the notebook server's port. It lies below those that API servers get.
PORT = 8888
HUB_API = "http://127.0.0.1:8081/hub/api"
INSIDE = Path(__file__).resolve().parent / "inside"
# Files of /etc that programs need, and that tell nothing about anybody.
ETC = (
    "alternatives", "ca-certificates", "debian_version", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "mime.types", "os-release", "profile", "protocols", "services", "shells", "ssl/certs", "ssl/openssl.cnf",
    "terminfo", "timezone", "vim", "bash_completion.d",
)  # fmt: skip
LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox to be started. `programs` are further files, by the names that they get in PATH."""

    place: Place
    limits: Limits
    uid: int
    image: Path | None = None
    programs: dict[str, Path] = field(default_factory=dict)
    hidden: tuple[Path, ...] = ()
    own_uid: bool = field(default_factory=lambda: os.geteuid() == 0)

    def arguments(self, *, info: int, seccomp: int, command: Sequence[str]) -> list[str]:
        """The arguments of bwrap. It writes its child's pid to the descriptor `info`, and reads the filter from
        `seccomp`. `command` replaces the sandbox's first process."""
        return [
            "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
            *([] if self.own_uid else ["--unshare-user"]),
            "--new-session", "--as-pid-1", "--hostname", "workspace",
            "--info-fd", str(info), "--seccomp", str(seccomp),
            *self._capabilities(), *self._system(), *_parents(), *self._python(), *self._etc(), *self._own(),
            "--symlink", "/tmp", "/var/tmp",  # noqa: S108
            *(part for path in self._covered() for part in ("--tmpfs", str(path), "--remount-ro", str(path))),
            "--remount-ro", "/dev", "--remount-ro", "/",
            "--chdir", "/", "--", *self._change_user(), *command,
        ]  # fmt: skip

    def _capabilities(self) -> list[str]:
        """What is needed to become the student, and nothing to be anybody else afterwards."""
        kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP") if self.own_uid else ()
        return ["--cap-drop", "ALL", *(part for name in kept for part in ("--cap-add", name))]

    def _change_user(self) -> list[str]:
        if not self.own_uid:
            return []
        uid = str(self.uid)
        return [
            "/usr/bin/setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--no-new-privs",
            "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--",
        ]  # fmt: skip

    def _system(self) -> list[str]:
        found = ["--ro-bind", "/usr", "/usr"]
        for name in LINKS:
            path = Path("/", name)
            if path.is_symlink():
                found += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                found += ["--ro-bind", str(path), str(path)]
        small, shared = str(self.limits.temporary), str(self.limits.shared_memory)
        return [
            *found, "--proc", "/proc", "--dev", "/dev",
            "--perms", "1777", "--size", shared, "--tmpfs", "/dev/shm",  # noqa: S108
            "--perms", "1777", "--size", small, "--tmpfs", "/tmp",  # noqa: S108
        ]  # fmt: skip

    def _python(self) -> list[str]:
        """The environment that the platform runs in, and the interpreter behind it."""
        return [part for path in _prefixes() for part in ("--ro-bind", str(path), str(path))]

    def _etc(self) -> list[str]:
        found: list[str] = []
        for name in ETC:
            found += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        for path in ("passwd", "group", "hosts", "nsswitch.conf"):
            found += ["--ro-bind", str(self.place.etc / path), f"/etc/{path}"]
        found += ["--ro-bind", str(INSIDE), "/etc/seatrial", "--ro-bind", str(INSIDE / "ipython"), "/etc/ipython"]
        for name, program in self.programs.items():
            found += ["--ro-bind", str(program), f"/opt/seatrial/bin/{name}"]
        return found

    def _own(self) -> list[str]:
        return ["--bind", str(home(self.place)), HOME, "--ro-bind", str(self.place.shared), "/run/seatrial"]

    def _covered(self) -> list[Path]:
        """What must not be seen, and lies within what is shown."""
        shown = [Path("/usr"), *_prefixes(), INSIDE]
        return sorted({path for path in self.hidden if path.is_dir() and any(path.is_relative_to(s) for s in shown)})


def home(place: Place) -> Path:
    """The student's home on the machine, once it is mounted where it is an image."""
    return place.home / "student" if place.image.exists() else place.home


def environment(hub: dict[str, str], *, prefix: str = sys.prefix) -> dict[str, str]:
    """Every variable that there is inside. `hub` is what the Hub gives the student's own server, `prefix` Python's."""
    bins = ["/opt/seatrial/bin", f"{prefix}/bin", "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        **hub,
        "PATH": ":".join(bins),
        "HOME": HOME,
        "USER": "student",
        "LOGNAME": "student",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "TMPDIR": "/tmp",  # noqa: S108
        "JUPYTER_CONFIG_PATH": "/etc/seatrial/jupyter",
        "JUPYTER_RUNTIME_DIR": "/tmp/.jupyter",  # noqa: S108
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEATRIAL_WORKSPACE": "1",
    }


def _prefixes() -> list[Path]:
    """The folders of Python that are not the system's, each but once."""
    found: list[Path] = []
    for prefix in (sys.base_prefix, sys.exec_prefix, sys.prefix):
        path = Path(prefix)
        if not any(path.is_relative_to(other) for other in (Path("/usr"), *found)):
            found.append(path)
    return found


def _parents() -> list[str]:
    """The folders above what is shown; /tmp may be one. Left to itself bubblewrap makes them for root alone."""
    shown = [Path(HOME), Path("/run/seatrial"), Path("/opt/seatrial/bin/any"), Path("/etc/ssl/any"), Path("/var/tmp")]  # noqa: S108
    above = {parent for path in [*shown, *_prefixes()] for parent in path.parents} - {Path("/"), Path("/tmp")}  # noqa: S108
    return [part for path in sorted(above) for part in ("--perms", "0755", "--dir", str(path))]


def first_process(listening: int, command: Sequence[str]) -> list[str]:
    """The relay within, which starts `command`, the notebook server."""
    relay = [sys.executable, "-I", "-S", "/etc/seatrial/relay.py", str(listening), str(PORT)]
    return [*relay, *command]


def write_etc(place: Place, uid: int) -> None:
    """Write the sandbox's own user database: root, the student, nobody."""
    users = f"root:x:0:0:root:/root:/usr/sbin/nologin\nstudent:x:{uid}:{uid}:student:{HOME}:/bin/bash\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    groups = f"root:x:0:\nstudent:x:{uid}:\nnogroup:x:65534:\n"
    hosts = "127.0.0.1 localhost workspace\n::1 localhost\n"
    names = "passwd: files\ngroup: files\nhosts: files\n"
    for name, text in {"passwd": users + nobody, "group": groups, "hosts": hosts, "nsswitch.conf": names}.items():
        write(place.etc / name, text, 0o644)
