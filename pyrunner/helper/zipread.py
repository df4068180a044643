"""Reads zip archives that others may have made to harm (design.md R8; APPNOTE 6.3.10).

The directory is read entry by entry: memory does not grow with it. Python's zipfile keeps it whole, millions
of entries at the archive's pleasure, and knows neither Zstandard nor owners.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.crews import Crew, Result, crew_size
from pyrunner.helper.levels import checksum
from pyrunner.helper.wall import Wall
from pyrunner.helper.zipdata import Entry, read_at, unpacked
from pyrunner.helper.zipformat import (
    CENTRAL,
    END,
    END64,
    LOCATOR64,
    MAX16,
    MAX32,
)

_CHUNK: Final = 1 << 20
#: Of packed data at a time.
_PIECE: Final = 256 * 1024
#: A line of the directory: three lengths of 16 bits, and the rest.
_LONGEST_LINE: Final = CENTRAL.size + 3 * MAX16
_FIELD: Final = struct.Struct("<2H")
_TIME: Final = struct.Struct("<l")
#: Fewer or smaller files are written sooner than processes are forked for it.
_MANY: Final = 500
_MUCH: Final = 8 << 20
_ENCRYPTED: Final = 0x1
_LONGEST_TARGET: Final = 4095
#: Zstandard packs a block of 128 KiB into 4 bytes: so much input is at most some 130 MB at once for a
#: hostile archive, and a few MB for any other.
_ZSTD_PIECE: Final = 4096
_UNIX: Final = 3
_MACOS: Final = 19


def extract_zip(file: BinaryIO, wall: Wall) -> None:
    """Unpack an archive; the caller calls :meth:`Wall.finish` behind it.

    The whole directory is looked at before any file is written. Then several processes write files.

    :raises ArchiveError: when it is broken or hostile; names the entry.
    """
    size = os.fstat(file.fileno()).st_size
    wall.expect(find_directory(file)[0])
    files = total = packed = 0
    for entry in read_directory(file):
        packed += entry.packed
        if packed > size:
            # Only entries that lie upon one another are larger than all: a bomb.
            raise ArchiveError(f"{entry.name!r}: entries of the archive overlap")
        wall.admit(entry.name, entry.size)
        if entry.is_file:
            files += 1
            total += entry.size
        else:
            _extract_special(file, entry, wall)

    def share(number: int, count: int) -> Iterator[Result]:
        for entry in read_directory(file):
            # By name: of two entries with one name the later one has to come later.
            if entry.is_file and (count == 1 or checksum(os.fsencode(entry.name)) % count == number):
                wall.file(entry.name, entry.attributes, unpacked(file, entry))
        return iter(())

    with Crew(share, crew_size() if files > 1 and (files >= _MANY or total >= _MUCH) else 1) as crew:
        crew.finish()


def read_directory(file: BinaryIO) -> Iterator[Entry]:
    """Yield the entries in the order of the directory.

    :raises ArchiveError: when there is no directory, or it is broken.
    """
    count, length, start = find_directory(file)
    position, end = start, start + length
    block, at = b"", 0
    for _ in range(count):
        if len(block) - at < _LONGEST_LINE:
            block = os.pread(file.fileno(), min(_CHUNK, end - position), position)
            at = 0
        if len(block) - at < CENTRAL.size:
            raise ArchiveError("zip: not a valid zip file: its directory is broken")
        (magic, made, _need, flags, method, clock, day, crc, packed, size, names, extras, comments,
         _disk, _internal, external, offset) = CENTRAL.unpack_from(block, at)  # fmt: skip
        named = at + CENTRAL.size
        step = CENTRAL.size + names + extras + comments
        if magic != b"PK\1\2" or len(block) - at < step:
            raise ArchiveError("zip: not a valid zip file: its directory is broken")
        name = os.fsdecode(block[named : named + names])
        mode = external >> 16 if made >> 8 in (_UNIX, _MACOS) else 0
        if not mode:
            mode = stat.S_IFDIR | 0o777 if name.endswith("/") else stat.S_IFREG | 0o666
        if not stat.S_IFMT(mode):
            mode |= stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
        extra = block[named + names : named + names + extras]
        yield _entry(name, method, flags, crc, packed, size, offset, mode, (day, clock), extra)
        position += step
        at += step


def find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Return how many entries the directory has, its length and where it starts.

    :raises ArchiveError: when there is none.
    """
    size = os.fstat(file.fileno()).st_size
    tail_at = max(0, size - END.size - MAX16)
    tail = read_at(file, tail_at, size - tail_at, "the end")
    at = tail.rfind(b"PK\5\6", 0, len(tail) - END.size + 4)
    if at < 0:
        raise ArchiveError("zip: not a valid zip file")
    _, _, _, _, count, length, start, _ = END.unpack(tail[at : at + END.size])
    if MAX16 in (count,) or MAX32 in (length, start):
        locator_at = tail_at + at - LOCATOR64.size
        if locator_at >= 0:
            magic, _, end64, _ = LOCATOR64.unpack(read_at(file, locator_at, LOCATOR64.size, "the end"))
            if magic == b"PK\6\7":
                fields = END64.unpack(read_at(file, end64, END64.size, "the end"))
                if fields[0] != b"PK\6\6":
                    raise ArchiveError("zip: not a valid zip file")
                count, length, start = fields[7:10]
    if start + length > size or count * CENTRAL.size > length:
        raise ArchiveError("zip: not a valid zip file: its directory is broken")
    return count, length, start


