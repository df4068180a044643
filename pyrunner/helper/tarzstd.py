"""tar archives packed with Zstandard (job-execution.md 7.4)."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, Final, Self

import zstandard

from pyrunner.errors import ArchiveError
from pyrunner.helper.levels import zstd_level
from pyrunner.helper.sources import open_source, read_block
from pyrunner.helper.wall import Attributes, Wall

_CHUNK: Final = 1 << 20
#: Entries that only describe the next one: pax, its global form and Solaris', GNU's long names.
_EXTENSIONS: Final = (b"x", b"g", b"X", b"L", b"K")
_LONGEST_EXTENSION: Final = 1 << 20


class _Header(tarfile.TarInfo):
    """A header that may not announce a long one: tarfile would read and search it in memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """Decode one header.

        :raises ArchiveError: when its extension is longer than any path needs.
        """
        header = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if header.type in _EXTENSIONS and header.size > _LONGEST_EXTENSION:
            raise ArchiveError(f"{header.name!r}: a header of {header.size} bytes")
        return header


class _Out(io.RawIOBase):
    """What tarfile writes to."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._emit = write

    def write(self, data: Any) -> int:
        """Pass the bytes on."""
        self._emit(bytes(data))
        return len(data)


def write_tarzstd(
    out: Callable[[bytes], object],
    paths: Iterable[str],
    files: Mapping[str, os.stat_result],
    level: str = "default",
) -> None:
    """Write an archive of ``paths``, relative to the working directory, as :func:`.write_zip` does.

    :raises ArchiveError: when a file cannot be read or shrinks meanwhile.
    """
    workers = len(os.sched_getaffinity(0))
    packer = zstandard.ZstdCompressor(level=zstd_level(level), threads=workers).compressobj()

    def emit(data: bytes) -> None:
        if packed := packer.compress(data):
            out(packed)

    with tarfile.open(mode="w|", fileobj=_Out(emit), format=tarfile.PAX_FORMAT, bufsize=_CHUNK) as tar:
        for path in paths:
            _add(tar, path, files[path])
            _forget(tar)
    out(packer.flush())


def extract_tarzstd(file: BinaryIO, wall: Wall) -> None:
    """Unpack an archive; the caller calls :meth:`Wall.finish` behind it.

    :raises ArchiveError: when it is broken or hostile; names the entry.
    """
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file, read_across_frames=True)
    name = "the archive"
    try:
        with tarfile.open(mode="r|", fileobj=reader, bufsize=_CHUNK, tarinfo=_Header) as tar:
            while (entry := tar.next()) is not None:
                name = entry.name
                _forget(tar)
                _extract(tar, entry, wall)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise ArchiveError(f"{name!r}: {error}") from error


def _add(tar: tarfile.TarFile, path: str, status: os.stat_result) -> None:
    entry = tarfile.TarInfo(path)
    entry.uid, entry.gid = status.st_uid, status.st_gid
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        entry.type = tarfile.SYMTYPE
        try:
            entry.linkname = os.readlink(path)
        except OSError:
            return
    elif not stat.S_ISREG(mode):
        return
    if not stat.S_ISREG(mode):
        entry.mode, entry.mtime = stat.S_IMODE(mode), int(status.st_mtime_ns // 10**9)
        tar.addfile(entry)
        return
    if (opened := open_source(path)) is None:
        return
    file, now = opened
    entry.mode, entry.mtime, entry.size = (
        stat.S_IMODE(now.st_mode),
        int(now.st_mtime_ns // 10**9),
        now.st_size,
    )
    with file:
        try:
            tar.addfile(entry, _Blocks(file, path))  # type: ignore[arg-type]
        except OSError as error:
            raise ArchiveError(f"{path}: became shorter while it was archived") from error


def _forget(tar: tarfile.TarFile) -> None:
    """Drop the list of past entries that tarfile keeps: memory stays flat."""
    members: list[tarfile.TarInfo] = vars(tar)["members"]
    members.clear()


class _Blocks:
    """A file whose reads are never short before its end."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end."""
        return read_block(self._file, size, self._path)


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, wall: Wall) -> None:
    attributes = Attributes(entry.mode, int(entry.mtime) * 10**9, entry.uid, entry.gid)
    if entry.isdir():
        wall.folder(entry.name, attributes)
    elif entry.issym():
        wall.link(entry.name, entry.linkname, attributes)
    elif entry.isreg():
        source = tar.extractfile(entry)
        assert source is not None

        def copy(write: Callable[[bytes], None]) -> None:
            left = entry.size
            while left:
                data = source.read(min(_CHUNK, left))
                if not data:
                    raise ArchiveError(f"{entry.name!r}: the archive ends too early")
                write(data)
                left -= len(data)

        wall.file(entry.name, attributes, copy)
    elif entry.isdev():
        raise ArchiveError(f"{entry.name!r}: devices, pipes and sockets are not extracted")
    else:
        raise ArchiveError(f"{entry.name!r}: a kind of entry that runners do not write")
