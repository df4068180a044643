"""Text becomes bytes."""

from __future__ import annotations

from pyrunner.trace.text import WHITE_SPACE, to_bytes


def test_bytes_of_the_system_come_back() -> None:
    """A file name that is not UTF-8 shows in the trace as it is on disk."""
    assert to_bytes(b"caf\xe9 \xc3\xa9".decode("utf-8", "surrogateescape")) == b"caf\xe9 \xc3\xa9"


def test_lone_surrogates_do_not_fail() -> None:
    """JSON can bring a surrogate without its other half; it becomes U+FFFD, a pair its character."""
    assert to_bytes("a\ud800b\U0001f600") == "a\ufffdb\U0001f600".encode()


def test_white_space_is_unicodes() -> None:
    """Separators such as U+001F are no white space: a secret may begin with one."""
    assert set(WHITE_SPACE) == {
        chr(code) for code in range(0x3001) if chr(code).isspace() and code not in range(0x1C, 0x20)
    }
