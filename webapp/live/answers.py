"""The answer to a watch as it comes: HTTP/1.1 taken apart byte by byte, so that many can be waited for at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

# No head of an answer, and no line of a watch, is longer than this in bytes. An object is at most 1.5 MB in etcd.
LONGEST_HEAD = 64 * 1024
LONGEST_LINE = 16 * 1024**2


class Garbled(Exception):
    """What comes is no answer of an API server."""


class Answer:
    """One answer, fed with bytes in whatever pieces they come. Gives the lines of its body.

    `status` is 0 until the head is complete; `complete` is True once the body has ended as it said it would.
    """

    def __init__(self) -> None:
        """Nothing has come yet."""
        self.status = 0
        self.complete = False
        self._raw = bytearray()
        self._line = bytearray()
        self._chunked = False
        self._left: int | None = None  # of the chunk, or of the body; None: until the connection ends
        self._trailer = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes in; give each line that they complete. Raises Garbled."""
        self._raw += data
        if not self.status and not self._head():
            return
        for piece in self._body():
            self._line += piece
            if b"\n" in piece:
                *lines, rest = bytes(self._line).split(b"\n")
                self._line = bytearray(rest)
                yield from (line for line in lines if line.strip())
            if len(self._line) > LONGEST_LINE:
                raise Garbled(f"a line is longer than {LONGEST_LINE:,} bytes")
        if self.complete and self._line.strip():
            line, self._line = bytes(self._line), bytearray()
            yield line

    def _head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            if len(self._raw) > LONGEST_HEAD or not b"HTTP/1.".startswith(self._raw[:7]):
                raise Garbled("what answers does not speak HTTP")
            return False
        first, *fields = bytes(self._raw[:end]).split(b"\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise Garbled("what answers does not speak HTTP")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)
        }
        self.status = int(words[1])
        self._chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        length = headers.get(b"content-length", b"")
        self._left = 0 if self._chunked else int(length) if length.isdigit() else None
        self.complete = not self._chunked and self._left == 0
        del self._raw[: end + 4]
        return True

    def _body(self) -> Iterator[bytes]:
        while self._raw and not self.complete:
            if self._chunked and self._left == 0 and not self._next_chunk():
                return
            if self.complete:
                return
            piece = bytes(self._raw if self._left is None else self._raw[: self._left])
            del self._raw[: len(piece)]
            if self._left is not None:
                self._left -= len(piece)
                self.complete = not self._chunked and self._left == 0
            yield piece

    def _next_chunk(self) -> bool:
        """Read the line that says how long the next chunk is. False where it has not come whole."""
        # A chunk's data end with an empty line.
        while self._raw.startswith(b"\r\n"):
            del self._raw[:2]
            if self._trailer:
                self.complete = True
                return True
        end = self._raw.find(b"\r\n")
        if end < 0:
            if len(self._raw) > LONGEST_HEAD:
                raise Garbled("a chunk does not say how long it is")
            return False
        if self._trailer:
            del self._raw[: end + 2]
            return self._next_chunk()
        size = bytes(self._raw[:end]).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            raise Garbled("a chunk does not say how long it is")
        self._left = int(size, 16)
        del self._raw[: end + 2]
        if self._left == 0:
            self._trailer = True
            return self._next_chunk()
        return True