def _entry(
    name: str, method: int, flags: int, crc: int, packed: int, size: int, offset: int, mode: int,
    dos_time: tuple[int, int], extra: bytes,
) -> Entry:  # fmt: skip
    """Return an entry with what its extra fields say: wide sizes, owner, exact time."""
    mtime: int | None = None
    uid = gid = -1
    at = 0
    try:
        while at + 4 <= len(extra):
            kind, length = _FIELD.unpack_from(extra, at)
            body = extra[at + 4 : at + 4 + length]
            at += 4 + length
            if kind == 0x5455 and body and body[0] & 1:
                (mtime,) = _TIME.unpack_from(body, 1)
            elif kind == 0x7875 and body[:1] == b"\1":
                width = body[1]
                uid = int.from_bytes(body[2 : 2 + width], "little")
                gid = int.from_bytes(body[3 + width : 3 + width + body[2 + width]], "little")
            elif kind == 1:
                wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
                size = next(wide) if size == MAX32 else size
                packed = next(wide) if packed == MAX32 else packed
                offset = next(wide) if offset == MAX32 else offset
    except (struct.error, IndexError, StopIteration):
        raise ArchiveError(f"{name!r}: broken extra field") from None
    if max(uid, gid) >= 2**31:
        uid = gid = -1
    if mtime is None:
        mtime = _from_dos(*dos_time)
    return Entry(name, method, flags, crc, packed, size, offset, mode, mtime, uid, gid)


def _extract_special(file: BinaryIO, entry: Entry, wall: Wall) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFDIR or entry.name.endswith("/"):
        wall.folder(entry.name, entry.attributes)
    elif kind == stat.S_IFLNK:
        if entry.size > _LONGEST_TARGET:
            raise ArchiveError(f"{entry.name!r}: not a link that can be made")
        target = b"".join(unpacked(file, entry))
        wall.link(entry.name, os.fsdecode(target), entry.attributes)
    else:
        raise ArchiveError(f"{entry.name!r}: devices, pipes and sockets are not extracted")


def _from_dos(day: int, clock: int) -> int:
    fields = (
        (day >> 9) + 1980, (day >> 5) & 15, day & 31, clock >> 11, (clock >> 5) & 63, (clock & 31) * 2,
    )  # fmt: skip
    try:
        return int(time.mktime((*fields, 0, 0, -1)))
    except (OverflowError, ValueError):
        return 0
