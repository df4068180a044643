"""Archives by their format: which writer, which reader (job-execution.md 7.4, 8.2)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from pyrunner.errors import ArchiveError
from pyrunner.helper.levels import deflater
from pyrunner.helper.sources import open_source, read_block
from pyrunner.helper.wall import Limits, Wall

FORMATS: Final = ("zip", "gzip", "raw", "zipzstd", "tarzstd")

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 20

Out = Callable[[bytes], object]


def write_archive(
    form: str, out: Out, paths: Sequence[str], files: Mapping[str, os.stat_result], level: str
) -> None:
    """Write ``paths`` in the format ``form``, one of :data:`FORMATS`.

    :raises ArchiveError: when a file cannot be read, or the format cannot hold these.
    """
    if form in ("zip", "zipzstd"):
        from pyrunner.helper.zipwrite import write_zip

        write_zip(out, paths, files, level, zstd=form == "zipzstd")
    elif form == "tarzstd":
        from pyrunner.helper.tarzstd import write_tarzstd

        write_tarzstd(out, paths, files, level)
    elif form == "gzip":
        for path in paths:
            _write_gzip(out, path, files[path])
    elif form == "raw":
        if len(paths) > 1:
            raise ArchiveError("only one file can be sent as raw")
        for path in paths:
            _copy(out, path)
    else:
        raise ArchiveError(f'archive format "{form}" is not known: use one of {", ".join(FORMATS)}')


def extract_archive(path: str, folder: str, limits: Limits | None = None) -> None:
    """Unpack the archive ``path`` into ``folder``; its first bytes tell the format.

    :raises ArchiveError: when it cannot be read, is broken or hostile; names the entry.
    """
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - the with follows
    except OSError as error:
        raise ArchiveError(f"open {path}: {(error.strerror or '').lower()}") from error
    with file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            raise ArchiveError("gzip archives hold no paths and cannot be extracted")
        with Wall(folder, os.fstat(file.fileno()).st_size, limits) as wall:
            if magic == _ZSTD_MAGIC:
                from pyrunner.helper.tarzstd import extract_tarzstd

                extract_tarzstd(file, wall)
            else:
                from pyrunner.helper.zipread import extract_zip

                extract_zip(file, wall)
            wall.finish()


def _write_gzip(out: Out, path: str, status: os.stat_result) -> None:
    """Write one member: reports are a row of them (8.2)."""
    import struct

    from pyrunner.helper.levels import checksum

    if not stat.S_ISREG(status.st_mode):
        raise ArchiveError(f'the "{path}" is not a regular file')
    if (opened := open_source(path)) is None:
        return
    file, now = opened
    pack = deflater("default")
    assert pack is not None
    with file:
        seconds = max(0, min(2**32 - 1, now.st_mtime_ns // 10**9))
        head = struct.pack("<4BL2B", 0x1F, 0x8B, 8, 0x18, seconds, 0, 255)
        out(head + _header_text(os.path.basename(path)) + _header_text(path))
        crc = size = 0
        block = read_block(file, _BLOCK, path)
        while True:
            following = read_block(file, _BLOCK, path) if block else b""
            crc, size = checksum(block, crc), size + len(block)
            out(pack(block, not following))
            if not following:
                break
            block = following
        out(struct.pack("<2L", crc, size & 0xFFFFFFFF))


def _header_text(text: str) -> bytes:
    """Return a header string: Latin-1 is all that gzip knows, so other names are escaped with a mark."""
    if not text.isascii() or "%" in text:
        text = "e:" + quote(os.fsencode(text), safe="$&+=:@")
    return text.encode("ascii") + b"\0"


def _copy(out: Out, path: str) -> None:
    if (opened := open_source(path)) is None:
        raise ArchiveError(f"open {path}: no such file or directory")
    with opened[0] as file:
        while block := read_block(file, _BLOCK, path):
            out(block)
