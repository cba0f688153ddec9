"""Attacks from inside a workspace on the kernel's other doors: processes, namespaces, devices, keyrings, terminals."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from tests.webapp.workspaces.conftest import Inside, until
from webapp.workspaces import processes

pytestmark = pytest.mark.portal

# Calls a system call by its number and prints the name of its fault, or "none".
CALL = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
got = libc.syscall({arguments})
print(errno.errorcode[ctypes.get_errno()] if got < 0 else "none")
"""


def call(inside: Inside, *arguments: object) -> str:
    return inside.python(CALL.format(arguments=", ".join(map(str, arguments)))).output.strip()


def test_no_process_of_the_machine_is_seen(ada: Inside, eve: Inside) -> None:
    seen = {int(pid) for pid in eve.run("ls /proc | grep -E '^[0-9]+$'").output.split()}
    assert len(seen) < 12
    told = eve.run("cat /proc/[0-9]*/cmdline").output
    for own in (sys.prefix, "/etc/seatrial/", "/run/seatrial/"):  # the workspace's own Python may lie anywhere
        told = told.replace(own, "")
    assert "seatrial" not in told
    assert "relay.py" in eve.run("tr '\\0' ' ' < /proc/1/cmdline").output


def test_no_process_of_the_machine_is_signalled_or_traced(ada: Inside, eve: Inside) -> None:
    for pid in (ada.process.pid, os.getpid()):
        assert eve.run(f"kill -9 {pid}").code != 0
        assert eve.run(f"cat /proc/{pid}/root/etc/shadow").code != 0
    assert ada.process.alive()
    assert call(eve, 101, 16, 1, 0, 0) == "EPERM"  # ptrace(PTRACE_ATTACH, 1)
    assert call(eve, 310, 1, 0, 0, 0, 0, 0) == "EPERM"  # process_vm_readv
    assert call(eve, 438, 0, 0, 0) == "EPERM"  # pidfd_getfd


def test_the_first_process_cannot_be_ended_from_within(eve: Inside) -> None:
    eve.run("kill -9 1; kill -STOP 1")
    assert eve.run("echo still here").output == "still here\n"


def test_no_capability_is_left(eve: Inside) -> None:
    told = eve.run("grep Cap /proc/self/status /proc/1/status").output
    if os.geteuid() == 0:
        assert {line.split()[1] for line in told.splitlines()} == {"0" * 16}
    else:
        assert {line.split()[1] for line in told.splitlines() if "CapBnd" not in line} == {"0" * 16}


