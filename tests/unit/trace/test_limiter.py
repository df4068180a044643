"""A trace keeps its head and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.trace.limiter import DEFAULT_LIMIT, TAIL, TraceLimiter
from pyrunner.trace.outfile import OutputFile


class Limited:
    """A limiter and its files."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.trace = OutputFile(folder / "trace.log")
        self.overflow = OutputFile(folder / "overflow.log")
        self.limiter = TraceLimiter(self.trace, self.overflow, limit)

    def content(self) -> tuple[bytes, bytes]:
        """Return trace and overflow as they are on disk."""
        self.trace.flush()
        self.overflow.flush()
        return self.trace.path.read_bytes(), self.overflow.path.read_bytes()


def notice(limit: int) -> bytes:
    """What follows the head."""
    return (
        f"\n\x1b[33;1mJob's log exceeded limit of {limit} bytes.\n"
        "Job execution will continue; the end of the log follows when the job has ended.\x1b[0;m\n"
    ).encode()


def test_a_small_log_is_passed_as_it_is(tmp_path: Path) -> None:
    """Below the limit nothing is added."""
    limited = Limited(tmp_path, 10)
    limited.limiter.feed(b"nine")
    limited.limiter.feed(b" char")
    limited.limiter.close()
    assert limited.content() == (b"nine char", b"")


@pytest.mark.parametrize(
    ("character", "limit", "head"),
    [("0", 10, 10), ("ǲ", 5, 4), ("ǲ", 6, 6), ("─", 20, 18), ("─", 1, 0), ("🐤", 23, 20), ("🐤", 24, 24)],
)
def test_the_head_is_cut_between_characters(tmp_path: Path, character: str, limit: int, head: int) -> None:
    """A write that reaches the limit is cut at a boundary; then comes the notice (6.6)."""
    limited = Limited(tmp_path, limit)
    for _ in range(100):
        limited.limiter.feed(character.encode())
    text = character.encode() * 100
    assert limited.content() == (text[:head] + notice(limit), text[head:])


def test_what_fits_the_tail_is_shown_whole(tmp_path: Path) -> None:
    """With nothing left out the log goes on after the notice."""
    limited = Limited(tmp_path, 10)
    limited.limiter.feed(b"0123456789abc\nJob failed\n")
    limited.limiter.close()
    trace, _ = limited.content()
    assert (
        trace == b"0123456789" + notice(10) + b"\x1b[33;1mThe log continues here.\x1b[0;m\nabc\nJob failed\n"
    )


def test_a_log_of_exactly_the_limit_has_no_tail(tmp_path: Path) -> None:
    """Where nothing is beyond, nothing is announced at the end."""
    limited = Limited(tmp_path, 4)
    limited.limiter.feed(b"0123")
    limited.limiter.close()
    assert limited.content() == (b"0123" + notice(4), b"")


def test_the_end_of_a_long_log(tmp_path: Path) -> None:
    """The last 64 KiB are shown from a line's start, after the number of bytes left out (R10)."""
    limited = Limited(tmp_path, 100)
    lines = b"".join(b"line %06d\n" % number for number in range(20_000))
    for start in range(0, len(lines), 1000):
        limited.limiter.feed(lines[start : start + 1000])
    limited.limiter.feed(b"ERROR: Job failed: exit status 1\n")
    limited.limiter.close()
    limited.limiter.close()
    trace, overflow = limited.content()
    assert overflow == lines[100:] + b"ERROR: Job failed: exit status 1\n"
    head, end = trace.split(notice(100))
    first, tail = end.split(b" bytes of the log are left out here.\x1b[0;m\n")
    left_out = int(first.removeprefix(b"\x1b[33;1m"))
    assert head == lines[:100]
    assert overflow[left_out:] == tail
    assert tail.startswith(b"line ")
    assert TAIL - 12 < len(tail) <= TAIL


def test_the_end_of_a_log_without_lines(tmp_path: Path) -> None:
    """Without a newline the end begins at a character."""
    limited = Limited(tmp_path, 3)
    limited.limiter.feed("─".encode() * 30_001)
    limited.limiter.close()
    trace, _ = limited.content()
    tail = trace.split(b"left out here.\x1b[0;m\n")[1]
    assert tail == "─".encode() * (TAIL // 3)


def test_default_limit(tmp_path: Path) -> None:
    """A limit of 0 is 4 MiB (6.6)."""
    limited = Limited(tmp_path, 0)
    limited.limiter.feed(b"x" * DEFAULT_LIMIT)
    trace, _ = limited.content()
    assert trace == b"x" * 4 * 1024 * 1024 + notice(4194304)
