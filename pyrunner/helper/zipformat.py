"""The records of a zip file (APPNOTE 6.3.10), with the extra fields that runners use (7.4)."""

from __future__ import annotations

import stat
import struct
import time
from os import stat_result
from typing import Final

STORED: Final = 0
DEFLATED: Final = 8
ZSTANDARD: Final = 93

LOCAL: Final = struct.Struct("<4s5H3L2H")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
END: Final = struct.Struct("<4s4H2LH")
END64: Final = struct.Struct("<4sQ2H2L4Q")
LOCATOR64: Final = struct.Struct("<4sLQL")

#: Time (0x5455) and owner (0x7875).
_EXTRA: Final = struct.Struct("<2HBl2HBBLBL")
_WIDE_PLACE: Final = struct.Struct("<2HQ")
_UTF8: Final = 0x800
_DESCRIPTOR: Final = 0x8
MAX16: Final = 0xFFFF
MAX32: Final = 0xFFFFFFFF


class ZipRecord:
    """One entry on its way into an archive.

    :param name: as it is written, a folder's with its slash.
    :param mtime: seconds: the format has no more.
    ``streamed``: sizes follow the data; ``wide``: sizes have 64 bits.
    """

    __slots__ = (
        "crc", "gid", "method", "mode", "mtime", "name", "offset", "packed", "size", "streamed", "uid",
        "wide",
    )  # fmt: skip

    def __init__(self, name: bytes, mode: int, mtime: int, uid: int, gid: int) -> None:
        self.name = name
        self.mode = mode
        self.mtime = mtime
        self.uid = uid
        self.gid = gid
        self.method = STORED
        self.streamed = self.wide = False
        self.crc = self.packed = self.size = self.offset = 0

    @classmethod
    def of(cls, name: bytes, status: stat_result) -> ZipRecord:
        """Return the record of an entry, without its data."""
        return cls(name, status.st_mode, status.st_mtime_ns // 10**9, status.st_uid, status.st_gid)

    def local(self) -> bytes:
        """Return the header before the data."""
        extra = self._extra()
        crc, packed, size = (0, 0, 0) if self.streamed else (self.crc, self.packed, self.size)
        if self.wide:
            extra = struct.pack("<2H2Q", 1, 16, size, packed) + extra
            packed = size = MAX32
        day, clock = self._dos_time()
        head = LOCAL.pack(
            b"PK\3\4", self._version(), self._flags(), self.method, clock, day, crc, packed, size,
            len(self.name), len(extra),
        )  # fmt: skip
        return head + self.name + extra

    def descriptor(self) -> bytes:
        """Return what follows streamed data."""
        layout = "<4sL2Q" if self.wide else "<4s3L"
        return struct.pack(layout, b"PK\7\x08", self.crc, self.packed, self.size)

    def central(self) -> bytes:
        """Return the entry's line of the directory at the end."""
        wide = self.wide or self.offset >= MAX32
        extra = self._extra()
        sizes = (self.packed, self.size, self.offset)
        if wide:
            extra = struct.pack("<2H3Q", 1, 24, self.size, self.packed, self.offset) + extra
            sizes = (MAX32, MAX32, MAX32)
        day, clock = self._dos_time()
        attributes = (self.mode & MAX16) << 16 | (0x10 if stat.S_ISDIR(self.mode) else 0)
        head = CENTRAL.pack(
            b"PK\1\2", 3 << 8 | self._version(), self._version(), self._flags(), self.method, clock, day,
            self.crc, sizes[0], sizes[1], len(self.name), len(extra), 0, 0, 0, attributes, sizes[2],
        )  # fmt: skip
        return head + self.name + extra

    def _flags(self) -> int:
        flags = _DESCRIPTOR if self.streamed else 0
        if not self.name.isascii():
            try:
                self.name.decode()
            except UnicodeDecodeError:
                return flags  # bytes of another age: readers take them as they are
            flags |= _UTF8
        return flags

    def _version(self) -> int:
        return 63 if self.method == ZSTANDARD else 45 if self.wide or self.offset >= MAX32 else 20

    def _extra(self) -> bytes:
        seconds = max(-(2**31), min(2**31 - 1, self.mtime))
        return _EXTRA.pack(0x5455, 5, 1, seconds, 0x7875, 11, 1, 4, self.uid, 4, self.gid)

    def _dos_time(self) -> tuple[int, int]:
        moment = time.localtime(self.mtime)
        if not 1980 <= moment.tm_year <= 2107:
            return (1 << 5 | 1, 0)
        day = (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
        return day, moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2


def placed(lines: bytes, at: int, base: int) -> tuple[bytes, int]:
    """Return the line of the directory that begins at ``at``, and where the next one begins.

    :param base: what the entry's place counts from.
    """
    names, extras = struct.unpack_from("<2H", lines, at + 28)
    end = at + CENTRAL.size + names + extras
    (offset,) = struct.unpack_from("<L", lines, at + 42)
    line = bytearray(lines[at:end])
    if base + offset < MAX32:
        struct.pack_into("<L", line, 42, base + offset)
        return bytes(line), end
    need = max(45, line[6])
    line[4] = line[6] = need
    struct.pack_into("<H", line, 30, extras + _WIDE_PLACE.size)
    struct.pack_into("<L", line, 42, MAX32)
    line[CENTRAL.size + names : CENTRAL.size + names] = _WIDE_PLACE.pack(1, 8, base + offset)
    return bytes(line), end


def end_records(entries: int, size: int, offset: int) -> bytes:
    """Return the end of an archive whose directory of ``size`` bytes starts at ``offset``."""
    out = b""
    if entries >= MAX16 or size >= MAX32 or offset >= MAX32:
        out = END64.pack(b"PK\6\6", END64.size - 12, 3 << 8 | 45, 45, 0, 0, entries, entries, size, offset)
        out += LOCATOR64.pack(b"PK\6\7", 0, offset + size, 1)
    counted = min(entries, MAX16)
    return out + END.pack(b"PK\5\6", 0, 0, counted, counted, min(size, MAX32), min(offset, MAX32), 0)
