"""Reads tar archives packed with Zstandard that others may have made to harm (design.md R8).

What is read is what runners write, and what GNU tar, bsdtar and Python make of files, folders and links.
Python's tarfile keeps every header of a stream, believes lengths, and spends more time on a small file than
it takes to write it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import zstandard

from pyrunner.errors import ArchiveError
from pyrunner.helper.tarformat import BLOCK, FOLDER_TYPE, HEADER, LINK_TYPE, header_checksum
from pyrunner.helper.wall import Attributes, Wall

_CHUNK: Final = 1 << 20
#: Headers that describe the next one: pax, its global form and Solaris' one, GNU's long names.
_PAX: Final = (b"x", b"X")
_GLOBAL: Final = b"g"
_LONG_NAME: Final = b"L"
_LONG_TARGET: Final = b"K"
_LONGEST_EXTENSION: Final = 1 << 20
_FILES: Final = (b"0", b"\0", b"7")
_SPECIAL: Final = (b"3", b"4", b"6")
#: Nanoseconds: 34 000 years, and no more than every system call takes.
_LARGEST_TIME: Final = 2**40 * 10**9
_TIME: Final = re.compile(rb"(-?)(\d{1,18})(?:\.(\d*))?")
_LARGEST_SIZE: Final = 2**63 - 1


def extract_tarzstd(file: BinaryIO, wall: Wall) -> None:
    """Unpack an archive; the caller calls :meth:`Wall.finish` behind it.

    :raises ArchiveError: when it is broken or hostile; names the entry.
    """
    stream = _Stream(file)
    while _extract(stream, wall):
        pass


class _Stream:
    """The unpacked archive, read in pieces."""

    def __init__(self, file: BinaryIO) -> None:
        machine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._reader = machine.stream_reader(file, read_across_frames=True)
        self._buffer = b""
        self._at = 0

    def exactly(self, size: int, what: str) -> bytes:
        """Return the next ``size`` bytes.

        :raises ArchiveError: when there are fewer.
        """
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return b"".join(self.pieces(size, what))

    def pieces(self, size: int, what: str) -> Iterator[bytes]:
        """Yield the next ``size`` bytes as they come.

        :raises ArchiveError: when there are fewer.
        """
        while size:
            if self._at == len(self._buffer):
                try:
                    self._buffer, self._at = self._reader.read(_CHUNK), 0
                except zstandard.ZstdError as error:
                    raise ArchiveError(f"{what}: {error}") from error
                if not self._buffer:
                    raise ArchiveError(f"{what}: the archive ends too early")
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece


class _Header:
    """One entry's header, with what the ones before it say."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.long_name: bytes | None = None
        self.long_target: bytes | None = None
        self.name = ""
        self.target = b""
        self.kind = b""
        self.size = 0
        self.mode = self.uid = self.gid = self.mtime_ns = 0

    def take(self, block: bytes) -> None:
        """Read the header itself.

        :raises ArchiveError: when it is none.
        """
        (name, mode, uid, gid, size, mtime, checksum, self.kind, target, magic, _user, _group, _major, _minor,
         prefix) = HEADER.unpack(block)  # fmt: skip
        name = name.partition(b"\0")[0]
        if magic[:6] == b"ustar\0" and (prefix := prefix.partition(b"\0")[0]):
            name = prefix + b"/" + name
        self.name = os.fsdecode(self.records.get("path") or self.long_name or name)
        if _number(checksum, self.name) != header_checksum(block):
            raise ArchiveError(f"{self.name!r}: its header is broken")
        self.target = self.records.get("linkpath") or self.long_target or target.partition(b"\0")[0]
        self.mode = _number(mode, self.name)
        self.uid = self._decimal("uid", uid)
        self.gid = self._decimal("gid", gid)
        self.size = self._decimal("size", size)
        self.mtime_ns = self._time(mtime)
        if not 0 <= self.size <= _LARGEST_SIZE:
            raise ArchiveError(f"{self.name!r}: a size of {self.size} bytes")

    @property
    def attributes(self) -> Attributes:
        """What the entry says about itself."""
        if not (0 <= self.uid < 2**31 and 0 <= self.gid < 2**31):
            return Attributes(self.mode & 0o7777, self.mtime_ns)
        return Attributes(self.mode & 0o7777, self.mtime_ns, self.uid, self.gid)

    def _decimal(self, key: str, field: bytes) -> int:
        value = self.records.get(key)
        if value is None:
            return _number(field, self.name)
        if not value.isdigit() or len(value) > 20:
            raise ArchiveError(f"{self.name!r}: a {key} that is no number")
        return int(value)

    def _time(self, field: bytes) -> int:
        value = self.records.get("mtime")
        if value is None:
            nanoseconds = _number(field, self.name) * 10**9
        else:
            found = _TIME.fullmatch(value)
            if found is None:
                raise ArchiveError(f"{self.name!r}: an mtime that is no number")
            nanoseconds = int(found[2]) * 10**9 + int(found[3][:9].ljust(9, b"0") if found[3] else 0)
            nanoseconds = -nanoseconds if found[1] else nanoseconds
        return max(-_LARGEST_TIME, min(_LARGEST_TIME, nanoseconds))


