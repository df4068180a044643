"""Reads zip archives that others may have made to harm (design.md R8; APPNOTE 6.3.10).

The directory is read entry by entry: memory does not grow with it. Python's zipfile keeps it whole, millions
of entries at the archive's pleasure, and knows neither Zstandard nor owners.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.levels import checksum, inflater
from pyrunner.helper.wall import Attributes, Wall
from pyrunner.helper.zipformat import (
    CENTRAL,
    DEFLATED,
    END,
    END64,
    LOCAL,
    LOCATOR64,
    MAX16,
    MAX32,
    STORED,
    ZSTANDARD,
)

_CHUNK: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_LONGEST_TARGET: Final = 4095
#: Zstandard packs a block of 128 KiB into 4 bytes: so much input is at most some 130 MB at once for a
#: hostile archive, and a few MB for any other.
_ZSTD_PIECE: Final = 4096
_UNIX: Final = 3
_MACOS: Final = 19


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an archive's directory."""

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    mtime: int
    uid: int = -1
    gid: int = -1

    @property
    def attributes(self) -> Attributes:
        """What the entry says about itself."""
        return Attributes(stat.S_IMODE(self.mode), self.mtime * 10**9, self.uid, self.gid)


def extract_zip(file: BinaryIO, wall: Wall) -> None:
    """Unpack an archive; the caller calls :meth:`Wall.finish` behind it.

    :raises ArchiveError: when it is broken or hostile; names the entry.
    """
    size = os.fstat(file.fileno()).st_size
    packed = 0
    for entry in read_directory(file):
        packed += entry.packed
        if packed > size:
            # Only entries that lie upon one another are larger than all: a bomb.
            raise ArchiveError(f"{entry.name!r}: entries of the archive overlap")
        _extract(file, entry, wall)


def read_directory(file: BinaryIO) -> Iterator[Entry]:
    """Yield the entries in the order of the directory.

    :raises ArchiveError: when there is no directory, or it is broken.
    """
    count, length, start = _find_directory(file)
    position, end = start, start + length
    for _ in range(count):
        head = _read_at(file, position, CENTRAL.size, "the directory")
        (magic, made, _need, flags, method, clock, day, crc, packed, size, names, extras, comments,
         _disk, _internal, external, offset) = CENTRAL.unpack(head)  # fmt: skip
        tail = _read_at(file, position + CENTRAL.size, names + extras, "the directory")
        position += CENTRAL.size + names + extras + comments
        if magic != b"PK\1\2" or position > end:
            raise ArchiveError("zip: not a valid zip file: its directory is broken")
        name = os.fsdecode(tail[:names])
        mode = external >> 16 if made >> 8 in (_UNIX, _MACOS) else 0
        if not mode:
            mode = stat.S_IFDIR | 0o777 if name.endswith("/") else stat.S_IFREG | 0o666
        if not stat.S_IFMT(mode):
            mode |= stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
        yield _with_extra(
            Entry(name, method, flags, crc, packed, size, offset, mode, _from_dos(day, clock)), tail[names:]
        )


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    size = os.fstat(file.fileno()).st_size
    tail_at = max(0, size - END.size - MAX16)
    tail = _read_at(file, tail_at, size - tail_at, "the end")
    at = tail.rfind(b"PK\5\6", 0, len(tail) - END.size + 4)
    if at < 0:
        raise ArchiveError("zip: not a valid zip file")
    _, _, _, _, count, length, start, _ = END.unpack(tail[at : at + END.size])
    if MAX16 in (count,) or MAX32 in (length, start):
        locator_at = tail_at + at - LOCATOR64.size
        if locator_at >= 0:
            magic, _, end64, _ = LOCATOR64.unpack(_read_at(file, locator_at, LOCATOR64.size, "the end"))
            if magic == b"PK\6\7":
                fields = END64.unpack(_read_at(file, end64, END64.size, "the end"))
                if fields[0] != b"PK\6\6":
                    raise ArchiveError("zip: not a valid zip file")
                count, length, start = fields[7:10]
    if start + length > size or count * CENTRAL.size > length:
        raise ArchiveError("zip: not a valid zip file: its directory is broken")
    return count, length, start


def _with_extra(entry: Entry, extra: bytes) -> Entry:
    """Return the entry with what its extra fields say: wide sizes, owner, exact time."""
    size, packed, offset = entry.size, entry.packed, entry.offset
    mtime, uid, gid = entry.mtime, entry.uid, entry.gid
    at = 0
    try:
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            body = extra[at + 4 : at + 4 + length]
            at += 4 + length
            if kind == 1:
                wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
                size = next(wide) if size == MAX32 else size
                packed = next(wide) if packed == MAX32 else packed
                offset = next(wide) if offset == MAX32 else offset
            elif kind == 0x5455 and body and body[0] & 1:
                (mtime,) = struct.unpack_from("<l", body, 1)
            elif kind == 0x7875 and body[:1] == b"\1":
                width = body[1]
                uid = int.from_bytes(body[2 : 2 + width], "little")
                gid = int.from_bytes(body[3 + width : 3 + width + body[2 + width]], "little")
    except (struct.error, IndexError, StopIteration):
        raise ArchiveError(f"{entry.name!r}: broken extra field") from None
    if max(uid, gid) >= 2**31:
        uid = gid = -1
    return Entry(
        entry.name, entry.method, entry.flags, entry.crc, packed, size, offset, entry.mode, mtime, uid, gid
    )


