"""Writes zip archives as a stream, packing blocks on all processors (job-execution.md 7.4).

A file of one block is written with its sizes in front. A larger one is cut: its blocks are packed apart,
follow one another as one deflate stream (or as Zstandard frames), and the sizes come behind the data.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final

from pyrunner.helper.levels import checksum, deflater, zstd_level
from pyrunner.helper.sources import open_source, read_block
from pyrunner.helper.zipformat import DEFLATED, MAX32, STORED, ZSTANDARD, ZipRecord, end_records

_BLOCK: Final = 512 * 1024
#: From here on sizes have 64 bits: packed data may be a little larger than the file.
_WIDE: Final = MAX32 - (1 << 28)

_Pack = Callable[[bytes, bool], bytes]


def write_zip(
    out: Callable[[bytes], object],
    paths: Iterable[str],
    files: Mapping[str, os.stat_result],
    level: str = "default",
    zstd: bool = False,
) -> None:
    """Write an archive of ``paths``, relative to the working directory.

    Files that have vanished meanwhile are left out; pipes, sockets and devices are no entries.

    :param out: takes the next bytes.
    :param level: a name of 7.4.
    :param zstd: pack with Zstandard (``zipzstd``) instead of deflate.
    :raises ArchiveError: when a file cannot be read.
    """
    pack = _zstd_packer(level) if zstd else deflater(level)
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as pool:
        _Writer(out, pool, pack, ZSTANDARD if zstd else DEFLATED, workers).write(paths, files)


class _Writer:
    """Keeps entries in order while their blocks are packed out of order."""

    def __init__(
        self,
        out: Callable[[bytes], object],
        pool: ThreadPoolExecutor,
        pack: _Pack | None,
        method: int,
        workers: int,
    ) -> None:
        self._out = out
        self._pool = pool
        self._pack = pack
        self._method = method if pack else STORED
        self._offset = 0
        self._ahead = 4 * workers
        self._pending: deque[Callable[[], None]] = deque()
        # The directory of millions of entries is no matter for memory.
        self._directory: BinaryIO = tempfile.SpooledTemporaryFile(8 << 20)  # type: ignore[assignment]  # noqa: SIM115
        self._entries = 0

    def write(self, paths: Iterable[str], files: Mapping[str, os.stat_result]) -> None:
        """Write all entries and the directory."""
        with self._directory:
            for path in paths:
                self._add(path, files[path])
            while self._pending:
                self._pending.popleft()()
            start, size = self._offset, self._directory.tell()
            self._directory.seek(0)
            while block := self._directory.read(_BLOCK):
                self._emit(block)
            self._emit(end_records(self._entries, size, start))

    def _add(self, path: str, status: os.stat_result) -> None:
        name = os.fsencode(path)
        if stat.S_ISDIR(status.st_mode):
            # the work tree itself is an entry, too, when the path was "."
            self._later(lambda: self._whole(ZipRecord(name + b"/", status), b""))
        elif stat.S_ISLNK(status.st_mode):
            try:
                target = os.fsencode(os.readlink(path))
            except OSError:
                return
            record = ZipRecord(name, status, size=len(target), crc=checksum(target))
            self._later(lambda: self._whole(record, target))
        elif stat.S_ISREG(status.st_mode) and (opened := open_source(path)) is not None:
            file, now = opened
            with file:
                if now.st_size <= _BLOCK:
                    data = read_block(file, now.st_size, path)
                    future = self._pool.submit(self._packed, name, now, data)
                    self._later(lambda: self._whole(*future.result()))
                else:
                    self._add_large(file, ZipRecord(name, now), path)

    def _packed(self, name: bytes, status: os.stat_result, data: bytes) -> tuple[ZipRecord, bytes]:
        record = ZipRecord(name, status, size=len(data), crc=checksum(data))
        packed = self._pack(data, True) if self._pack and data else data
        if len(packed) < len(data):
            record.method = self._method
            return record, packed
        return record, data

    def _add_large(self, file: BinaryIO, record: ZipRecord, path: str) -> None:
        record.method, record.streamed = self._method, True
        record.wide = record.status.st_size >= _WIDE
        self._later(lambda: self._begin(record))
        # What grows meanwhile is cut where it ended when it was opened.
        left = record.status.st_size
        block = read_block(file, min(_BLOCK, left), path)
        while True:
            left -= len(block)
            following = read_block(file, min(_BLOCK, left), path) if left and block else b""
            record.crc = checksum(block, record.crc)
            record.size += len(block)
            self._later(self._block(record, block, not following))
            if not following:
                break
            block = following
        self._later(lambda: self._finish(record))

    def _block(self, record: ZipRecord, block: bytes, last: bool) -> Callable[[], None]:
        if self._pack is None:
            return lambda: self._data(record, block)
        future: Future[bytes] = self._pool.submit(self._pack, block, last)
        return lambda: self._data(record, future.result())

    def _later(self, step: Callable[[], None]) -> None:
        self._pending.append(step)
        while len(self._pending) > self._ahead:
            self._pending.popleft()()

    def _begin(self, record: ZipRecord) -> None:
        record.offset = self._offset
        self._emit(record.local())

    def _data(self, record: ZipRecord, data: bytes) -> None:
        record.packed += len(data)
        self._emit(data)

    def _finish(self, record: ZipRecord) -> None:
        self._emit(record.descriptor())
        self._directory.write(record.central())
        self._entries += 1

    def _whole(self, record: ZipRecord, data: bytes) -> None:
        record.packed = len(data)
        record.offset = self._offset
        self._emit(record.local())
        self._emit(data)
        self._directory.write(record.central())
        self._entries += 1

    def _emit(self, data: bytes) -> None:
        self._offset += len(data)
        if data:
            self._out(data)


def _zstd_packer(level: str) -> _Pack:
    import zstandard  # only where the format is chosen

    number = zstd_level(level)
    # A compressor serves one thread at a time.
    return lambda block, _last: zstandard.ZstdCompressor(level=number).compress(block)
