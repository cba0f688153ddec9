"""Become a workspace: the home is mounted, the limits are set, and bubblewrap takes this process's place; where there
is no sandbox, the first process itself.

Runs by itself, with the standard library alone, as `launch.py SPEC`, a JSON file of the platform's: {"home", "image"
or null, "uid", "resources": {number: limit}, "command"}. What is mounted here is mounted in a namespace of its own, and
is gone with the sandbox's last process, however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

CLONE_NEWNS = 0x00020000
MS_REC, MS_SLAVE = 0x4000, 0x80000
# How a home that is an image is mounted.
MOUNTED = "loop,nosuid,nodev,noatime,discard"
# Workspaces are the first to go where the machine has no memory left.
EXPENDABLE = 800


def main(spec: dict[str, Any]) -> None:
    """Does not return. Raises OSError and CalledProcessError, whose text the Hub's log shows."""
    Path("/proc/self/oom_score_adj").write_text(str(EXPENDABLE))
    if spec["image"] is not None:
        mount(spec["image"], spec["home"])
        make_home(Path(spec["home"], "student"), spec["uid"])
    for number, limit in spec["resources"].items():
        highest = resource.getrlimit(int(number))[1]
        least = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(int(number), (least, least))
    os.execv(spec["command"][0], spec["command"])  # noqa: S606


def mount(image: str, folder: str) -> None:
    """Mount a home where only this process and what comes of it see it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None):
        raise OSError(ctypes.get_errno(), "the machine gives the workspace no namespace of mounts")
    subprocess.run(["/usr/bin/mount", "-t", "ext4", "-o", MOUNTED, image, folder], check=True)


def make_home(folder: Path, uid: int) -> None:
    """The student's folder within the image, the root of which stays ours."""
    folder.mkdir(mode=0o700, exist_ok=True)
    give(folder, uid)


def give(home: Path, uid: int) -> None:
    """Make a home the student's that was another user's: it was worked in without a sandbox. Follows no link."""
    if home.stat().st_uid == uid:
        return
    for _, folders, files, at in os.fwalk(home, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, uid, dir_fd=at, follow_symlinks=False)
    os.chown(home, uid, uid)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
