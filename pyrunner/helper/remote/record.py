"""Which remote object a local archive is the same as: by its ETag, beside the archive (design.md 5).

gitlab-runner goes by times alone: what it has just stored is newer there than here, so the next job on the
same host fetches it again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

REMOTE_FILE: Final = "remote.json"

_VERSION: Final = 1
_LARGEST: Final = 4096


def recorded_etag(archive: Path) -> str:
    """Return the ETag of the object that ``archive`` was last the same as; empty when unknown."""
    try:
        value: Any = json.loads((archive.parent / REMOTE_FILE).read_bytes()[:_LARGEST])
        if value["version"] != _VERSION or value["archive"] != _identity(os.lstat(archive)):
            return ""
        return str(value["etag"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # written by another version, torn, or for another archive: as if it were not there


def record_etag(archive: Path, same: os.stat_result, etag: str) -> None:
    """Remember that ``archive`` is the same as the object with this ETag.

    :param same: of that archive: the record does not fit another that has taken its place meanwhile.
    :raises OSError: as the system reports it.
    """
    if not etag:
        return
    import tempfile  # only where something was transferred

    value = {"version": _VERSION, "archive": _identity(same), "etag": etag}
    fd, temporary = tempfile.mkstemp(prefix="archive_", dir=archive.parent)
    with os.fdopen(fd, "w") as file:
        json.dump(value, file)
    os.replace(temporary, archive.parent / REMOTE_FILE)


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns]
