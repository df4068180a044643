"""Trace files keep size and checksum of what they hold."""

from __future__ import annotations

import zlib
from pathlib import Path

from pyrunner.coordinator.records import TraceFile


def test_size_and_checksum_follow_the_content(tmp_path: Path) -> None:
    """They are those of all bytes, however they came, also after a part was lost."""
    trace = TraceFile(tmp_path / "1.log")
    trace.append(b"hello ")
    trace.append(b"world\n")
    assert (trace.size, trace.read()) == (12, b"hello world\n")
    assert trace.checksum == f"crc32:{zlib.crc32(b'hello world' + bytes([10])):08x}"
    trace.truncate(5)
    assert (trace.size, trace.read(), trace.crc) == (5, b"hello", zlib.crc32(b"hello"))


def test_an_empty_trace_has_the_empty_checksum(tmp_path: Path) -> None:
    """`crc32:00000000`, and nothing to read."""
    trace = TraceFile(tmp_path / "1.log")
    assert (trace.checksum, trace.read()) == ("crc32:00000000", b"")
    trace.truncate(0)


def test_a_trace_is_private(tmp_path: Path) -> None:
    """Output of jobs is not for other users of the machine."""
    trace = TraceFile(tmp_path / "1.log")
    trace.append(b"x")
    assert trace.path.stat().st_mode & 0o777 == 0o600
