"""The trace is valid UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.trace.utf8 import Utf8Sanitizer
from tests.unit.trace.cutting import cut, stream

WHOLE = [one.encode() for one in "aé─🐤"]
PARTS = st.sampled_from([*WHOLE, b"\xff", b"\xc3", b"\xe2\x94", b"\xf0\x9f", b"\x80", b"\xed\xa0\x80"])


def replaced(text: bytes) -> bytes:
    """Replace byte by byte what is not part of a character."""
    return "".join(
        "\ufffd" if 0xDC80 <= ord(one) <= 0xDCFF else one for one in text.decode("utf-8", "surrogateescape")
    ).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"hello a\xfeb a\xffb\n", "hello a\ufffdb a\ufffdb\n"),
        (b"\xe2\x94\n", "\ufffd\ufffd\n"),
        (b"\xf0\x9f\x90", "\ufffd\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
    ],
)
def test_each_wrong_byte_becomes_one_replacement(text: bytes, expected: str) -> None:
    """One U+FFFD a byte, also for the parts of a character that is not complete (runner-api.md 5.2)."""
    assert stream(Utf8Sanitizer(), [text]) == expected.encode()


def test_an_unfinished_character_is_held() -> None:
    """A character cut by a write is whole in the trace."""
    sanitizer = Utf8Sanitizer()
    assert sanitizer.feed("x🐤".encode()[:3]) == b"x"
    assert sanitizer.feed("x🐤".encode()[3:]) == "🐤".encode()


@given(st.lists(PARTS, max_size=25).map(b"".join), st.data())
def test_result_does_not_depend_on_cuts(text: bytes, data: st.DataObject) -> None:
    """However the stream is cut, each byte is judged within the whole."""
    assert stream(Utf8Sanitizer(), cut(text, data)) == replaced(text)
