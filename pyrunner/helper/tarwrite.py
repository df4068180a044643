"""Writes tar archives packed with Zstandard, by several processes (job-execution.md 7.4).

Each unit of entries becomes a frame; to readers, frames in a row are one stream. Times are kept to the
nanosecond, by pax records: builds that go by fractions of seconds (ninja, Cargo) find what they left.
gitlab-runner reads these, though what it writes itself has whole seconds, rounded to the nearest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from pyrunner.errors import ArchiveError
from pyrunner.helper.crews import Crew, Result
from pyrunner.helper.entries import Entries, Unit
from pyrunner.helper.inventory import FOLDER, LINK
from pyrunner.helper.levels import Pack, zstd_packer
from pyrunner.helper.sources import Sources, read_fully
from pyrunner.helper.tarformat import BLOCK, FILE_TYPE, FOLDER_TYPE, LINK_TYPE, header, padding


def tarzstd_pieces(entries: Entries, level: str, workers: int) -> Iterator[bytes]:
    """Yield the bytes of an archive, as :func:`.zip_pieces` does.

    :raises ArchiveError: when a file cannot be read, or shrinks meanwhile.
    """
    with Crew(_Packer(entries, level).share, workers) as crew:
        for body, _ in crew.results():
            yield body
    yield zstd_packer(level)(b"\0" * (2 * BLOCK), True)


class _Packer:
    """Packs units; runs in the workers."""

    def __init__(self, entries: Entries, level: str) -> None:
        self._entries = entries
        self._level = level

    def share(self, number: int, count: int) -> Iterator[Result]:
        """Yield the results of every ``count``-th unit."""
        pack: Pack = zstd_packer(self._level)
        with Sources(self._entries.doors) as sources:
            for index, unit in enumerate(self._entries.units()):
                if index % count == number:
                    parts = self._block(sources, unit) if unit.offset >= 0 else self._whole(sources, unit)
                    yield pack(b"".join(parts), True), b""

    def _whole(self, sources: Sources, unit: Unit) -> Iterator[bytes]:
        for index in range(unit.first, unit.end):
            path, size = self._entries.path(index), self._entries.sizes[index]
            if size < 0:
                yield from _special(sources, path, size)
            elif (opened := sources.open(path)) is not None:
                fd, status = opened
                try:
                    data = read_fully(fd, size, path) if size else b""
                finally:
                    os.close(fd)
                yield _header(FILE_TYPE, path, status, len(data))
                yield data
                yield padding(len(data))

    def _block(self, sources: Sources, unit: Unit) -> Iterator[bytes]:
        path = self._entries.path(unit.first)
        if (opened := sources.open(path)) is None:
            raise ArchiveError(f"{path}: has vanished while it was archived")
        fd, status = opened
        try:
            os.lseek(fd, unit.offset, os.SEEK_SET)
            data = read_fully(fd, unit.length, path)
        finally:
            os.close(fd)
        if len(data) < unit.length:
            raise ArchiveError(f"{path}: became shorter while it was archived")
        size = self._entries.sizes[unit.first]
        if unit.offset == 0:
            yield _header(FILE_TYPE, path, status, size)
        yield data
        if unit.last:
            yield padding(size)


def _special(sources: Sources, path: str, kind: int) -> Iterator[bytes]:
    """Yield the header of what is no regular file; nothing for what has vanished or is no entry."""
    if (status := sources.status(path)) is None:
        return
    if kind == FOLDER:
        yield _header(FOLDER_TYPE, f"{path}/", status)
    elif kind == LINK and (target := sources.target(path)) is not None:
        yield _header(LINK_TYPE, path, status, target=target)


def _header(kind: bytes, path: str, status: os.stat_result, size: int = 0, target: str = "") -> bytes:
    return header(
        kind,
        os.fsencode(path),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        size,
        status.st_mtime_ns,
        os.fsencode(target),
    )