def _extract(file: BinaryIO, entry: Entry, wall: Wall) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFDIR or entry.name.endswith("/"):
        wall.folder(entry.name, entry.attributes)
    elif kind == stat.S_IFLNK:
        if entry.size > _LONGEST_TARGET:
            raise ArchiveError(f"{entry.name!r}: not a link that can be made")
        parts: list[bytes] = []
        _unpack(file, entry, parts.append)
        wall.link(entry.name, os.fsdecode(b"".join(parts)), entry.attributes)
    elif kind == stat.S_IFREG:
        wall.file(entry.name, entry.attributes, lambda write: _unpack(file, entry, write))
    else:
        raise ArchiveError(f"{entry.name!r}: devices, pipes and sockets are not extracted")


def _unpack(file: BinaryIO, entry: Entry, write: Callable[[bytes], object]) -> None:
    if entry.flags & _ENCRYPTED:
        raise ArchiveError(f"{entry.name!r}: encrypted entries are not supported")
    head = LOCAL.unpack(_read_at(file, entry.offset, LOCAL.size, repr(entry.name)))
    if head[0] != b"PK\3\4":
        raise ArchiveError(f"{entry.name!r}: no data where the directory says")
    at = entry.offset + LOCAL.size + head[9] + head[10]
    codec = _codec(entry)
    left, written, crc = entry.packed, 0, 0
    while left:
        block = _read_at(file, at, min(_CHUNK, left), repr(entry.name))
        at += len(block)
        left -= len(block)
        for data in codec(block, not left):
            written += len(data)
            if written > entry.size:
                raise ArchiveError(f"{entry.name!r}: larger than the directory says")
            crc = checksum(data, crc)
            write(data)
    if written != entry.size or crc != entry.crc:
        raise ArchiveError(f"{entry.name!r}: zip: checksum error")


def _codec(entry: Entry) -> Callable[[bytes, bool], Iterator[bytes]]:
    if entry.method == STORED:
        return lambda block, _last: iter((block,))
    if entry.method == DEFLATED:
        return _inflate(entry.name)
    if entry.method == ZSTANDARD:
        return _unzstd(entry.name)
    raise ArchiveError(f"{entry.name!r}: zip: unsupported compression algorithm {entry.method}")


def _inflate(name: str) -> Callable[[bytes, bool], Iterator[bytes]]:
    machine = inflater()

    def run(block: bytes, _last: bool) -> Iterator[bytes]:
        while block and not machine.eof:
            try:
                data: bytes = machine.decompress(block, _CHUNK)
            except Exception as error:  # each codec has its own class
                raise ArchiveError(f"{name!r}: {error}") from error
            yield data
            block = machine.unconsumed_tail
            if not block and len(data) == _CHUNK:
                # A full piece may have more behind it although all input is taken.
                while not machine.eof and (data := machine.decompress(b"", _CHUNK)):
                    yield data

    return run


def _unzstd(name: str) -> Callable[[bytes, bool], Iterator[bytes]]:
    import zstandard  # only where the archive asks for it

    machine: Any = None

    def run(block: bytes, _last: bool) -> Iterator[bytes]:
        nonlocal machine
        # Frames follow one another; a piece of input is small, so that its output is, too.
        at = 0
        while at < len(block):
            piece = block[at : at + _ZSTD_PIECE]
            at += len(piece)
            while piece:
                if machine is None:
                    machine = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
                try:
                    data = machine.decompress(piece)
                except zstandard.ZstdError as error:
                    raise ArchiveError(f"{name!r}: {error}") from error
                yield data
                piece = b""
                if machine.eof:
                    piece, machine = machine.unused_data, None

    return run


def _read_at(file: BinaryIO, position: int, size: int, what: str) -> bytes:
    data = os.pread(file.fileno(), size, position) if position < 2**63 else b""
    if len(data) != size:
        raise ArchiveError(f"{what}: the archive ends too early")
    return data


def _from_dos(day: int, clock: int) -> int:
    fields = (
        (day >> 9) + 1980, (day >> 5) & 15, day & 31, clock >> 11, (clock >> 5) & 63, (clock & 31) * 2,
    )  # fmt: skip
    try:
        return int(time.mktime((*fields, 0, 0, -1)))
    except (OverflowError, ValueError):
        return 0
