"""An answer of HTTP out of the bytes of a Pod: where it ends, its head, its body. The parser is Python's own."""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from socket import socket
from typing import IO, cast

from grader.collect.probes.limits import READ

# Interim answers (103 Early Hints), before the one that counts.
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_END = b"\r\n\r\n"


class Ending:
    """Knows when an answer is whole: servers often keep a connection open that was to be closed. It looks at every byte
    once, so that an answer in a thousand pieces costs no more than one in two."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        # Where the head begins, then the next chunk or trailer; and how far the end of that was looked for.
        self._from = self._scanned = 0
        self._head_seen = False
        self._whole: int | None = None  # bytes; None where the body says itself where it ends
        self._chunked = self._trailing = False

    def reached(self, raw: bytearray) -> bool:
        """Whether what follows these bytes, all that have come, is no part of the answer any more."""
        while not self._head_seen:
            end = raw.find(_END, max(self._from, self._scanned - len(_END) + 1))
            self._scanned = len(raw)
            if end < 0:
                return False
            if _INTERIM.fullmatch(raw, self._from, end + len(_END)):
                self._from = self._scanned = end + len(_END)
                continue
            self._head_seen = True
            try:
                response = begun(bytes(raw[self._from : end + len(_END)]))
            except (HTTPException, ValueError):
                return True
            self._from = self._scanned = end + len(_END)
            self._chunked = bool(response.chunked)
            self._whole = None if response.length is None else end + len(_END) + response.length
        if self._chunked:
            return self._last_chunk(raw)
        return self._whole is not None and len(raw) >= self._whole

    def _last_chunk(self, raw: bytearray) -> bool:
        """Whether the last chunk has come, with the lines behind it, or something that is none."""
        while (end := raw.find(b"\n", max(self._from, self._scanned))) >= 0:
            line, self._from = bytes(raw[self._from : end]).strip(), end + 1
            if self._trailing:
                if not line:
                    return True
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                return True
            if size < 0:
                return True
            self._trailing = size == 0
            self._from += size + len(b"\r\n") if size else 0
        self._scanned = len(raw)
        return False


class _Said:
    """Bytes in the place of a socket, for the parser."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> IO[bytes]:
        return BytesIO(self._raw)


def begun(raw: bytes) -> HTTPResponse:
    """An answer, its head read. Raises HTTPException and ValueError."""
    while interim := _INTERIM.match(raw):
        raw = raw[interim.end() :]
    response = HTTPResponse(cast(socket, _Said(raw)))  # all that it uses of a socket is there
    response.begin()
    return response


def body_of(response: HTTPResponse) -> tuple[bytes, bool]:
    """A body as far as it has come, at most READ and one bytes, and whether that is all of it."""
    pieces, size = list[bytes](), 0
    try:
        while size <= READ and (piece := response.read1(READ + 1 - size)):
            pieces.append(piece)
            size += len(piece)
    except (HTTPException, ValueError):
        return b"".join(pieces), False
    return b"".join(pieces), not response.length
