"""Rules of :mod:`pyrunner.manager.tracefile`, the cursor and the closing line (design R6, R9)."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.jobdir.control import ControlDir
from pyrunner.manager.closing import closing_line
from pyrunner.manager.cursor import Cursor
from pyrunner.manager.tracefile import Checksum, MemoryTrace, TraceFile


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    one = ControlDir(tmp_path)
    one.create()
    return one


def test_only_durable_bytes_are_shipped(control: ControlDir) -> None:
    """What the supervisor has not synced yet is not there (R6)."""
    control.trace_log.write_bytes(b"0123456789")
    trace = TraceFile(control)
    assert trace.size() == 0
    control.store_trace_size(4)
    assert trace.size() == 4
    assert trace.read(1, 100) == b"123"


@given(st.integers(0, 12), st.integers(0, 20))
def test_verdict_text_follows_the_trace(offset: int, length: int) -> None:
    """A verdict's text is read as if it stood in the file, from any offset."""
    with tempfile.TemporaryDirectory() as folder:
        control = ControlDir(Path(folder))
        control.trace_log.write_bytes(b"01234567")
        trace = TraceFile(control, 5, b"END!")
        assert trace.size() == 9
        assert trace.read(offset, length) == b"01234END!"[offset : offset + length]


def test_checksum_grows_with_the_trace() -> None:
    """The checksum is that of exactly the first bytes, also when asked for fewer again."""
    content = bytes(range(256)) * 20
    checksum = Checksum(MemoryTrace(content))
    for size in (0, 10, 3000, 3000, 5120, 7):
        assert checksum.of(size) == f"crc32:{zlib.crc32(content[:size]):08x}"


def test_checksum_of_a_lost_trace_is_an_error() -> None:
    """Bytes that are not there have no checksum."""
    with pytest.raises(OSError, match="ends at byte 3"):
        Checksum(MemoryTrace(b"abc")).of(4)


def test_cursor_survives(control: ControlDir) -> None:
    """What was stored is what the next manager reads; a broken file is a fresh cursor."""
    Cursor(offset=7, announced=True).store(control.cursor)
    assert Cursor.load(control.cursor) == Cursor(offset=7, announced=True)
    control.cursor.write_text("{")
    assert Cursor.load(control.cursor) == Cursor()


@pytest.mark.parametrize(
    ("begin", "last", "expected"),
    [
        (b"", b"", "\x1b[31;1mERROR: Job failed (system failure): gone\x1b[0;m\n"),
        (b"plain text", b"x", "\n\x1b[31;1mERROR: Job failed (system failure): gone\x1b[0;m\n"),
        (
            b"2026-01-02T03:04:05.000006Z 00O text",
            b"\n",
            "1970-01-01T00:00:01.500000Z 00O \x1b[31;1mERROR: Job failed (system failure): gone\x1b[0;m\n",
        ),
    ],
)
def test_closing_line_fits_the_trace(begin: bytes, last: bytes, expected: str) -> None:
    """The last line begins on a line of its own, stamped where the others are."""
    assert closing_line(begin, last, "gone", 1.5) == expected