def test_no_new_namespaces(eve: Inside) -> None:
    for flag in ("--user", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--user --map-root-user"):
        assert eve.run(f"unshare {flag} true").code != 0, flag
    assert eve.run("bwrap --ro-bind / / true").code != 0
    assert call(eve, 56, 0x10000000 | 17, 0, 0, 0, 0) == "EPERM"  # clone(CLONE_NEWUSER | SIGCHLD)
    assert call(eve, 435, 0, 0) == "ENOSYS"  # clone3, whose flags no filter can read
    assert call(eve, 308, 0, 0) == "EPERM"  # setns


def test_nothing_is_mounted(eve: Inside) -> None:
    assert eve.run("mount -t tmpfs none /tmp").code != 0
    assert eve.run("mount -o remount,rw /usr").code != 0
    assert eve.run("umount /run/seatrial").code != 0
    assert call(eve, 430, '"tmpfs".encode()', 0) == "EPERM"  # fsopen
    assert call(eve, 155, '"/".encode()', '"/".encode()') == "EPERM"  # pivot_root


def test_devices_are_the_harmless_ones(eve: Inside) -> None:
    # devices that are files of /dev/pts belong to the sandbox's own terminals
    listed = eve.run("find /dev -xdev \\( -type b -o -type c \\) -printf '%f '").output.split()
    shown = set(eve.run("ls /dev").output.split())
    assert set(listed) <= {"null", "zero", "full", "random", "urandom", "tty", "console"}
    links = {"core", "fd", "stdin", "stdout", "stderr", "shm", "pts", "ptmx"}
    # mqueue is a container's own, of the size that RLIMIT_MSGQUEUE gives
    assert shown <= {"null", "zero", "full", "random", "urandom", "tty", "console", "mqueue", *links}
    assert eve.run("mknod ~/disk b 254 0").code != 0
    assert eve.run("mknod /tmp/mem c 1 1").code != 0
    assert eve.run("cat /dev/core").code != 0
    assert eve.run("head -c 1 /proc/kcore 2>/dev/null | wc -c").output.strip() == "0"


def test_the_kernels_settings_stay(eve: Inside) -> None:
    for path in ("sys/kernel/core_pattern", "sys/vm/overcommit_memory", "sysrq-trigger", "sys/kernel/hostname"):
        assert eve.run(f"echo 1 > /proc/{path}").code != 0, path
    assert eve.run("hostname attack").code != 0
    assert eve.run(
        "cat /proc/keys /proc/kallsyms 2>/dev/null | grep -v ' 0000000000000000 \\|^0000000000000000' | wc -l"
    )


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (248, "add_key"), (249, "request_key"), (250, "keyctl"), (298, "perf_event_open"), (321, "bpf"),
        (323, "userfaultfd"), (425, "io_uring_setup"), (29, "shmget"), (68, "msgget"), (319, "memfd_create"),
        (304, "open_by_handle_at"), (303, "name_to_handle_at"), (246, "kexec_load"), (175, "init_module"),
        (103, "syslog"), (272, "unshare"), (161, "chroot"), (447, "memfd_secret"),
    ],
)  # fmt: skip
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are the numbers of x86_64")
def test_what_no_student_needs_is_refused(eve: Inside, number: int, name: str) -> None:
    assert call(eve, number, 0, 0, 0, 0, 0) == "EPERM", name


@pytest.mark.parametrize("family", [17, 29, 30, 31, 38, 39, 40, 44])
def test_sockets_that_are_no_networks(eve: Inside, family: int) -> None:
    program = f"import socket; socket.socket({family}, socket.SOCK_DGRAM)"
    assert f"Errno {errno.EAFNOSUPPORT}" in eve.python(program).output


def test_no_words_are_put_into_a_terminals_mouth(eve: Inside) -> None:
    program = """
import fcntl, os, pty, termios
pid, master = pty.fork()
if pid == 0:
    try:
        fcntl.ioctl(0, termios.TIOCSTI, b"x")
        os.write(1, b"pushed")
    except OSError as fault:
        os.write(1, b"refused" + str(fault.errno).encode())
    os._exit(0)
print(os.read(master, 100).decode())
"""
    assert "refused1" in eve.python(program).output


def test_calls_by_another_architectures_numbers(eve: Inside) -> None:
    """The 32-bit entry has other numbers, which the filter does not know: whoever uses it is ended."""
    program = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid of i386); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
print("called", ctypes.CFUNCTYPE(ctypes.c_int)(address)())
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the 32-bit entry of x86_64")
    assert "Bad system call" in eve.python(program).output
    assert call(eve, 0x40000000 + 39) == "ENOSYS"  # getpid by the numbers of x32


def test_the_sandboxes_share_no_namespace(ada: Inside, eve: Inside) -> None:
    kinds = ("pid", "net", "ipc", "uts", "mnt")
    for kind in kinds:
        links = {
            str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for pid in (ada.process.pid, eve.process.pid, os.getpid())
        }
        assert len(links) == 3, kind


def test_the_platform_sees_the_whole_sandbox(eve: Inside) -> None:
    """Also what a student hides: a process that left its parent and its session belongs to the sandbox still."""
    before = len(processes.below(eve.process.pid, processes.table()))
    eve.run("setsid setsid nohup sleep 600 > /dev/null 2>&1 & disown")
    until(lambda: len(processes.below(eve.process.pid, processes.table())) == before + 1, "it is seen")
    eve.run("kill $(pgrep -x sleep)")
