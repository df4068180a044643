"""The formats of reports: gzip members in a row, or one file as it is (job-execution.md 8.2)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from pyrunner.errors import ArchiveError
from pyrunner.helper.entries import Entries
from pyrunner.helper.levels import checksum, deflater
from pyrunner.helper.sources import Sources, read_blocks

_BLOCK: Final = 1 << 20


def gzip_pieces(entries: Entries) -> Iterator[bytes]:
    """Yield a member for each file.

    :raises ArchiveError: for what is no regular file, or cannot be read.
    """
    with Sources(entries.doors) as sources:
        for path, size in zip(entries.paths(), entries.sizes, strict=True):
            if size < 0:
                raise ArchiveError(f'the "{path}" is not a regular file')
            yield from _member(sources, path)


def raw_pieces(entries: Entries) -> Iterator[bytes]:
    """Yield the only file.

    :raises ArchiveError: when there are more, or it cannot be read.
    """
    if len(entries) > 1:
        raise ArchiveError("only one file can be sent as raw")
    with Sources(entries.doors) as sources:
        for path in entries.paths():
            if (opened := sources.open(path)) is None:
                raise ArchiveError(f"open {path}: no such file or directory")
            try:
                yield from read_blocks(opened[0], _BLOCK, path)
            finally:
                os.close(opened[0])


def _member(sources: Sources, path: str) -> Iterator[bytes]:
    if (opened := sources.open(path)) is None:
        return
    fd, status = opened
    pack = deflater("default")
    assert pack is not None
    try:
        seconds = max(0, min(2**32 - 1, status.st_mtime_ns // 10**9))
        head = struct.pack("<4BL2B", 0x1F, 0x8B, 8, 0x18, seconds, 0, 255)
        yield head + _header_text(os.path.basename(path)) + _header_text(path)
        crc = size = 0
        for block in read_blocks(fd, _BLOCK, path):
            crc, size = checksum(block, crc), size + len(block)
            yield pack(block, False)
        yield pack(b"", True) + struct.pack("<2L", crc, size & 0xFFFFFFFF)
    finally:
        os.close(fd)


def _header_text(text: str) -> bytes:
    """Return a header string: Latin-1 is all that gzip knows, so other names are escaped with a mark."""
    if not text.isascii() or "%" in text:
        text = "e:" + quote(os.fsencode(text), safe="$&+=:@")
    return text.encode("ascii") + b"\0"
