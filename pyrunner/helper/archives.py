"""Archives by their format: which writer, which reader (job-execution.md 7.4, 8.2)."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from typing import Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.crews import crew_size
from pyrunner.helper.entries import Entries
from pyrunner.helper.limits import Limits

FORMATS: Final = ("zip", "gzip", "raw", "zipzstd", "tarzstd")

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
#: Less than this is packed sooner than processes are forked for it.
_WORTH_A_CREW: Final = 4 << 20
_MANY: Final = 500


def archive_pieces(form: str, entries: Entries, level: str) -> Generator[bytes]:
    """Return the bytes of an archive of ``entries`` in the format ``form``, one of :data:`FORMATS`.

    Processes are forked at the first piece and ended when the generator is closed.

    :raises ArchiveError: when a file cannot be read, or the format cannot hold these.
    """
    workers = crew_size() if entries.total >= _WORTH_A_CREW or len(entries) >= _MANY else 1
    if form in ("zip", "zipzstd"):
        from pyrunner.helper.zipwrite import zip_pieces

        yield from zip_pieces(entries, level, form == "zipzstd", workers)
    elif form == "tarzstd":
        from pyrunner.helper.tarwrite import tarzstd_pieces

        yield from tarzstd_pieces(entries, level, workers)
    elif form == "gzip":
        from pyrunner.helper.reports import gzip_pieces

        yield from gzip_pieces(entries)
    elif form == "raw":
        from pyrunner.helper.reports import raw_pieces

        yield from raw_pieces(entries)
    else:
        raise ArchiveError(f'archive format "{form}" is not known: use one of {", ".join(FORMATS)}')


def extract_archive(path: str, folder: str, limits: Limits | None = None) -> None:
    """Unpack the archive ``path`` into ``folder``; its first bytes tell the format.

    :raises ArchiveError: when it cannot be read, is broken or hostile; names the entry.
    """
    from pyrunner.helper.wall import Wall

    try:
        # Not blocking: a pipe in the archive's place must not hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ArchiveError(f"open {path}: {(error.strerror or '').lower()}") from error
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ArchiveError(f"open {path}: not a regular file")
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            raise ArchiveError("gzip archives hold no paths and cannot be extracted")
        with Wall(folder, os.fstat(file.fileno()).st_size, limits) as wall:
            if magic == _ZSTD_MAGIC:
                from pyrunner.helper.tarread import extract_tarzstd

                extract_tarzstd(file, wall)
            else:
                from pyrunner.helper.zipread import extract_zip

                extract_zip(file, wall)
            wall.finish()
