"""Tells whether a cache archive still holds what would go into it (design.md 5).

Beside each archive of ours stands a file that says what the archive was made from: the entries (path, kind,
mode, size, time, link target) and the options. gitlab-runner goes by times alone, so it makes an archive
again after a file was only touched by its folder, and misses what was deleted; an archive that somebody
else has put there has no such file that fits, and its rule holds.

Times of folders do not count: whatever makes a temporary file in them changes those. An archive may keep
whole seconds only, so a tree that was just restored is compared by these.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FINGERPRINT_FILE: Final = "fingerprint.json"

_VERSION: Final = 1
_SECOND: Final = 10**9
_LARGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an archive is made from; two digests, with times to the nanosecond and to the second."""

    exact: str
    rounded: str
    #: Every time is a whole second, as after a restore.
    whole: bool
    #: Latest change of a file, nanoseconds.
    newest: int

    def matches(self, other: Fingerprint) -> bool:
        """Tell whether this tree is the one that ``other``, the recorded one, was made from."""
        return self.exact == other.exact or (self.whole and self.rounded == other.rounded)


def take(
    paths: Sequence[str], files: Mapping[str, os.stat_result], options: Mapping[str, object]
) -> Fingerprint:
    """Return the fingerprint of a collection.

    :param paths: in the archive's order.
    :param options: whatever else makes another archive: format, level, the patterns.
    """
    head = json.dumps([_VERSION, sorted(options.items())]).encode()
    exact, rounded = hashlib.sha256(head), hashlib.sha256(head)
    whole, newest = True, 0
    for path in paths:
        status = files[path]
        kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode) & 0o777
        line = os.fsencode(path) + b"\0%d\0%d\0" % (kind, mode)
        nanoseconds = 0
        if kind == stat.S_IFREG:
            nanoseconds = status.st_mtime_ns
            line += b"%d\0" % status.st_size
            whole = whole and nanoseconds % _SECOND == 0
            newest = max(newest, nanoseconds)
        elif kind == stat.S_IFLNK:
            line += _target(path) + b"\0"
        exact.update(line + b"%d\n" % nanoseconds)
        rounded.update(line + b"%d\n" % (nanoseconds // _SECOND))
    return Fingerprint(exact.hexdigest(), rounded.hexdigest(), whole, newest)


def load(archive: Path) -> Fingerprint | None:
    """Return the recorded fingerprint of ``archive``; None when there is none that belongs to it."""
    try:
        text = (archive.parent / FINGERPRINT_FILE).read_bytes()[:_LARGEST]
        value: Any = json.loads(text)
        if value["version"] != _VERSION or value["archive"] != _identity(archive):
            return None
        return Fingerprint(str(value["exact"]), str(value["rounded"]), False, 0)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # written by another version, torn, or for another archive: as if it were not there


def store(archive: Path, fingerprint: Fingerprint) -> None:
    """Record what ``archive``, just published, was made from.

    When another archive has taken its place meanwhile, the record fits neither, and is not used.

    :raises OSError: as the system reports it.
    """
    value = {
        "version": _VERSION,
        "archive": _identity(archive),
        "exact": fingerprint.exact,
        "rounded": fingerprint.rounded,
    }
    fd, temporary = tempfile.mkstemp(prefix="fingerprint_", dir=archive.parent)
    with os.fdopen(fd, "w") as file:
        json.dump(value, file)
    os.replace(temporary, archive.parent / FINGERPRINT_FILE)


def _identity(archive: Path) -> list[int]:
    status = os.stat(archive)
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _target(path: str) -> bytes:
    try:
        return os.readlink(os.fsencode(path))
    except OSError:
        return b""
