"""What a sandbox is made of, without starting one."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.settings import from_environment
from webapp.workspaces import limits, places, processes, programs, sandbox, seccomp
from webapp.workspaces.hosting import address
from webapp.workspaces.sandbox import Sandbox
from webapp.workspaces.watchdog import memory


def box(tmp_path: Path, *, own_uid: bool, hidden: tuple[Path, ...] = ()) -> list[str]:
    made = Sandbox(places.of(tmp_path, 5), limits.LIMITS, 200005, None, {}, hidden, own_uid)
    return made.arguments(info=3, seccomp=4, command=["serve"])


def test_as_root_the_student_is_a_user_of_their_own_without_any_right(tmp_path: Path) -> None:
    arguments = box(tmp_path, own_uid=True)
    words = " ".join(arguments)
    assert "--unshare-user" not in arguments
    assert "--reuid 200005 --regid 200005 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all" in words
    assert words.endswith("-- serve")
    kept = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--cap-add"]
    assert set(kept) == {"CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"}


def test_as_another_user_the_sandbox_is_a_user_namespace(tmp_path: Path) -> None:
    arguments = box(tmp_path, own_uid=False)
    assert "--unshare-user" in arguments
    assert "--cap-add" not in arguments
    assert "/usr/bin/setpriv" not in arguments


def test_it_outlives_the_hub_and_has_no_network(tmp_path: Path) -> None:
    for own_uid in (True, False):
        arguments = box(tmp_path, own_uid=own_uid)
        assert "--die-with-parent" not in arguments
        assert "--share-net" not in arguments
        assert {"--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--new-session"} <= set(arguments)


def test_only_the_home_is_writable(tmp_path: Path) -> None:
    arguments = box(tmp_path, own_uid=True)
    writable = [arguments[at + 2] for at, word in enumerate(arguments) if word in ("--bind", "--dev-bind")]
    assert writable == [sandbox.HOME]
    assert [arguments[at + 1] for at, word in enumerate(arguments) if word == "--remount-ro"][-2:] == ["/dev", "/"]


def test_what_is_hidden_is_covered_where_it_would_be_seen(tmp_path: Path) -> None:
    shown, elsewhere = Path(sys.prefix, "lib"), tmp_path
    arguments = box(tmp_path, own_uid=True, hidden=(shown, elsewhere))
    covered = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--tmpfs"]
    assert str(shown) in covered
    assert str(elsewhere) not in covered


def test_the_installed_labs_are_hidden(tmp_path: Path) -> None:
    hidden = programs.hidden(from_environment({"SEATRIAL_DATA": str(tmp_path)}))
    assert any(path.name == "seatrial_data" for path in hidden)
    assert any(path.name == "labs" and path.is_dir() for path in hidden)
    assert tmp_path in hidden


def test_the_environment_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret")
    inside = sandbox.environment({"JUPYTERHUB_API_TOKEN": "own"})
    assert inside["JUPYTERHUB_API_TOKEN"] == "own"
    assert "secret" not in "".join(inside.values())
    assert inside["HOME"] == sandbox.HOME


def decided(program: bytes, number: int, *arguments: int, architecture: int = 0xC000003E) -> int:
    """Run a filter as the kernel does; the verdict."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *[*arguments, *[0] * 6][:6])
    data = struct.pack("<I", number & 0xFFFFFFFF) + data[4:]
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = value = 0
    while True:
        code, matches, differs, operand = steps[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x06:
            return operand
        else:
            taken = {0x15: value == operand, 0x45: bool(value & operand), 0x35: value >= operand}[code]
            at += matches if taken else differs


ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026


@pytest.mark.parametrize("column", [0, 1])
def test_the_filter_decides_for_either_machine(column: int) -> None:
    machine, architecture = list(seccomp.ARCHITECTURES.items())[column]
    program = seccomp.program(machine)

    def verdict(number: int, *arguments: int) -> int:
        return decided(program, number, *arguments, architecture=architecture)

    for numbers in seccomp.REFUSED.values():
        assert verdict(numbers[column]) == EPERM
    assert verdict(seccomp.CLONE3[column]) == ENOSYS
    clone, socket, ioctl = seccomp.CLONE[column], seccomp.SOCKET[column], seccomp.IOCTL[column]
    assert verdict(clone, 0x11) == verdict(clone, 0x3D0F00) == ALLOW  # a process, a thread
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(clone, bit | 0x11) == EPERM
    assert {verdict(socket, family) for family in seccomp.FAMILIES} == {ALLOW}
    assert {verdict(socket, family) for family in (0, 3, 17, 31, 38, 40, 45)} == {0x00050061}
    assert {verdict(ioctl, 0, request) for request in seccomp.PUSHED} == {EPERM}
    assert verdict(ioctl, 0, 0x5401) == ALLOW
    assert decided(program, 0, architecture=0x40000003) == 0x80000000


@given(st.integers(0, 600), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_filter_always_comes_to_an_end(number: int, first: int, second: int) -> None:
    known = {ALLOW, EPERM, ENOSYS, 0x00050061, 0x80000000}
    for machine, architecture in seccomp.ARCHITECTURES.items():
        assert decided(seccomp.program(machine), number, first, second, architecture=architecture) in known


def test_a_machine_that_the_filter_was_not_written_for() -> None:
    with pytest.raises(KeyError):
        seccomp.program("vax")


@given(st.text("abcXYZ/ %.-_é", min_size=1, max_size=60))
def test_a_sockets_address_survives_the_folding_of_case(text: str) -> None:
    from urllib.parse import unquote, urlsplit

    path = Path("/", text)
    url = address(path)
    assert unquote((urlsplit(url).hostname or "").lower()) == str(path)
    assert urlsplit(url + "/user/ada/").path == "/user/ada/"


def test_a_process_is_known_by_more_than_its_pid() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = processes.named(child.pid)
    assert found is not None
    assert found.alive()
    other = processes.Process(found.pid, found.start + 1, found.boot)
    assert not other.alive()
    assert not other.signal(signal.SIGKILL)
    assert not processes.Process(found.pid, found.start, "another boot").alive()
    assert processes.recorded(found.document()) == found
    assert processes.recorded({}) is None
    assert found.signal(signal.SIGKILL)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # It has ended, and nobody has collected it: the pid is still there.
    assert Path(f"/proc/{child.pid}").exists()
    assert not found.alive()
    child.wait()
    assert processes.named(child.pid) is None
    assert not found.signal(signal.SIGKILL)


def test_everything_below_a_process_is_counted() -> None:
    seen = {
        pid: processes.Stat(parent, 1, size)
        for pid, parent, size in ((1, 0, 9), (5, 1, 1), (6, 5, 2), (7, 6, 4), (8, 1, 8))
    }
    assert sorted(processes.below(5, seen)) == [5, 6, 7]
    assert memory(processes.below(5, seen), seen, 100) == 7
    assert processes.below(99, seen) == []


def test_limits_are_read_again_as_they_were_written() -> None:
    from dataclasses import asdict

    small = limits.Limits(memory=5, disk=6)
    assert limits.recorded({"limits": asdict(small)}) == small
    assert limits.recorded({}) == limits.LIMITS
    assert limits.recorded({"limits": {"memory": "much", "unknown": 1}}) == limits.LIMITS
