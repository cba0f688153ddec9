"""Whether a program runs in an image of one file."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from nodeimage.programs import linked_dynamically


def elf(*types: int) -> bytes:
    """A program of 64 bits with program headers of these types."""
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, len(types), 0, 0, 0)
    )
    return head + b"".join(struct.pack("<I", kind) + bytes(52) for kind in types)


def test_a_program_that_asks_for_a_loader_is_dynamic(tmp_path: Path) -> None:
    for types, dynamic in (((1, 1), False), ((6, 3, 1), True), ((), False)):
        file = tmp_path / "program"
        file.write_bytes(elf(*types))
        assert linked_dynamically(file) is dynamic


def test_a_script_and_an_empty_file_are_not(tmp_path: Path) -> None:
    for content in (b"#!/bin/sh\n" * 20, b""):
        file = tmp_path / "script"
        file.write_bytes(content)
        assert not linked_dynamically(file)


def test_this_python_tells_the_same_as_its_own_headers() -> None:
    content = Path(sys.executable).resolve().read_bytes()
    assert linked_dynamically(Path(sys.executable).resolve()) == (
        b"ld-linux" in content[:4096] or b"ld-musl" in content[:4096]
    )
