"""The head of an HTTP request, read strictly: what could be read in two ways is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e\x80-\xff]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
# Authorization as scripts send it. Browsers by themselves send Basic and its like, also for a link with a name in it.
_TOKEN = re.compile(rb"(?:token|bearer) +\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """A request's first line and fields, in their order."""

    first: bytes
    method: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        """The values of every field of that name, which is in small letters."""
        return [value for known, value in self.fields if known.lower() == name]

    def words(self, name: bytes) -> set[bytes]:
        """The members of a list that such fields make, in small letters and without their parameters."""
        found = b",".join(self.values(name)).lower().split(b",")
        return {word.partition(b";")[0].strip() for word in found} - {b""}

    def cookies(self, name: bytes) -> list[bytes]:
        """The values of every cookie of that name."""
        parts = [part.strip().partition(b"=") for value in self.values(b"cookie") for part in value.split(b";")]
        return [value.strip() for known, _, value in parts if known.strip() == name]

    @property
    def has_token(self) -> bool:
        """Whether it carries a token of the Hub's, or what claims to be one. No link or form makes a browser do so."""
        return any(_TOKEN.fullmatch(value) for value in self.values(b"authorization"))

    @property
    def upgrades(self) -> bool:
        """Whether the connection is to become another one, for a WebSocket."""
        words = self.words(b"connection")
        return b"upgrade" in words and b"close" not in words and bool(self.values(b"upgrade"))

    @property
    def wants_page(self) -> bool:
        """Whether a browser may be led elsewhere with this. An API's answer is no page."""
        if self.method not in {"GET", "HEAD"} or self.values(b"upgrade"):
            return False
        parts = self.target.partition(b"?")[0].split(b"/")
        return bool(self.words(b"accept") & {b"text/html", b"*/*"}) and parts[3:4] != [b"api"]

    @property
    def length(self) -> int | None:
        """How long its body is, None where that is seen only as it comes. Raises ValueError for two lengths."""
        said = set(self.values(b"content-length"))
        if self.values(b"transfer-encoding"):
            if said:
                raise ValueError("two lengths")
            return None
        if len(said) > 1 or not all(value.isdigit() and len(value) < 19 for value in said):
            raise ValueError("no length")
        return int(said.pop()) if said else 0

    @property
    def last(self) -> bool:
        """Whether who sends it has said that no request follows."""
        return self.upgrades or self.words(b"connection") == {b"close"}

    def passed_on(self, ticket: bytes) -> bytes:
        """It as the workspace is to get it: without the cookies of that name, and as the last of its connection."""
        lines = [self.first]
        for name, value in self.fields:
            if name.lower() == b"cookie":
                kept = [part for part in value.split(b";") if part.partition(b"=")[0].strip() != ticket]
                lines += [name + b": " + b";".join(kept).strip()] if kept else []
            elif name.lower() != b"connection" or self.last:
                lines.append(name + b": " + value)
        if not self.last:
            lines.append(b"Connection: close")
        return b"\r\n".join([*lines, b"", b""])


def read(raw: bytes) -> Head:
    """Read a head to its empty line. Raises ValueError for what is none, also for folded lines and control signs."""
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    request = _REQUEST.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    if request is None or None in fields:
        raise ValueError("no head of a request")
    return Head(
        first,
        request[1].decode(),
        request[2],
        tuple((field[1], field[2].strip(b" \t")) for field in fields if field is not None),
    )
