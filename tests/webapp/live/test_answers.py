"""An answer taken apart, in whatever pieces it comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.live.answers import LONGEST_HEAD, Answer, Garbled

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LINES = st.lists(st.text(min_size=1).map(lambda text: json.dumps(text).encode()), min_size=1, max_size=8)


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out, at = HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 0
    while at < len(body):
        piece = body[at : at + (sizes.pop() if sizes else len(body))]
        out += b"%x;ext=1\r\n%s\r\n" % (len(piece), piece)
        at += len(piece)
    return out + b"0\r\nTrailer: x\r\n\r\n"


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = sizes.pop() if sizes else len(data)
        found.append(data[at : at + size])
        at += size
    return found


@given(LINES, st.lists(st.integers(1, 20)), st.lists(st.integers(1, 20)))
def test_lines_come_out_as_they_went_in(lines: list[bytes], chunks: list[int], cuts: list[int]) -> None:
    answer = Answer()
    found = [line for piece in pieces(chunked(b"\n".join(lines) + b"\n", chunks), cuts) for line in answer.feed(piece)]
    assert (answer.status, found, answer.complete) == (200, lines, True)


@given(LINES, st.lists(st.integers(1, 20)))
def test_a_body_of_known_length_and_one_that_ends_with_the_connection(lines: list[bytes], cuts: list[int]) -> None:
    body = b"\n".join(lines)
    for head, complete in ((b"Content-Length: %d\r\n\r\n" % len(body), True), (b"\r\n", False)):
        answer = Answer()
        found = [line for piece in pieces(HEAD + head + body, list(cuts)) for line in answer.feed(piece)]
        assert answer.complete is complete
        # The last line has no end: only a length says that it is whole.
        assert found == (lines if complete else lines[:-1])


@given(st.lists(st.binary(max_size=80)))
def test_whatever_comes_it_is_lines_or_garbled(data: list[bytes]) -> None:
    answer = Answer()
    for piece in (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *data):
        try:
            for line in answer.feed(piece):
                assert line.strip()
        except Garbled:
            return


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LONGEST_HEAD,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    ],
)
def test_what_is_no_answer_is_told(said: bytes) -> None:
    with pytest.raises(Garbled):
        list(Answer().feed(said))


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.live.answers.LONGEST_LINE", 100)
    answer = Answer()
    with pytest.raises(Garbled, match="longer than 100 bytes"):
        list(answer.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 200))
