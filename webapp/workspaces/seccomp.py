"""The system calls that a workspace does without, as the kernel's filter.

What a student needs none of, and what has been the way out of sandboxes: namespaces, mounts, keyrings (one for each
user of the machine, whatever the namespace), tracing, memory that no limit counts, and sockets that are no network's.
"""

from __future__ import annotations

import errno
import platform
import struct

# linux/audit.h: the architecture that a call's number belongs to.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# The call numbers, x86_64's and aarch64's (asm/unistd.h).
REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "swapon": (167, 224),
    "acct": (163, 89),
    "reboot": (169, 142),
}
CLONE, CLONE3, SOCKET, IOCTL = (56, 220), (435, 435), (41, 198), (16, 29)
NAMESPACES = 0x7E020000  # every CLONE_NEW… that clone takes
FAMILIES = (1, 2, 10, 16)  # Unix, IPv4, IPv6, netlink
PUSHED = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX put words into a terminal's mouth

_LOAD, _EQUAL, _ANY, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def program(machine: str | None = None) -> bytes:
    """The filter for `bwrap --seccomp`. Raises KeyError for a machine that it was not written for."""
    machine = machine or platform.machine()
    column = list(ARCHITECTURES).index(machine) if machine in ARCHITECTURES else None
    if column is None:
        raise KeyError(machine)
    refuse, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    # A call of another architecture would have another meaning by the same number.
    steps = [_step(_LOAD, _ARCHITECTURE), *_unless_equal(ARCHITECTURES[machine], _KILL), _step(_LOAD, _NUMBER)]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, 0x40000000, 0, 1), _step(_RETURN, absent)]
    for numbers in REFUSED.values():
        steps += _if_equal(numbers[column], refuse)
    # Its flags lie in memory, which a filter cannot read; libraries fall back to clone.
    steps += _if_equal(CLONE3[column], absent)
    steps += _call(CLONE[column], 0, [_step(_ANY, NAMESPACES, 0, 1), _step(_RETURN, refuse)])
    family = [_step(_EQUAL, known, len(FAMILIES) - index, 0) for index, known in enumerate(FAMILIES)]
    steps += _call(SOCKET[column], 0, [*family, _step(_RETURN, _ERRNO | errno.EAFNOSUPPORT)])
    steps += _call(IOCTL[column], 1, [part for request in PUSHED for part in _if_equal(request, refuse)])
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, matches: int = 0, differs: int = 0) -> bytes:
    """One instruction; `matches` and `differs` say how many are skipped."""
    return struct.pack("<HBBI", code, matches, differs, value)


def _if_equal(value: int, verdict: int) -> list[bytes]:
    return [_step(_EQUAL, value, 0, 1), _step(_RETURN, verdict)]


def _unless_equal(value: int, verdict: int) -> list[bytes]:
    return [_step(_EQUAL, value, 1, 0), _step(_RETURN, verdict)]


def _call(number: int, argument: int, steps: list[bytes]) -> list[bytes]:
    """Look at the lower half of one argument of a call; the call's number is there again afterwards."""
    looked = [_step(_LOAD, _ARGUMENTS + 8 * argument), *steps, _step(_LOAD, _NUMBER)]
    return [_step(_EQUAL, number, 0, len(looked)), *looked]
