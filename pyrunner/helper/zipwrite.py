"""Writes zip archives as a stream, packed by several processes (job-execution.md 7.4).

A file of one block is written with its sizes in front. A larger one is cut: its blocks are packed apart,
follow one another as one deflate stream (or as Zstandard frames), and the sizes come behind the data.
"""

from __future__ import annotations

import marshal
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.crews import Crew, Result
from pyrunner.helper.entries import Entries, Unit
from pyrunner.helper.inventory import FOLDER, LINK
from pyrunner.helper.levels import Pack, checksum, deflater, joined_checksum, zstd_packer
from pyrunner.helper.sources import Sources, read_fully
from pyrunner.helper.zipformat import (
    DEFLATED,
    MAX32,
    STORED,
    ZSTANDARD,
    ZipRecord,
    end_records,
    placed,
)

#: From here on sizes have 64 bits: packed data may be a little larger than the file.
_WIDE: Final = MAX32 - (1 << 28)
_DIRECTORY_BLOCK: Final = 1 << 20


def zip_pieces(entries: Entries, level: str, zstd: bool, workers: int) -> Iterator[bytes]:
    """Yield the bytes of an archive.

    Files that have vanished meanwhile are left out; pipes, sockets and devices are no entries.

    :param level: a name of 7.4.
    :param zstd: pack with Zstandard (``zipzstd``) instead of deflate.
    :raises ArchiveError: when a file cannot be read.
    """
    packer = _Packer(
        entries, zstd_packer(level) if zstd else deflater(level), ZSTANDARD if zstd else DEFLATED
    )
    with Crew(packer.share, workers) as crew:
        yield from _Joiner(entries).pieces(crew.results())


class _Packer:
    """Packs units; runs in the workers.

    A unit becomes its entries' bytes and a note: for whole entries their lines of the directory, for a block
    of a large file what :class:`_Joiner` needs to make the line.
    """

    def __init__(self, entries: Entries, pack: Pack | None, method: int) -> None:
        self._entries = entries
        self._pack = pack
        self._method = method if pack else STORED

    def share(self, number: int, count: int) -> Iterator[Result]:
        """Yield the results of every ``count``-th unit."""
        with Sources(self._entries.doors) as sources:
            for index, unit in enumerate(self._entries.units()):
                if index % count == number:
                    yield self._block(sources, unit) if unit.offset >= 0 else self._whole(sources, unit)

    def _whole(self, sources: Sources, unit: Unit) -> Result:
        body: list[bytes] = []
        lines: list[bytes] = []
        place = 0
        for index in range(unit.first, unit.end):
            made = self._entry(sources, self._entries.path(index), self._entries.sizes[index])
            if made is None:
                continue
            record, data = made
            record.packed, record.offset = len(data), place
            head = record.local()
            place += len(head) + len(data)
            body += (head, data)
            lines.append(record.central())
        return b"".join(body), b"".join(lines)

    def _entry(self, sources: Sources, path: str, size: int) -> tuple[ZipRecord, bytes] | None:
        name = os.fsencode(path)
        if size < 0:
            status = sources.status(path)
            if status is None:
                return None
            if size == FOLDER:
                # the work tree itself is an entry, too, when the path was "."
                return ZipRecord.of(name + b"/", status), b""
            target = sources.target(path) if size == LINK else None
            if target is None:
                return None
            data = os.fsencode(target)
            record = ZipRecord.of(name, status)
            record.size, record.crc = len(data), checksum(data)
            return record, data
        if (opened := sources.open(path)) is None:
            return None
        fd, status = opened
        try:
            # What grows meanwhile is cut where it ended when it was found.
            data = read_fully(fd, size, path) if size else b""
        finally:
            os.close(fd)
        record = ZipRecord.of(name, status)
        record.size, record.crc = len(data), checksum(data)
        packed = self._pack(data, True) if self._pack and data else data
        if len(packed) < len(data):
            record.method = self._method
            return record, packed
        return record, data

    def _block(self, sources: Sources, unit: Unit) -> Result:
        path = self._entries.path(unit.first)
        if (opened := sources.open(path)) is None:
            return b"", b""
        fd, status = opened
        try:
            os.lseek(fd, unit.offset, os.SEEK_SET)
            data = read_fully(fd, unit.length, path)
        finally:
            os.close(fd)
        packed = self._pack(data, unit.last) if self._pack else data
        record = ZipRecord.of(b"", status)
        about = (record.mode, record.mtime, record.uid, record.gid)
        identity = (status.st_dev, status.st_ino)
        return packed, marshal.dumps((identity, about, self._method, len(data), checksum(data)))


class _Joiner:
    """Puts the units in order and writes the directory; runs in the process that wants the archive."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._place = 0
        self._count = 0
        # The directory of millions of entries is no matter for memory.
        self._directory: BinaryIO = tempfile.SpooledTemporaryFile(4 << 20)  # type: ignore[assignment]  # noqa: SIM115
        #: The large file in the middle of its blocks, and which file that is.
        self._large: ZipRecord | None = None
        self._identity: tuple[int, int] = (0, 0)

    def pieces(self, results: Iterator[Result]) -> Iterator[bytes]:
        """Yield the archive."""
        with self._directory:
            for unit, (body, note) in zip(self._entries.units(), results, strict=True):
                for piece in self._block(unit, body, note) if unit.offset >= 0 else self._whole(body, note):
                    self._place += len(piece)
                    yield piece
            start, size = self._place, self._directory.tell()
            self._directory.seek(0)
            while block := self._directory.read(_DIRECTORY_BLOCK):
                yield block
            yield end_records(self._count, size, start)

    def _whole(self, body: bytes, lines: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(lines):
            line, at = placed(lines, at, self._place)
            self._directory.write(line)
            self._count += 1
        yield body

    def _block(self, unit: Unit, body: bytes, note: bytes) -> Iterator[bytes]:
        path = self._entries.path(unit.first)
        if unit.offset == 0:
            self._large = None
        if not note:
            if self._large is not None:
                raise ArchiveError(f"{path}: has vanished while it was archived")
            return
        identity, about, method, size, crc = marshal.loads(note)  # noqa: S302 - from a process of our own
        if unit.offset == 0:
            self._large, self._identity = ZipRecord(os.fsencode(path), *about), identity
            self._large.method, self._large.streamed = method, True
            self._large.wide = self._entries.sizes[unit.first] >= _WIDE
            self._large.offset = self._place
            yield self._large.local()
        record = self._large
        if record is None:
            return  # it had vanished before its first block was read
        if identity != self._identity:
            raise ArchiveError(f"{path}: was replaced while it was archived")
        record.crc = joined_checksum(record.crc, crc, size)
        record.size += size
        record.packed += len(body)
        yield body
        if unit.last:
            yield record.descriptor()
            self._directory.write(record.central())
            self._count += 1