def _extract(stream: _Stream, wall: Wall) -> bool:
    """Unpack one entry; False at the end of the archive."""
    entry = _next_header(stream, wall)
    if entry is None:
        return False
    wall.admit(entry.name, entry.size)
    what = repr(entry.name)
    if entry.kind == FOLDER_TYPE or (entry.kind in _FILES and entry.name.endswith("/")):
        wall.folder(entry.name, entry.attributes)
        _skip(stream, entry.size, what)
    elif entry.kind == LINK_TYPE:
        wall.link(entry.name, os.fsdecode(entry.target), entry.attributes)
        _skip(stream, entry.size, what)
    elif entry.kind in _FILES:
        wall.file(entry.name, entry.attributes, stream.pieces(entry.size, what))
        stream.exactly(-entry.size % BLOCK, what)
    elif entry.kind in _SPECIAL:
        raise ArchiveError(f"{what}: devices, pipes and sockets are not extracted")
    else:
        raise ArchiveError(f"{what}: a kind of entry that runners do not write")
    return True


def _next_header(stream: _Stream, wall: Wall) -> _Header | None:
    """Return the next entry's header, its extensions read; None at the end."""
    entry, what = _Header(), "the archive"
    while True:
        block = stream.exactly(BLOCK, what)
        if not any(block):
            return None
        entry.take(block)
        what = repr(entry.name)
        if entry.kind not in (*_PAX, _GLOBAL, _LONG_NAME, _LONG_TARGET):
            return entry
        # Counted as well: headers without end are a bomb, too.
        wall.admit("extension")
        if entry.size > _LONGEST_EXTENSION:
            raise ArchiveError(f"{what}: a header of {entry.size} bytes")
        data = stream.exactly(entry.size, what)
        stream.exactly(-entry.size % BLOCK, what)
        following = _Header()
        following.records, following.long_name, following.long_target = (
            entry.records, entry.long_name, entry.long_target,
        )  # fmt: skip
        if entry.kind in _PAX:
            following.records = _records(data, what)
        elif entry.kind == _LONG_NAME:
            following.long_name = data.partition(b"\0")[0]
        elif entry.kind == _LONG_TARGET:
            following.long_target = data.partition(b"\0")[0]
        entry = following


def _records(data: bytes, what: str) -> dict[str, bytes]:
    """Read pax records.

    :raises ArchiveError: when they are broken, or stand for data that is no plain file.
    """
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 8)
        length = int(data[at:blank]) if blank > at and data[at:blank].isdigit() else 0
        line = data[blank + 1 : at + length]
        key, equals, value = line.partition(b"=")
        if not equals or line[-1:] != b"\n" or at + length > len(data):
            raise ArchiveError(f"{what}: its header is broken")
        if key.startswith(b"GNU.sparse."):
            raise ArchiveError(f"{what}: a kind of entry that runners do not write")
        found[key.decode("ascii", "replace")] = value[:-1]
        at += length
    return found


def _skip(stream: _Stream, size: int, what: str) -> None:
    for _ in stream.pieces(size + -size % BLOCK, what):
        pass


def _number(field: bytes, name: str) -> int:
    """Read an octal number, or GNU's form for large ones."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        # The first bit only marks the form.
        return value if field[0] == 0xFF else value & (1 << (8 * len(field) - 1)) - 1
    text = field.strip(b"\0 ")
    if not text:
        return 0
    try:
        return int(text, 8)
    except ValueError:
        raise ArchiveError(f"{name!r}: its header is broken") from None
