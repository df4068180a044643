"""The entries of a zip archive and their data, unpacked piece by piece (APPNOTE 6.3.10)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from pyrunner.errors import ArchiveError
from pyrunner.helper.levels import checksum, inflater
from pyrunner.helper.wall import Attributes
from pyrunner.helper.zipformat import DEFLATED, LOCAL, STORED, ZSTANDARD

#: Bytes of packed data, and of what becomes of them, at a time.
_PACKED: Final = 256 * 1024
_PLAIN: Final = 1 << 20
_ENCRYPTED: Final = 0x1


class Entry(NamedTuple):
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
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode) and not self.name.endswith("/")

    @property
    def attributes(self) -> Attributes:
        """What the entry says about itself."""
        return Attributes(stat.S_IMODE(self.mode), self.mtime * 10**9, self.uid, self.gid)


def unpacked(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the bytes of an entry.

    :raises ArchiveError: when they are not what the directory says.
    """
    if entry.flags & _ENCRYPTED:
        raise ArchiveError(f"{entry.name!r}: encrypted entries are not supported")
    head = LOCAL.unpack(read_at(file, entry.offset, LOCAL.size, repr(entry.name)))
    if head[0] != b"PK\3\4":
        raise ArchiveError(f"{entry.name!r}: no data where the directory says")
    at = entry.offset + LOCAL.size + head[9] + head[10]
    size, crc = 0, 0
    for piece in _plain(entry, _packed(file, at, entry)):
        size += len(piece)
        if size > entry.size:
            raise ArchiveError(f"{entry.name!r}: larger than the directory says")
        crc = checksum(piece, crc)
        yield piece
    if size != entry.size or crc != entry.crc:
        raise ArchiveError(f"{entry.name!r}: zip: checksum error")


def read_at(file: BinaryIO, position: int, size: int, what: str) -> bytes:
    """Return ``size`` bytes from ``position``.

    :raises ArchiveError: when there are fewer; ``what`` ends too early.
    """
    data = os.pread(file.fileno(), size, position) if position < 2**63 else b""
    if len(data) != size:
        raise ArchiveError(f"{what}: the archive ends too early")
    return data


def _packed(file: BinaryIO, at: int, entry: Entry) -> Iterator[bytes]:
    end = at + entry.packed
    while at < end:
        block = read_at(file, at, min(_PACKED, end - at), repr(entry.name))
        at += len(block)
        yield block


def _plain(entry: Entry, packed: Iterator[bytes]) -> Iterator[bytes]:
    if entry.method == STORED:
        return packed
    if entry.method == DEFLATED:
        return _inflated(entry.name, packed)
    if entry.method == ZSTANDARD:
        return _unzstd(entry.name, packed)
    raise ArchiveError(f"{entry.name!r}: zip: unsupported compression algorithm {entry.method}")


def _inflated(name: str, packed: Iterator[bytes]) -> Iterator[bytes]:
    machine = inflater()
    for block in packed:
        rest = block
        while not machine.eof:
            try:
                piece: bytes = machine.decompress(rest, _PLAIN)
            except Exception as error:  # each codec has its own class
                raise ArchiveError(f"{name!r}: {error}") from error
            yield piece
            rest = machine.unconsumed_tail
            # A full piece may have more behind it although all input is taken.
            if not rest and len(piece) < _PLAIN:
                break


class _Blocks:
    """What the Zstandard reader reads from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, _size: int) -> bytes:
        """Return the next block, whatever its size; empty at the end."""
        return next(self._blocks, b"")


def _unzstd(name: str, packed: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard  # only where the archive asks for it

    machine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    # Asked for pieces of one size, it never holds more: a hostile archive packs 128 KiB into 4 bytes.
    reader = machine.stream_reader(_Blocks(packed), read_across_frames=True)  # type: ignore[arg-type]
    try:
        while piece := reader.read(_PLAIN):
            yield piece
    except zstandard.ZstdError as error:
        raise ArchiveError(f"{name!r}: {error}") from error
