"""A downloaded archive takes its place: whole, with the remote object's time (job-execution.md 7.2)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from pyrunner.errors import ArchiveError
from pyrunner.helper.remote.record import record_etag, recorded_etag

METADATA_FILE: Final = "metadata.json"

#: As archives in the making: who archives here removes what a killed process left.
_PREFIX: Final = "archive_"


class Attributes(NamedTuple):
    """What is known of a remote archive."""

    #: Bytes; 0: unknown, or none.
    size: int
    #: Seconds.
    modified: float
    etag: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})


def is_up_to_date(file: Path, remote: Attributes) -> bool:
    """Tell whether the local archive is there, and is the remote one or not older than it."""
    try:
        newer_here = file.lstat().st_mtime >= remote.modified
    except OSError:
        return False
    return newer_here or (bool(remote.etag) and recorded_etag(file) == remote.etag)


def store(file: Path, remote: Attributes, write: Callable[[int], None]) -> None:
    """Have ``write`` fill a file descriptor and put what it wrote in the place of ``file``.

    :raises ArchiveError: when it cannot be stored here.
    """
    import tempfile  # imports of its own take longer than most of what finds nothing to store

    temporary = ""
    try:
        fd, temporary = tempfile.mkstemp(prefix=_PREFIX, dir=file.parent)
        try:
            write(fd)
        finally:
            os.close(fd)
        os.utime(temporary, (time.time(), remote.modified))
        stored = os.stat(temporary)
        os.replace(temporary, file)
        temporary = ""
        write_metadata(str(file.parent), remote.metadata)
        record_etag(file, stored, remote.etag)
    except OSError as error:
        raise ArchiveError(f"{error.filename or file}: {(error.strerror or '').lower()}") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def write_fully(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset``."""
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view = view[count:]
        offset += count


def write_metadata(folder: str, metadata: Mapping[str, str]) -> None:
    """Keep the metadata of the archive in ``folder``; informational.

    :raises OSError: as the system reports it.
    """
    import tempfile

    content = {key.lower(): value for key, value in metadata.items() if key}
    fd, temporary = tempfile.mkstemp(prefix="metadata_", dir=folder)
    with os.fdopen(fd, "wb") as out:
        out.write(json.dumps(content, separators=(",", ":"), sort_keys=True).encode())
        os.fchmod(fd, 0o640)
    os.replace(temporary, os.path.join(folder, METADATA_FILE))
