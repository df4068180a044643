"""Tells whether a cache archive still holds what would go into it (design.md 5).

Beside each archive of ours stands a file that says what the archive was made from: the entries (path, kind,
mode, size, time, link target) and the options. gitlab-runner goes by times alone, so it makes an archive
again after a file was only touched by its folder, and misses what was deleted; an archive that somebody
else has put there has no such file that fits, and its rule holds.

Times of folders do not count: whatever makes a temporary file in them changes those. A zip archive keeps
whole seconds only, so a tree that was just restored from one is compared by these.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.helper.inventory import Inventory, packed_with_whole_seconds

FINGERPRINT_FILE: Final = "fingerprint.json"

_VERSION: Final = 2
_LARGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """What an archive was made from: two digests, with times as they were and cut to the second."""

    exact: str
    rounded: str


class Fingerprint:
    """What an archive would be made from.

    :param options: whatever else makes another archive: format, level, the patterns.
    """

    def __init__(self, inventory: Inventory, options: Mapping[str, object]) -> None:
        self._inventory = inventory
        self._head = json.dumps([_VERSION, sorted(options.items())]).encode()
        self._exact = self._digest(inventory.batches)

    @property
    def newest(self) -> int:
        """Latest change of a file, nanoseconds."""
        return self._inventory.newest_file

    def matches(self, recorded: Record) -> bool:
        """Tell whether this tree is the one that ``recorded`` was made from."""
        return self._exact == recorded.exact or (self._inventory.whole and self._exact == recorded.rounded)

    def record(self) -> Record:
        """Return what to remember."""
        if self._inventory.whole:
            return Record(self._exact, self._exact)
        return Record(self._exact, self._digest(map(packed_with_whole_seconds, self._inventory.batches)))

    def _digest(self, batches: Iterable[bytes]) -> str:
        digest = hashlib.sha256(self._head)
        for batch in batches:
            digest.update(b"%d:" % len(batch))
            digest.update(batch)
        return digest.hexdigest()


def load(archive: Path) -> Record | None:
    """Return the recorded fingerprint of ``archive``; None when there is none that belongs to it."""
    try:
        text = (archive.parent / FINGERPRINT_FILE).read_bytes()[:_LARGEST]
        value: Any = json.loads(text)
        if value["version"] != _VERSION or value["archive"] != _identity(archive):
            return None
        return Record(str(value["exact"]), str(value["rounded"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # written by another version, torn, or for another archive: as if it were not there


def store(archive: Path, record: Record) -> None:
    """Record what ``archive``, just published, was made from.

    When another archive has taken its place meanwhile, the record fits neither, and is not used.

    :raises OSError: as the system reports it.
    """
    value = {
        "version": _VERSION,
        "archive": _identity(archive),
        "exact": record.exact,
        "rounded": record.rounded,
    }
    fd, temporary = tempfile.mkstemp(prefix="fingerprint_", dir=archive.parent)
    with os.fdopen(fd, "w") as file:
        json.dump(value, file)
    os.replace(temporary, archive.parent / FINGERPRINT_FILE)


def _identity(archive: Path) -> list[int]:
    status = os.stat(archive)
    return [status.st_ino, status.st_size, status.st_mtime_ns]
