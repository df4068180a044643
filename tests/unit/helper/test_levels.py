"""Codecs: blocks packed apart make one stream, with or without the fast library."""

from __future__ import annotations

import os
import zlib

import pytest

from pyrunner.helper import levels


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("level", ["fast", "default", "slow", "slowest"])
def test_blocks_in_a_row_are_one_stream(monkeypatch: pytest.MonkeyPatch, level: str, fast: bool) -> None:
    """Each block but the last ends on a byte; the last may be empty."""
    if not fast:
        monkeypatch.setattr(levels, "_fast", None)
    pack = levels.deflater(level)
    assert pack is not None
    parts = [os.urandom(1000), b"a" * 100_000, b"", b"end" * 50]
    stream = b"".join(pack(part, False) for part in parts) + pack(b"", True)
    assert zlib.decompress(stream, -15) == b"".join(parts)
    assert zlib.decompress(pack(parts[0], True), -15) == parts[0]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("sizes", [(0, 0), (5, 0), (0, 5), (1, 1), (1000, 70_000)])
def test_checksums_of_parts_are_joined(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int], fast: bool
) -> None:
    """The same as that of both in a row."""
    if not fast:
        monkeypatch.setattr(levels, "_fast", None)
    first, second = map(os.urandom, sizes)
    joined = levels.joined_checksum(zlib.crc32(first), zlib.crc32(second), len(second))
    assert joined == zlib.crc32(first + second)


def test_nothing_is_packed_at_the_fastest() -> None:
    """``fastest`` stores (7.4)."""
    assert levels.deflater("fastest") is None
