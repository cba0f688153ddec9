"""Ending with one's parent, by the kernel's word."""

from __future__ import annotations

import ctypes
import os

from webapp.errors import PortalError

PR_SET_PDEATHSIG = 1


def end_with_parent(number: int) -> None:
    """Have the kernel send us a signal when our parent ends; it holds for the program that we become, too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise PortalError(f"this kernel does not end a process with its parent: {os.strerror(ctypes.get_errno())}")
